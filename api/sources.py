"""One source of a scan: `Source`, with its photons, light curve, E–t map, plots and similar transients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable
    from matplotlib.figure import Figure

    from xherald.detector.candidates.evidence import Evidence
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.results.rows import DetectionRow
    from xherald.detector.scan import Scan
    from xherald.light_curves import LightCurve
    from xherald.photons import EventList
    from xherald.photons.arrays import F32
    from xherald.similarity import SimilarTransients

__all__ = ["Source"]


@dataclass(frozen=True, eq=False, repr=False)
class Source:
    """One source of one observation, as a scan found it.

    Parameters
    ----------
    scan : xherald.detector.scan.Scan
    index : int
        Index of the source in the scan's batch.
    row : DetectionRow
        All its results in JSON's own types; names as in `ScanResult.table`.
    configuration : Configuration
    """

    scan: Scan
    index: int
    row: DetectionRow
    configuration: Configuration

    @property
    def name(self) -> str:
        """Observation and detection, as "29128/25"."""
        return "/".join(part for part in (self.row["obs_id"], self.row["detection_id"]) if part)

    @property
    def kind(self) -> str:
        """Whether it is a "flare", a "dip" or "steady"."""
        return self.row["kind"]

    @property
    def is_candidate(self) -> bool:
        """Whether it varied significantly and no veto rejects it."""
        return self.row["is_candidate"]

    @property
    def candidate_id(self) -> str | None:
        """Id of the candidate; None where the source is none."""
        return self.row["candidate_id"]

    @property
    def false_alarm_probability(self) -> float | None:
        """Probability that a source like it that does not vary scores as high, all trials counted; None if untested."""
        return self.row["false_alarm_probability"]

    @property
    def flags(self) -> tuple[str, ...]:
        """What to know of the source, such as "pile_up"; names of raised vetoes included."""
        return (*self.row["flags"], *(veto["veto"] for veto in self.row["vetoes"]))

    @property
    def position(self) -> SkyCoord | None:
        """ICRS position; None where the photons came without one."""
        identity = self.event_list.identity
        if identity.ra is None or identity.dec is None:
            return None
        from astropy.coordinates import SkyCoord

        return SkyCoord(identity.ra, identity.dec, unit="deg", frame="icrs")

    @property
    def interval(self) -> tuple[float, float] | None:
        """Start and stop of the flare or dip, mission seconds; None where no test points at one."""
        start, stop = self.row["interval_start_s"], self.row["interval_stop_s"]
        return None if start is None or stop is None else (start, stop)

    @cached_property
    def event_list(self) -> EventList:
        """The source's photons, exposure and background as flat arrays."""
        return self.scan.photons.batch[self.index]

    @cached_property
    def evidence(self) -> Evidence:
        """Every number that the plot sheet shows, in JSON's own types; with all detections of a candidate."""
        if self.row["evidence"] is not None:
            return self.row["evidence"]
        from xherald.detector.candidates.evidence import make_evidence

        (evidence,) = make_evidence(self.scan.detections, [self.index])
        return evidence

    @cached_property
    def events(self) -> QTable:
        """Photons in the aperture: time (a `Time` where the file is dated), mission time in s, energy in keV."""
        from xherald.light_curves import event_table

        return event_table(self.event_list)

    def light_curve(self, bin_s: float | None = None) -> LightCurve:
        """Binned light curve with exposure and errors.

        Parameters
        ----------
        bin_s : float, optional
            Length of a bin, s; by default such that it holds about ten counts on average, at least one frame.

        Raises
        ------
        ConfigError
            The length is not positive, or there would be more than a million bins.
        """
        from xherald.light_curves import light_curve_of

        return light_curve_of(self.event_list, bin_s)

    def et_map(self) -> F32:
        """E–t map of the published method: counts, shape (24, 16), time from first to last photon by log energy."""
        from xherald.et_maps import et_map_of

        return et_map_of(self.event_list)

    def similar(self, k: int = 10) -> SimilarTransients:
        """The nearest known transients of the reference, nearest first.

        Parameters
        ----------
        k : int
            How many.

        Raises
        ------
        ReferenceDataError
            There is no reference of the source's instrument and band.
        """
        from xherald.similarity import similar_to

        return similar_to(self, k)

    def plot(self) -> Figure:
        """One sheet: light curve, energies, hardness, images inside and outside the interval, map, and the numbers."""
        from xherald.figures import plot_source

        return plot_source(self)

    def plot_light_curve(self, bin_s: float | None = None) -> Figure:
        """The light curve by itself (`light_curve`), the interval shaded."""
        from xherald.figures import plot_light_curve

        return plot_light_curve(self.light_curve(bin_s), self.name, self.interval, self.kind)

    def __repr__(self) -> str:
        from xherald.html import one_line

        return f"<Source {one_line(self)}>"

    def _repr_html_(self) -> str:
        from xherald.html import evidence_rows, html_table, one_line

        return html_table(one_line(self), evidence_rows(self))
