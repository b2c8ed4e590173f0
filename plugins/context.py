"""What is known at a position: the base class `ContextProvider`, and its result `ContextMatches`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xherald.photons.arrays import F64, I64

from .contract import OptionsT, Plugin

__all__ = ["ContextMatches", "ContextProvider"]


@dataclass(frozen=True, slots=True, eq=False)
class ContextMatches:
    """Sources of one catalogue near n positions, by position and then by separation.

    Parameters
    ----------
    catalogue : str — its name
    offsets : ndarray, shape (n + 1,), int64
        Matches of position i are ``offsets[i]:offsets[i + 1]``.
    names, types : tuple of str, one a match
        Name, and type as the catalogue writes it; empty if unknown.
    ra_deg, dec_deg : ndarray, shape (matches,)
        ICRS, at the epoch that was asked for.
    pos_err_arcsec : ndarray, shape (matches,)
        Standard deviation per axis; positive.
    separation_arcsec : ndarray, shape (matches,)
    numbers : mapping of str to ndarray, shape (matches,)
        What else is known, NaN where it is not: "magnitude", "distance_pc", "redshift", "flux_erg_cm2_s", and others
        with a unit suffix.
    density_per_deg2 : ndarray, shape (n,), or None
        Sources of the catalogue per square degree around each position; None if it was not measured.
    categories : tuple of str, one a match, or empty
        What the sources are, such as "star" (docs/interest.md); if empty, it is derived from the types.
    failure : str
        Why the catalogue could not be asked about some or all of the positions; empty if it was.
    """

    catalogue: str
    offsets: I64
    names: tuple[str, ...]
    types: tuple[str, ...]
    ra_deg: F64
    dec_deg: F64
    pos_err_arcsec: F64
    separation_arcsec: F64
    numbers: Mapping[str, F64] = field(default_factory=dict)
    density_per_deg2: F64 | None = None
    categories: tuple[str, ...] = ()
    failure: str = ""

    def __len__(self) -> int:
        return len(self.names)


class ContextProvider(Plugin[OptionsT]):
    """Knows sources on the sky, such as those of a catalogue or of a service."""

    @abstractmethod
    def find(
        self, ra_deg: F64, dec_deg: F64, radius_arcsec: F64, epoch_yr: float | None, options: OptionsT
    ) -> Sequence[ContextMatches]:
        """Find the known sources within a radius of each position.

        Parameters
        ----------
        ra_deg, dec_deg : ndarray, shape (n,)
            ICRS; 0 to 360 and -90 to 90.
        radius_arcsec : ndarray, shape (n,)
        epoch_yr : float or None
            Julian year to which proper motions are carried; None for the epoch of the catalogue.
        options : Options

        Returns
        -------
        sequence of ContextMatches
            One for each catalogue, also if nothing was found in it.

        Raises
        ------
        ArtefactError, ConfigError
            A catalogue cannot be used.
        """
