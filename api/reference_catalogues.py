"""Reference catalogues in Python: `Reference`, its embedding, and its members with their E–t maps and light curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xherald.photons.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from astropy.table import QTable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from xherald.detector.configuration.configuration import Configuration
    from xherald.photons.arrays import F32
    from xherald.plugins.reference import Reference as HeldReference
    from xherald.plugins.reference import ReferenceCase

__all__ = ["Member", "Reference"]


@dataclass(frozen=True, eq=False, repr=False)
class Member:
    """One source of a reference catalogue.

    Parameters
    ----------
    reference : Reference
    index : int
        Its row in the reference.
    """

    reference: Reference
    index: int

    @property
    def name(self) -> str:
        """Its obsreg_id: observation and region, or the transient's own name."""
        return str(self.row["obsreg_id"])

    @cached_property
    def row(self) -> dict[str, Any]:
        """Its columns of `Reference.sources`."""
        (row,) = self.reference.held.sources.slice(self.index, 1).to_pylist()
        return dict(row)

    @property
    def kind(self) -> str:
        """Class where it is known, else "flare", "dip" or "other" for a bona-fide transient, else ""."""
        return str(self.row["class"] or self.row["bona_fide"] or "")

    @property
    def et_map(self) -> NDArray[np.generic]:
        """E–t map: counts, shape (24, 16), time from first to last photon by log energy over 0.5 to 7 keV."""
        return self.reference.held.members.et_map(self.index)

    @property
    def light_curve(self) -> QTable:
        """Light curve in bins of equal exposure: start_s and stop_s since the start, exposure, counts, rate (ct/s)."""
        from astropy import units as u
        from astropy.table import QTable

        curve = self.reference.held.members.light_curve(self.index)
        return QTable(
            {
                "start_s": curve.edges_s[:-1] * u.s,
                "stop_s": curve.edges_s[1:] * u.s,
                "exposure": curve.exposure_s * u.s,
                "counts": curve.counts * u.ct,
                "rate": curve.counts / curve.exposure_s * (u.ct / u.s),
            }
        )

    def similar(self, k: int = 10, case: str | None = None) -> list[tuple[Member, float]]:
        """Members nearest in feature space, nearest first, each with its distance; this one left out.

        Parameters
        ----------
        k : int
        case : str, optional
            By default the first.
        """
        held = self.reference.case(case)
        rows, distances = held.index.query(held.features[self.index : self.index + 1], min(k + 1, len(self.reference)))
        pairs = zip(rows[0].tolist(), distances[0].tolist(), strict=True)
        return [(self.reference[row], distance) for row, distance in pairs if row != self.index][:k]

    def plot(self) -> Figure:
        """Its E–t map and light curve."""
        from xherald.figures import plot_member

        return plot_member(self)

    def __repr__(self) -> str:
        kind = self.kind.replace("_", " ") or "unclassified"
        return f"<Member {self.name} of {self.reference.name}: {kind}, {self.row['counts']} counts>"

    def _repr_html_(self) -> str:
        from xherald.html import html_table

        return html_table(repr(self)[1:-1], [(name, str(value)) for name, value in self.row.items()], heading=False)


class Reference:
    """A reference catalogue: sources with features, embedding, clusters and known transients.

    Parameters
    ----------
    which : str
        "built-in", which is simulated on first use; a reference of the user's, ``name`` or ``name@version``; or an
        instrument's that is shipped, such as "chandra-acis-i" (`names`).
    config : str, Path, mapping or Configuration, optional
        Settings, as in `xherald.scan`.
    progress : bool, optional
        Whether to show progress; by default in terminals and notebooks.

    Raises
    ------
    ConfigError
        No reference has that name; the message lists the available ones.
    ArtefactError
        It cannot be read.
    """

    def __init__(
        self,
        which: str | HeldReference = "built-in",
        *,
        config: str | Path | Mapping[str, Any] | Configuration | None = None,
        progress: bool | None = None,
    ) -> None:
        from xherald.scanning import configuration_from

        self.held = _open(which, configuration_from(config), progress) if isinstance(which, str) else which

    @staticmethod
    def names(config: str | Path | Mapping[str, Any] | Configuration | None = None) -> list[str]:
        """Names that can be opened: the built-in one, the user's, and those that are shipped."""
        from xherald.detector.references.builtin_reference import open_reference_store
        from xherald.detector.scoring.detect import calibration_of
        from xherald.scanning import configuration_from

        configuration = configuration_from(config)
        own = [f"{one.name}@{one.version}" for one in open_reference_store(configuration.settings.reference).entries()]
        shipped = [name for name, group in calibration_of(configuration).groups.items() if group.references]
        return list(dict.fromkeys(["built-in", *own, *shipped]))

    @property
    def name(self) -> str:
        """Name of the reference."""
        return self.held.name

    @property
    def version(self) -> str:
        """Version of the reference."""
        return self.held.version

    @property
    def cases(self) -> tuple[str, ...]:
        """Names of its cases: ways in which sources are compared."""
        return tuple(self.held.cases)

    def case(self, name: str | None = None) -> ReferenceCase:
        """Features, embedding, clusters and index of a case; the first by default.

        Raises
        ------
        ConfigError
            The case does not exist.
        """
        return self.held.case(name if name is not None else self.cases[0])

    @cached_property
    def sources(self) -> QTable:
        """A row for each member: obsreg_id, mission, instrument, counts, livetime_s, hardness, class and others."""
        from astropy.table import QTable

        held = self.held.sources
        return QTable({name: held.column(name).to_numpy(zero_copy_only=False) for name in held.column_names})

    @property
    def embedding(self) -> QTable:
        """The first case's embedding (`embedding_of`)."""
        return self.embedding_of()

    def embedding_of(self, case: str | None = None) -> QTable:
        """Positions and clusters of a case's embedding, with the columns of `sources`."""
        held = self.case(case)
        table = self.sources.copy()
        table["x"], table["y"], table["cluster"] = held.embedding[:, 0], held.embedding[:, 1], held.cluster
        table.meta["case"] = held.name
        return table

    def features_of(self, case: str | None = None) -> F32:
        """Features of a case, shape (members, features)."""
        features: F32 = self.case(case).features
        return features

    @cached_property
    def transients(self) -> list[Member]:
        """The bona-fide transients."""
        return [self[row] for row, kind in enumerate(self.held.sources.column("bona_fide").to_pylist()) if kind]

    def plot(self, case: str | None = None, colour_by: str = "bona_fide") -> Figure:
        """The embedding of a case.

        Parameters
        ----------
        case : str, optional
            By default the first.
        colour_by : str
            Column of `embedding_of`.

        Raises
        ------
        ConfigError
            The case or the column does not exist.
        """
        from xherald.figures import plot_embedding

        columns = (*self.held.sources.column_names, "cluster")
        if colour_by not in columns:
            raise ConfigError(f"colour_by: no column {colour_by!r}; there are {', '.join(columns)}")
        return plot_embedding(self, case, colour_by)

    def __len__(self) -> int:
        return len(self.held)

    def __iter__(self) -> Iterator[Member]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, key: int | str) -> Member:
        """A member by its row or its name.

        Raises
        ------
        IndexError
            There are fewer members.
        KeyError
            No member has that name.
        """
        if isinstance(key, str):
            if key not in self._rows:
                raise KeyError(f"{self.name}@{self.version} has no member {key!r}")
            return Member(self, self._rows[key])
        if not -len(self) <= key < len(self):
            raise IndexError(f"{self.name}@{self.version} has {len(self)} members, no row {key}")
        return Member(self, key % len(self))

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {str(name): row for row, name in enumerate(self.held.sources.column("obsreg_id").to_pylist())}

    def __repr__(self) -> str:
        return f"<Reference {self.name}@{self.version}: {len(self)} sources, cases {', '.join(self.cases)}>"

    def _repr_html_(self) -> str:
        from xherald.html import html_table

        about = self.held.about
        rows = [
            ("sources", f"{len(self):,}"),
            ("bona-fide transients", f"{len(self.transients):,}"),
            ("cases", ", ".join(self.cases)),
            *((name, str(about[name])) for name in ("mission", "instrument", "band_kev") if name in about),
        ]
        return html_table(f"Reference {self.name}@{self.version}", rows, heading=False)


def _open(which: str, configuration: Configuration, progress: bool | None) -> HeldReference:
    from xherald.detector.calibration.group_references import find_reference
    from xherald.detector.references.builtin_reference import BUILT_IN, built_in_reference, open_reference_store
    from xherald.progress_bars import shown_stages

    host, store = configuration.host, open_reference_store(configuration.settings.reference)
    if which == BUILT_IN:
        with shown_stages(shown=progress) as stage:
            return store.load(built_in_reference(configuration, stage), host.extractors)
    try:
        return store.load(find_reference(which, configuration), host.extractors)
    except ConfigError as error:
        names = ", ".join(Reference.names(configuration))
        raise ConfigError(f"no reference is named {which!r}; there are {names}") from error
