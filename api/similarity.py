"""Known transients that a source resembles: `SimilarTransient`, and the list of the nearest ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.figure import Figure

    from xherald.reference_catalogues import Member
    from xherald.sources import Source

__all__ = ["SimilarTransient", "SimilarTransients", "similar_to"]


@dataclass(frozen=True, eq=False, repr=False)
class SimilarTransient:
    """A known transient near a source in feature space.

    Parameters
    ----------
    source : Source
        What it is compared with.
    member : Member
        The transient, with its E–t map and light curve.
    distance : float
        In feature space.
    """

    source: Source
    member: Member
    distance: float

    @property
    def name(self) -> str:
        """Name in the reference."""
        return self.member.name

    @property
    def kind(self) -> str:
        """Class of the transient where it is known, else flare, dip or other."""
        return self.member.kind

    def plot(self) -> Figure:
        """E–t map and light curve of the transient beside those of the source."""
        from xherald.figures import plot_beside

        return plot_beside(self)

    def __repr__(self) -> str:
        return f"<SimilarTransient {self.name}: {self.kind.replace('_', ' ')}, distance {self.distance:.3g}>"


@dataclass(frozen=True, eq=False, repr=False)
class SimilarTransients:
    """The known transients nearest to a source, nearest first; a sequence of `SimilarTransient`.

    Parameters
    ----------
    source : Source
    reference : str
        Name and version of the reference, as ``name@version``.
    case : str
        Case in whose feature space the distances are.
    found : tuple of SimilarTransient
    """

    source: Source
    reference: str
    case: str
    found: tuple[SimilarTransient, ...]

    @property
    def table(self) -> QTable:
        """Name, kind and distance of each."""
        from astropy.table import QTable

        columns = ("name", "kind", "distance")
        return QTable({column: [getattr(one, column) for one in self.found] for column in columns})

    def plot(self) -> Figure:
        """The source's E–t map and light curve above those of the similar transients."""
        from xherald.figures import plot_similar

        return plot_similar(self)

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[SimilarTransient]:
        return iter(self.found)

    def __getitem__(self, index: int) -> SimilarTransient:
        return self.found[index]

    def __repr__(self) -> str:
        return f"<SimilarTransients of {self.source.name}: {len(self)} in {self.reference}, case {self.case}>"

    def _repr_html_(self) -> str:
        from xherald.html import html_table

        rows = [("name", "kind", "distance"), *((one.name, one.kind, f"{one.distance:.3g}") for one in self.found)]
        return html_table(f"Known transients similar to {self.source.name}", rows, note=f"{self.reference} {self.case}")


def similar_to(source: Source, k: int = 10) -> SimilarTransients:
    """The known transients of the reference that are nearest to a source.

    Flares are compared with flares and dips with dips, in the case that the detector uses.

    Parameters
    ----------
    source : Source
    k : int

    Raises
    ------
    ReferenceDataError
        No reference covers the source's instrument and band.
    ConfigError
        k is not positive.
    """
    from xherald.photons.errors import ConfigError, ReferenceDataError
    from xherald.photons.statistics import DIP
    from xherald.plugins.known_transients import find_nearest_members
    from xherald.reference_catalogues import Reference

    if k < 1:
        raise ConfigError(f"k: the number of transients is at least 1, got {k}")
    batch, index = source.scan.detections.detection_batch, source.index
    reference, features = batch.reference, batch.features
    if reference is None or not features:
        raise ReferenceDataError(
            f"{source.name}: no reference of {source.event_list.identity.mission} "
            f"{source.event_list.identity.instrument} in its band; build one with `xherald reference build`"
        )
    case = list(features)[-1]
    group = "dip" if int(batch.direction[index]) == DIP else "flare"
    rows, distances = find_nearest_members(reference, case, group, features[case][index : index + 1], k)
    members = Reference(reference)
    found = tuple(
        SimilarTransient(source, members[int(row)], float(distance))
        for row, distance in zip(rows[0], distances[0], strict=True)
    )
    return SimilarTransients(source, f"{reference.name}@{reference.version}", case, found)
