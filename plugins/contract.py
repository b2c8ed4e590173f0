"""What a plugin is: a small class with a name, a docstring that becomes its help text, a pydantic model of options.

Plugins hold no state: what a call needs is in its arguments, what an extractor has learned is in a `FittedExtractor`.
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
"""What a representation makes of n sources: dense of shape (n, *shape), or CSR of shape (n, product of shape)."""

Features: TypeAlias = "NDArray[np.float32] | NDArray[np.float64]"
"""Features of n sources, shape (n, d), finite."""

Advance: TypeAlias = Callable[[str], None]
"""Told what is being done, for whoever shows progress."""


class Options(BaseModel):
    """Base of every plugin's options: unknown keys are refused, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReadLimits(Options):
    """How much a single input file may hold; what lies beyond is refused, never read."""

    max_uncompressed_gib: float = 16.0
    max_events: int = 200_000_000

    @property
    def max_uncompressed_bytes(self) -> int:
        """`max_uncompressed_gib` in bytes."""
        return int(self.max_uncompressed_gib * 2**30)


OptionsT = TypeVar("OptionsT", bound=Options, default=Any)
"""Options of a plugin: ``class MyVeto(Veto[MyOptions])`` gets checked options of that type in its methods."""


class Plugin(ABC, Generic[OptionsT]):
    """Anything that is registered under a name.

    Its options are the type parameter: ``class MyVeto(Veto[MyOptions])``. A plugin without options needs none.
    """

    name: ClassVar[str]
    options_model: ClassVar[type[Options]] = Options
    """Model of the options; taken from the type parameter."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for base in cls.__dict__.get("__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, ForwardRef):
                    message = f"{cls.__name__}[{argument.__forward_arg__!r}]: name the class of options, not a string"
                    raise TypeError(message)
                if isinstance(argument, type) and issubclass(argument, Options):
                    cls.options_model = argument


class InstrumentAdapter(Plugin[OptionsT]):
    """From one mission's files to `Observation`.

    Exactly one adapter claims a file: none or two claims are errors that name the file and the adapters.
    """

    @abstractmethod
    def claims(self, path: Path, header: Mapping[str, object]) -> bool:
        """Whether the file is this adapter's.

        Parameters
        ----------
        path : Path
        header : mapping
            Keywords of the FITS primary and events headers (the latter win), upper case; empty if it is not FITS.
        """

    @abstractmethod
    def read(self, path: Path, options: OptionsT, limits: ReadLimits) -> Observation | EventBatch:
        """Read the file.

        Returns
        -------
        Observation or EventBatch
            An exposure whose sources are yet to be placed; or, from a table of photons that are told apart by source
            already, the sources themselves.

        Raises
        ------
        FileError, PhotonError
            With the reason why it cannot be used.
        """

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
        """Sources that companions or the file itself name; empty if they are to be found by detection."""
        return []


class Representation(Plugin[OptionsT]):
    """From photon lists of any length to arrays of one shape.

    A source's array depends on that source alone, never on the batch that it is in, and holds no NaN: what a list of
    one photon, or of photons at one instant, gives is defined and documented.
    """

    @abstractmethod
    def shape(self, options: OptionsT) -> tuple[int, ...]:
        """Shape of one source's array."""

    @abstractmethod
    def transform(self, batch: EventBatch, options: OptionsT) -> Values:
        """Represent every source, float32: dense of shape (n, *shape), or CSR of shape (n, product of shape)."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Sources as an extractor gets them.

    Parameters
    ----------
    batch : EventBatch
    values : Values or None
        Of the case's representation; None in a case that has none.
    shape : tuple of int
        Of one source's array.
    timing : Timing, optional
        The tests' verdict on the batch, where it is known already.
    """

    batch: EventBatch
    values: Values | None = None
    shape: tuple[int, ...] = ()
    timing: Timing | None = None

    def __len__(self) -> int:
        return len(self.batch)


class FittedExtractor(ABC):
    """Features as they were learned, scaling included; applies to any source of the same kind, at any time."""

    width: int
    """Features a source."""

    @abstractmethod
    def transform(self, sample: Sample) -> Features:
        """Features, shape (n, width), finite; a source's do not depend on what else is in the sample."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was learned into an existing folder, as JSON and npz that execute nothing when read."""


class FeatureExtractor(Plugin[OptionsT]):
    """Learns features of a population, or brings features learned before."""

    @abstractmethod
    def fit(
        self, sample: Sample, options: OptionsT, advance: Advance = lambda _: None
    ) -> tuple[FittedExtractor, Features]:
        """Learn from a population, or load what was learned before, as the options say.

        Returns
        -------
        (FittedExtractor, ndarray of shape (n, width))
            What was learned, and the population's own features, which learning brings along.

        Raises
        ------
        ReferenceDataError
            The population is too small, or not of the kind that this extractor needs.
        """

    @abstractmethod
    def load(self, folder: Path) -> FittedExtractor:
        """Read what `FittedExtractor.save` wrote.

        Raises
        ------
        ArtefactError
            It is not what `save` wrote.
        """


class Embedder(Plugin[OptionsT]):
    """A map of the plane on which sources with like features lie together."""

    @abstractmethod
    def fit(self, features: Features, options: OptionsT, advance: Advance = lambda _: None) -> F64:
        """Place a whole population, shape (n, 2).

        Raises
        ------
        ReferenceDataError
            The population is too small for the options.
        """

    def place(self, distances: F64, positions: F64) -> F64:
        """Place new sources on a map that stands, from where their neighbours in feature space are.

        The old ones do not move. Every embedder does what `embedding.interpolate_positions` does unless it knows
        better.

        Parameters
        ----------
        distances : ndarray, shape (n, k)
            In feature space to the k nearest sources of the map, ascending.
        positions : ndarray, shape (n, k, 2)
            Of these on the map.

        Returns
        -------
        ndarray, shape (n, 2)
        """
        from .embedding import interpolate_positions

        return interpolate_positions(distances, positions)
