"""Types of result rows: `DetectionRow`, one detection, and `Evidence`, all measurements of a candidate.

Values are JSON's own types; None stands for an unknown value, NaN never occurs. `results.schema` declares the meaning
and unit of every key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from xherald.detector.candidates.position_history import History
    from xherald.detector.scoring.veto_flags import RaisedFlag

__all__ = [
    "DetectionRow",
    "Direction",
    "EmbeddingPosition",
    "EventDetection",
    "Evidence",
    "IntervalFields",
    "Kind",
    "LongTermChangeKind",
    "LongTermFields",
    "PlaceFields",
    "PlaceMute",
    "PlaceVerdict",
    "SharedFields",
    "SimilarTransient",
    "TimingFields",
]

LongTermChangeKind = Literal["new", "brighter", "fainter", "vanished"]
Kind = Literal["flare", "dip", "onset", "decay", "recurrent", "stochastic", "periodic", "steady", LongTermChangeKind]
Direction = Literal["brighter", "fainter"]


class SimilarTransient(TypedDict):
    """A known transient near the source in feature space.

    The publication is that after which it was simulated; None for other members of the reference, whose names begin
    with "simulated-" unless they were observed.
    """

    name: str
    kind: str
    distance: float
    publication: str | None


class EmbeddingPosition(TypedDict):
    """Position on a reference's map, and the distance of the 5th nearest ordinary source in feature space."""

    reference: str
    case: str
    x: float
    y: float
    ordinary_distance: float | None


class IdentityFields(TypedDict):
    """Which source of which observation."""

    file: str
    mission: str
    instrument: str
    obs_id: str
    detection_id: str


class PositionFields(TypedDict):
    """Where the source is."""

    ra_deg: float | None
    dec_deg: float | None
    pos_err_arcsec: float | None
    off_axis_arcmin: float | None


class ExposureFields(TypedDict):
    """Counts of the whole exposure."""

    counts: int
    background_counts: float | None
    background_counts_error: float | None
    livetime_s: float
    net_rate_ct_s: float | None


class FluxFields(TypedDict):
    """Mean flux of the exposure, as observed; all None where the telescope has no energy conversion factors."""

    flux_soft_erg_cm2_s: float | None
    flux_soft_low_erg_cm2_s: float | None
    flux_soft_high_erg_cm2_s: float | None
    flux_hard_erg_cm2_s: float | None
    flux_hard_low_erg_cm2_s: float | None
    flux_hard_high_erg_cm2_s: float | None
    flux_broad_erg_cm2_s: float | None
    flux_broad_low_erg_cm2_s: float | None
    flux_broad_high_erg_cm2_s: float | None
    flux_model: str | None
    nh_cm2: float | None
    nh_source: str | None


class PeakFluxFields(TypedDict):
    """Flux of a flare at its peak, as observed; all None for a dip."""

    peak_flux_soft_erg_cm2_s: float | None
    peak_flux_soft_low_erg_cm2_s: float | None
    peak_flux_soft_high_erg_cm2_s: float | None
    peak_flux_hard_erg_cm2_s: float | None
    peak_flux_hard_low_erg_cm2_s: float | None
    peak_flux_hard_high_erg_cm2_s: float | None
    peak_flux_broad_erg_cm2_s: float | None
    peak_flux_broad_low_erg_cm2_s: float | None
    peak_flux_broad_high_erg_cm2_s: float | None


class SignificanceFields(TypedDict):
    """How improbable the source is without variability."""

    false_alarm_probability: float | None
    false_alarm_probability_error: float | None
    null_hypothesis: Literal["pooled", "own"] | None
    extrapolated: bool | None
    ranking_statistic: float | None
    expected_false_alarms_per_1000: float | None
    far_hz: float | None
    p_astro: float | None
    score: float | None
    variability_index: int | None
    log10_odds: float | None


class KindFields(TypedDict):
    """Sort of variability, whether red noise explains it, and whether its interval is brighter or fainter."""

    kind_probability: float | None
    p_red_noise: float | None
    p_red_noise_error: float | None
    direction: Direction | None


class ClassFields(TypedDict):
    """What the source resembles, and what else may have caused the signal."""

    likely_class: str | None
    class_set: list[str]
    class_coverage: float | None
    novelty: float | None
    class_probabilities: dict[str, float]
    similar_to: list[SimilarTransient]
    vetoes: list[RaisedFlag]
    flags: list[str]


class IntervalFields(TypedDict):
    """The interval of the flare or dip; all None where no test finds one."""

    interval_start_utc: str | None
    interval_stop_utc: str | None
    interval_start_s: float | None
    interval_stop_s: float | None
    interval_duration_s: float | None
    interval_livetime_s: float | None
    interval_counts: float | None
    interval_expected_counts: float | None


class PeakFields(TypedDict):
    """The brightest Bayesian block; all None where the light curve is one block."""

    peak_start_utc: str | None
    peak_stop_utc: str | None
    peak_start_s: float | None
    peak_stop_s: float | None
    peak_duration_s: float | None
    peak_livetime_s: float | None
    peak_counts: float | None
    peak_expected_counts: float | None


class HardnessInsideFields(TypedDict):
    """Hardness within the interval."""

    hardness_inside: float | None
    hardness_inside_low: float | None
    hardness_inside_high: float | None


class TimingFields(TypedDict):
    """Results of the timing tests."""

    p_value: float | None
    best_test: str | None
    p_flare_averaged: float | None
    p_flare_scan: float | None
    p_dip_averaged: float | None
    p_dip_scan: float | None
    p_longest_gap: float | None
    p_ks: float | None
    p_kuiper: float | None
    p_bayesian_blocks: float | None
    p_gregory_loredo: float | None


class SharedFields(
    IdentityFields,
    PositionFields,
    ExposureFields,
    FluxFields,
    SignificanceFields,
    KindFields,
    ClassFields,
    IntervalFields,
    HardnessInsideFields,
):
    """What rows and evidence share, with the same values."""

    xherald_version: str


class DetectionRow(SharedFields, PeakFields, TimingFields):
    """One source of one observation."""

    is_candidate: bool
    candidate_id: str | None
    kind: Kind
    hardness_before: float | None
    hardness_before_low: float | None
    hardness_before_high: float | None
    hardness_after: float | None
    hardness_after_low: float | None
    hardness_after_high: float | None
    aperture_origin: str
    aperture_radius_arcsec: float | None
    evidence: Evidence | None


class CountsFields(TypedDict):
    """Counts within the interval with 68 % limits."""

    interval_counts_low: float | None
    interval_counts_high: float | None
    interval_expected_counts_low: float | None
    interval_expected_counts_high: float | None
    interval_background_counts: float | None
    interval_background_counts_low: float | None
    interval_background_counts_high: float | None
    fluence_counts: float | None
    fluence_counts_low: float | None
    fluence_counts_high: float | None
    contrast: float | None
    contrast_low: float | None
    contrast_high: float | None


class T90Fields(TypedDict):
    """Live time of the middle 90 % of a flare's excess counts; all None for a dip."""

    t90_s: float | None
    t90_low_s: float | None
    t90_high_s: float | None
    t90_start_utc: str | None
    t90_stop_utc: str | None
    t90_start_s: float | None
    t90_stop_s: float | None


class PeakRateFields(TypedDict):
    """Peak count rate of a flare; all None for a dip."""

    peak_rate_ct_s: float | None
    peak_rate_low_ct_s: float | None
    peak_rate_high_ct_s: float | None
    peak_rate_livetime_s: float | None
    peak_rate_origin: Literal["brightest Bayesian block", "interval"] | None


class HardnessChangeFields(TypedDict):
    """Hardness outside the interval, and the change within it."""

    hardness_outside: float | None
    hardness_outside_low: float | None
    hardness_outside_high: float | None
    hardness_change: float | None
    hardness_change_low: float | None
    hardness_change_high: float | None
    hardness_change_sigma: float | None


class LongTermFields(TypedDict):
    """Change between exposures; all None without a store, and where the rate did not change significantly."""

    long_term_change: LongTermChangeKind | None
    long_term_p_value: float | None
    long_term_false_alarm_probability: float | None
    long_term_far_hz: float | None
    long_term_reason: str | None


class EventDetection(TypedDict):
    """A detection of an event: one source in one list of one camera."""

    file: str
    mission: str
    instrument: str
    obs_id: str
    detection_id: str
    ra_deg: float | None
    dec_deg: float | None
    pos_err_arcsec: float | None
    counts: int
    direction: Direction | None
    false_alarm_probability: float | None
    extrapolated: bool | None
    interval_start_utc: str | None
    interval_stop_utc: str | None
    interval_start_s: float | None
    interval_stop_s: float | None


class PlaceVerdict(TypedDict):
    """A verdict of a person on a candidate at the position; the distance is None if the candidate has no position."""

    candidate_id: str
    verdict: str
    source_class: str | None
    author: str
    created_utc: str
    comment: str
    separation_arcsec: float | None


class PlaceMute(TypedDict):
    """A circle whose alerts are muted; for ever if `ends_utc` is None."""

    mute_id: int
    ra_deg: float
    dec_deg: float
    radius_arcsec: float
    ends_utc: str | None
    author: str
    created_utc: str
    comment: str


class PlaceFields(TypedDict):
    """What people decided about the position: verdicts, the latest first, the latest mute, names of watch lists."""

    verdicts: list[PlaceVerdict]
    mute: PlaceMute | None
    watch_lists: list[str]


class CounterpartRow(TypedDict):
    """A catalogued object that may be the source; what the catalogue does not have is None."""

    catalogue: str
    name: str
    category: str
    type: str
    probability: float
    ra_deg: float
    dec_deg: float
    separation_arcsec: float
    separation_sigma: float
    magnitude: float | None
    distance_pc: float | None
    redshift: float | None
    flux_erg_cm2_s: float | None


class ContextFields(TypedDict):
    """What is catalogued at the position; `counterparts` is None where no catalogue was searched."""

    counterparts: list[CounterpartRow] | None
    catalogues_searched: list[str]
    catalogue_completeness: float
    context_failures: list[str]
    known_source: str | None
    association_probability: float | None
    class_probabilities_in_context: dict[str, float] | None
    galactic_latitude_deg: float | None


class InterestReason(TypedDict):
    """Points that a reason adds to the interest, and the reason."""

    points: float
    text: str


class InterestFields(TypedDict):
    """How much a candidate deserves attention, 0 to 1; None until it is rated."""

    interest: float | None
    interest_reasons: list[InterestReason]


class Evidence(
    SharedFields,
    CountsFields,
    T90Fields,
    PeakRateFields,
    PeakFluxFields,
    HardnessChangeFields,
    LongTermFields,
    PlaceFields,
    ContextFields,
    InterestFields,
):
    """All measurements of a candidate."""

    candidate_id: str
    kind: Kind
    band_kev: list[float] | None
    embedding: EmbeddingPosition | None
    history: History | None
    detections: list[EventDetection]
    photon_times_s: list[float]
    calibration: str
    reference: str | None
