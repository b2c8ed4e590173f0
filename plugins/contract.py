"""What a plugin is: a small class with a name, a docstring that becomes its help text, a pydantic model of options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from xherald.photons import Aperture, EventBatch, Observation

__all__ = ["InstrumentAdapter", "Options", "Plugin", "ReadLimits"]


class Options(BaseModel):
    """Base of every plugin's options: unknown keys are refused, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReadLimits(Options):
    """How much a single input file may hold; what lies beyond is refused, never read."""

    max_uncompressed_gib: float = 16.0
    max_events: int = 200_000_000


class Plugin(ABC):
    """Anything that is registered under a name."""

    name: ClassVar[str]
    options_model: ClassVar[type[Options]] = Options


class InstrumentAdapter(Plugin):
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
    def read(self, path: Path, options: Options, limits: ReadLimits) -> Observation | EventBatch:
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

    def companions(self, path: Path) -> Iterable[Path]:
        """Existing files beside it that belong to it (region, source list)."""
        return ()

    def apertures(self, observation: Observation) -> list[Aperture]:
        """Sources that companions or the file itself name; empty if they are to be found by detection."""
        return []
