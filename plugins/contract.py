"""Base classes of plugins: a class with a name, a docstring that is its help text, and a pydantic model of options.

Plugins keep no state: arguments contain all that a call needs, and a fitted extractor is a `FittedExtractor`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, ForwardRef, Generic, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar

from xherald.photons import Aperture, EventBatch, Observation
from xherald.photons.arrays import F32, F64

from .folder_names import FolderNames

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from xherald.photons.statistics.result import Timing

__all__ = [
    "Advance",
    "Embedder",
    "FeatureExtractor",
    "Features",
    "FittedExtractor",
    "InstrumentAdapter",
    "Options",
    "OptionsT",
    "Plugin",
    "ReadLimits",
    "Representation",
    "Sample",
    "Values",
]


Values: TypeAlias = "F32 | csr_array"
"""Arrays of n sources: dense of shape (n, *shape), or CSR of shape (n, product of shape)."""

Features: TypeAlias = "NDArray[np.float32] | NDArray[np.float64]"
"""Features of n sources, shape (n, d), finite."""

Advance: TypeAlias = Callable[[str], None]
"""Called with a description of the current step, to show progress."""


class Options(BaseModel):
    """Base class of options: unknown keys are forbidden, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReadLimits(Options):
    """Largest sizes of an input file; larger files are refused without being read."""

    max_uncompressed_gib: float = 16.0
    max_events: int = 200_000_000

    @property
    def max_uncompressed_bytes(self) -> int:
        """`max_uncompressed_gib` in bytes."""
        return int(self.max_uncompressed_gib * 2**30)


OptionsT = TypeVar("OptionsT", bound=Options, default=Any)
"""Type of a plugin's options, as in ``class MyVeto(Veto[MyOptions])``."""


class Plugin(ABC, Generic[OptionsT]):
    """Base class of all plugins.

    The type parameter is the model of the options, as in ``class MyVeto(Veto[MyOptions])``; a plugin without options
    leaves it out.
    """

    name: ClassVar[str]
    options_model: ClassVar[type[Options]] = Options
    """Model of the options; set from the type parameter."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for base in cls.__dict__.get("__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, ForwardRef):
                    message = (
                        f"{cls.__name__}[{argument.__forward_arg__!r}]: give the class of the options, not a string"
                    )
                    raise TypeError(message)
                if isinstance(argument, type) and issubclass(argument, Options):
                    cls.options_model = argument


class InstrumentAdapter(Plugin[OptionsT]):
    """Reads the files of a mission.

    Exactly one adapter must claim a file; if none or several do, an error names the file and the adapters.
    """

    @abstractmethod
    def claims(self, path: Path, header: Mapping[str, object]) -> bool:
        """Whether the file is one of this adapter's.

        Parameters
        ----------
        path : Path
        header : mapping
            Upper-case keywords of the primary and events headers, the latter taking precedence; empty if not FITS.
        """

    @abstractmethod
    def read(self, path: Path, options: OptionsT, limits: ReadLimits) -> Observation | EventBatch:
        """Read the file.

        Returns
        -------
        Observation or EventBatch
            An exposure, in which sources are still to be found; or sources, from a table of photons by source.

        Raises
        ------
        FileError, PhotonError
            The file cannot be used.
        """

    def instruments(self) -> Mapping[str, tuple[str, ...]]:
        """Supported values of INSTRUME for each TELESCOP, for error messages; empty if files are not FITS."""
        return {}

    def companions(self, name: str, siblings: FolderNames) -> Iterable[str]:
        """Names of the files in the same folder that belong to a file, such as a region or a source list.

        The answer depends on names alone: the files may be in a remote archive.

        Parameters
        ----------
        name : str
            Name of the file, without its folder.
        siblings : FolderNames
            Names of all files in its folder; ``name`` may be among them.
        """
        return ()

    def companion_paths(self, path: Path, siblings: FolderNames | None = None) -> list[Path]:
        """Companions of a file on disk.

        Parameters
        ----------
        path : Path
        siblings : FolderNames, optional
            Names of the files in its folder; listed from disk if not given.
        """
        if siblings is None:
            siblings = FolderNames.in_folder(path.parent)
        return [path.with_name(name) for name in self.companions(path.name, siblings)]

    def expects_companions(self, name: str) -> bool:
        """Whether files of this name usually come with companions, so that the daemon waits for these."""
        return False

    def apertures(self, observation: Observation) -> list[Aperture]:
        """Apertures of the sources that the file or its companions list; empty if sources are to be detected."""
        return []


class Representation(Plugin[OptionsT]):
    """Represents photon lists of any length as arrays of fixed shape.

    The array of a source depends on that source alone and is finite, also for a single photon and for simultaneous
    photons.
    """

    @abstractmethod
    def shape(self, options: OptionsT) -> tuple[int, ...]:
        """Shape of the array of one source."""

    @abstractmethod
    def transform(self, batch: EventBatch, options: OptionsT) -> Values:
        """Represent the sources, float32: dense of shape (n, *shape), or CSR of shape (n, product of shape)."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Sources, as input of an extractor.

    Parameters
    ----------
    batch : EventBatch
    values : Values or None
        Arrays of the representation; None in a case without one.
    shape : tuple of int
        Shape of the array of one source.
    timing : Timing, optional
        Results of the timing tests, if available.
    """

    batch: EventBatch
    values: Values | None = None
    shape: tuple[int, ...] = ()
    timing: Timing | None = None

    def __len__(self) -> int:
        return len(self.batch)


class FittedExtractor(ABC):
    """Computes features of any source, with the scaling of the population that it was fitted to."""

    width: int
    """Number of features of a source."""

    @abstractmethod
    def transform(self, sample: Sample) -> Features:
        """Finite features, shape (n, width); those of a source do not depend on other sources in the sample."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the extractor into an existing folder, as JSON and npz without pickled objects."""


class FeatureExtractor(Plugin[OptionsT]):
    """Fits features to a population, or provides pretrained ones."""

    @abstractmethod
    def fit(
        self, sample: Sample, options: OptionsT, advance: Advance = lambda _: None
    ) -> tuple[FittedExtractor, Features]:
        """Fit features to a population, or load pretrained ones, according to the options.

        Returns
        -------
        (FittedExtractor, ndarray of shape (n, width))
            The fitted extractor, and the features of the population.

        Raises
        ------
        ReferenceDataError
            The population is too small, or lacks what this extractor needs.
        """

    @abstractmethod
    def load(self, folder: Path) -> FittedExtractor:
        """Load an extractor that `FittedExtractor.save` wrote.

        Raises
        ------
        ArtefactError
            The folder is incomplete or damaged.
        """


class Embedder(Plugin[OptionsT]):
    """Embeds sources in the plane, with similar sources close together."""

    @abstractmethod
    def fit(self, features: Features, options: OptionsT, advance: Advance = lambda _: None) -> F64:
        """Compute positions of a population, shape (n, 2).

        Raises
        ------
        ReferenceDataError
            The population is too small for the options.
        """

    def place(self, distances: F64, positions: F64) -> F64:
        """Compute positions of new sources from those of their neighbours in feature space; members do not move.

        The default is `embedding.interpolate_positions`.

        Parameters
        ----------
        distances : ndarray, shape (n, k)
            To the k nearest members in feature space, ascending.
        positions : ndarray, shape (n, k, 2)
            Their positions in the embedding.

        Returns
        -------
        ndarray, shape (n, 2)
        """
        from .embedding import interpolate_positions

        return interpolate_positions(distances, positions)
