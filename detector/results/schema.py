"""The schema of results: every quantity of a detection, declared once.

JSON rows, CSV, ECSV, FITS, VOTable and Parquet files, `QTable` columns, the evidence of candidates, alert payloads,
exports of the store and the tables in the documentation have these names, units, UCDs and descriptions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .field import FLUX_UNIT, DType, Field, fluxes, get_value, measured, with_limits
from .row_types import TimingFields

__all__ = [
    "ALERT_FIELDS",
    "COLUMNS",
    "EVIDENCE_FIELDS",
    "LONG_TERM_CHANGE_FIELDS",
    "PLACE_FIELDS",
    "ROW_FIELDS",
    "STORE_FIELDS",
    "DType",
    "Field",
    "all_fields",
    "get_field",
    "get_value",
]


def _interval(prefix: str, what: str) -> tuple[Field, ...]:
    """Start, stop, length and photons of an interval."""
    return (
        Field(f"{prefix}_start_utc", "utc", "", "time.start", f"start of {what}, UTC"),
        Field(f"{prefix}_stop_utc", "utc", "", "time.end", f"stop of {what}, UTC"),
        Field(f"{prefix}_start_s", "float", "s", "time.start", f"start of {what}, mission time"),
        Field(f"{prefix}_stop_s", "float", "s", "time.end", f"stop of {what}, mission time"),
        Field(f"{prefix}_duration_s", "float", "s", "time.duration", f"length of {what}, gaps included"),
        Field(f"{prefix}_livetime_s", "float", "s", "time.duration;obs.exposure", f"live time within {what}"),
        Field(f"{prefix}_counts", "float", "ct", "phot.count;em.X-ray", f"photons within {what}"),
        Field(
            f"{prefix}_expected_counts",
            "float",
            "ct",
            "phot.count;stat.mean",
            f"photons expected within {what} if the source is steady",
        ),
    )


IDENTITY_FIELDS: Final = (
    Field("file", "str", "", "meta.id;meta.file", "event file"),
    Field("mission", "str", "", "meta.id;instr.obsty", "mission as named in the file"),
    Field("instrument", "str", "", "meta.id;instr", "instrument as named in the file"),
    Field("obs_id", "str", "", "meta.id;obs", "observation id"),
    Field("detection_id", "str", "", "meta.id;src", "id of the source within the observation"),
)

POSITION_FIELDS: Final = (
    Field("ra_deg", "float", "deg", "pos.eq.ra;meta.main", "right ascension, ICRS"),
    Field("dec_deg", "float", "deg", "pos.eq.dec;meta.main", "declination, ICRS"),
    Field("pos_err_arcsec", "float", "arcsec", "stat.error;pos.eq", "68 % error radius, astrometry included"),
    Field("off_axis_arcmin", "float", "arcmin", "pos.angDistance;instr.fov", "angle from the optical axis"),
)

EXPOSURE_FIELDS: Final = (
    Field("counts", "int", "ct", "phot.count;em.X-ray", "photons in the aperture"),
    Field("background_counts", "float", "ct", "phot.count;instr.background", "background photons expected among them"),
    Field("background_counts_error", "float", "ct", "stat.error;instr.background", "68 % error of background_counts"),
    Field("livetime_s", "float", "s", "time.duration;obs.exposure", "live time: good time less dead time"),
    Field("net_rate_ct_s", "float", "ct / s", "arith.rate;phot.count", "mean count rate less background"),
)

FLUX_FIELDS: Final = (
    *fluxes("", "mean flux"),
    Field("flux_model", "str", "", "meta.note", "most probable of the spectra over which fluxes are averaged"),
    Field("nh_cm2", "float", "cm-2", "phys.columnDensity", "hydrogen column of the Galaxy in this direction"),
    Field("nh_source", "str", "", "meta.note", "file of the map of columns, or plane-parallel layer: a coarse guess"),
)

SIGNIFICANCE_FIELDS: Final = (
    Field("candidate_id", "str", "", "meta.id", "id of the candidate that the source is a detection of"),
    Field(
        "kind",
        "str",
        "",
        "meta.code.class;src.var",
        "flare, dip, onset, decay, recurrent, stochastic (red noise) or periodic; steady where not significant; of a "
        "candidate that changed between exposures only: new, brighter, fainter or vanished",
    ),
    Field(
        "kind_probability",
        "float",
        "",
        "stat.probability;src.var",
        "posterior probability of the kind, given that the source varies",
    ),
    Field(
        "p_red_noise",
        "float",
        "",
        "stat.probability",
        "p-value of red noise: how often the log-normal noise of an accreting source looks as much like an event",
    ),
    Field("p_red_noise_error", "float", "", "stat.error;stat.probability", "standard error of p_red_noise"),
    Field("direction", "str", "", "meta.code", "brighter or fainter: the interval, compared with the rest"),
    Field(
        "false_alarm_probability",
        "float",
        "",
        "stat.probability",
        "probability that a comparable steady source scores as high; an upper limit where extrapolated",
    ),
    Field(
        "false_alarm_probability_error",
        "float",
        "",
        "stat.error;stat.probability",
        "standard error of the probability; null where pooled null sources give it",
    ),
    Field(
        "null_hypothesis",
        "str",
        "",
        "meta.code",
        "what gives the probability: pooled for null sources like it, own for draws of the source itself as steady",
    ),
    Field(
        "extrapolated",
        "bool",
        "",
        "meta.code.qual",
        "whether the probability is below the smallest one that the calibration measured, which is given in its place",
    ),
    Field(
        "ranking_statistic",
        "float",
        "",
        "stat.value",
        "-log10 of the probability along an exponential tail; for ordering, not a probability",
    ),
    Field(
        "expected_false_alarms_per_1000",
        "float",
        "",
        "meta.number;stat.mean",
        "false alarms expected among 1,000 sources",
    ),
    Field("far_hz", "float", "Hz", "arith.rate;stat.mean", "rate of such false alarms in the stream of files"),
    Field("p_astro", "float", "", "stat.probability;src.var", "probability that the source varies"),
    Field("score", "float", "", "stat.value", "combined score before calibration"),
)

CLASS_FIELDS: Final = (
    Field("likely_class", "str", "", "src.class", "most probable class of the set; none if not significant"),
    Field(
        "class_set",
        "str",
        "",
        "src.class",
        "classes that cannot be excluded, most probable first; empty if not significant; in tables separated by ;",
    ),
    Field("class_coverage", "float", "", "stat.probability", "fraction of events whose class_set contains their class"),
    Field(
        "novelty",
        "float",
        "",
        "stat.rank;src.class",
        "fraction of events of known classes that are less unusual; near 1 for events unlike any of them",
    ),
    Field(
        "class_probabilities",
        "object",
        "",
        "src.class;stat.probability",
        "probabilities of the classes of a significant source",
    ),
    Field(
        "similar_to",
        "str",
        "",
        "meta.id.cross",
        "nearest known transients: name, kind, distance; the nearest one's name in tables",
        "similar_to.0.name",
    ),
    Field(
        "similar_distance",
        "float",
        "",
        "stat.value;arith.diff",
        "distance of the nearest known transient in feature space",
        "similar_to.0.distance",
    ),
    Field(
        "vetoes",
        "str",
        "",
        "meta.code.qual",
        "vetoes raised: veto, rejects, reason, numbers; their names in tables, separated by ;",
        "vetoes.*.veto",
    ),
    Field("flags", "str", "", "meta.code.qual", "quality flags; in tables separated by ;"),
)

INTERVAL_FIELDS: Final = _interval("interval", "the flare or dip")

TIMING_FIELDS: Final = (
    *_interval("peak", "the brightest Bayesian block"),
    Field("p_value", "float", "", "stat.probability", "p-value of the timing tests together, all trials counted"),
    Field("best_test", "str", "", "meta.id", "timing test that gives the interval"),
    *(
        Field(name, "float", "", "stat.probability", f"p-value of the timing test {name[2:]}, its trials counted")
        for name in TimingFields.__annotations__
        if name.startswith("p_") and name != "p_value"
    ),
)

VARIABILITY_FIELDS: Final = (
    Field("variability_index", "int", "", "src.var.index", "Gregory-Loredo variability index, 0 to 10"),
    Field("log10_odds", "float", "", "stat.likelihood;src.var", "log10 of the Gregory-Loredo odds of variability"),
)

HARDNESS_FIELDS: Final = tuple(
    one
    for when, words in (("before", "before the interval"), ("inside", "within the interval"), ("after", "after it"))
    for one in measured(f"hardness_{when}", "", "phot.color;em.X-ray", f"hardness (H - S) / (H + S) {words}")
)

PROVENANCE_FIELDS: Final = (
    Field("aperture_origin", "str", "", "meta.note", "how the source was found"),
    Field("aperture_radius_arcsec", "float", "arcsec", "phys.angSize", "largest radius of the aperture"),
    Field("xherald_version", "str", "", "meta.version;meta.software", "version of the code"),
    Field("evidence", "object", "", "meta.note", "all measurements of a candidate; null for other sources"),
)

LONG_TERM_FIELDS: Final = (
    Field("long_term_change", "str", "", "meta.code.class;src.var", "new, brighter, fainter or vanished, compared with "
          "other exposures; null if it changed no more than ordinary sources"),
    Field("long_term_p_value", "float", "", "stat.probability", "probability that an ordinary source, detected as in "
          "the bright exposure, has as few counts in the others"),
    Field("long_term_false_alarm_probability", "float", "", "stat.probability", "probability that an ordinary source "
          "changes as much: long_term_p_value with the observations of the source compared as trials"),
    Field("long_term_far_hz", "float", "Hz", "arith.rate;stat.mean", "rate of such false alarms in the stream of "
          "files"),
    Field("long_term_reason", "str", "", "meta.note", "what was measured and what was expected from which exposures"),
)  # fmt: skip
"""Of candidates only: changes between exposures, apart from variability within one."""

CONTEXT_FIELDS: Final = (
    Field("known_source", "str", "", "meta.id.cross", "name of the most probable counterpart, if its probability is "
          "at least 0.5"),
    Field("association_probability", "float", "", "stat.probability", "probability that the source has a counterpart "
          "in the catalogues that were searched; null if there was none"),
    Field("counterparts", "object", "", "meta.id.cross", "catalogued objects that the source may be, the most probable "
          "first; null if no catalogue was searched"),
    Field("catalogues_searched", "object", "", "meta.note", "catalogues in which counterparts were looked for"),
    Field("catalogue_completeness", "float", "", "stat.value", "fraction of X-ray sources that have a counterpart in "
          "them"),
    Field("context_failures", "object", "", "meta.note", "catalogues that could not be searched, and why"),
    Field("class_probabilities_in_context", "object", "", "src.class;stat.probability", "class_probabilities weighted "
          "by what lies at the position"),
    Field("galactic_latitude_deg", "float", "deg", "pos.galactic.lat", "Galactic latitude"),
    Field("interest", "float", "", "stat.rank", "how much the candidate deserves attention, 0 to 1; orders the queue, "
          "is no probability"),
    Field("interest_reasons", "object", "", "meta.note", "what the interest is made of: points and reason"),
)  # fmt: skip
"""Of candidates only: what is known of the position, and the interest that follows."""

ROW_FIELDS: Final[tuple[Field, ...]] = (
    *IDENTITY_FIELDS,
    *POSITION_FIELDS,
    *EXPOSURE_FIELDS,
    *FLUX_FIELDS,
    Field(
        "is_candidate",
        "bool",
        "",
        "meta.code.status",
        "whether it is significant, and no veto rejects it; one row of each event",
    ),
    *SIGNIFICANCE_FIELDS,
    *CLASS_FIELDS,
    *INTERVAL_FIELDS,
    *TIMING_FIELDS,
    *VARIABILITY_FIELDS,
    *HARDNESS_FIELDS,
    *PROVENANCE_FIELDS,
)
"""Of every detection."""

COLUMNS: Final = tuple(one for one in ROW_FIELDS if one.dtype != "object")
"""Columns of flat tables, in their order."""

EVIDENCE_FIELDS: Final[tuple[Field, ...]] = (
    Field("band_kev", "object", "keV", "em.energy", "lowest and highest energy of the photons counted"),
    *(
        with_limits(
            "interval_counts", "interval_counts_low", "interval_counts_high", "ct", "phot.count;em.X-ray",
            "photons within the flare or dip",
        )[1:]
    ),
    *(
        with_limits(
            "interval_expected_counts", "interval_expected_counts_low", "interval_expected_counts_high", "ct",
            "phot.count;stat.mean", "photons expected within the flare or dip if the source is steady",
        )[1:]
    ),
    *measured(
        "interval_background_counts", "ct", "phot.count;instr.background", "background photons within the flare or dip"
    ),
    *measured("fluence_counts", "ct", "phot.fluence", "photons in excess of those expected, negative for a dip"),
    *measured("contrast", "", "arith.factor", "count rate within the interval over the rate outside"),
    *with_limits(
        "t90_s", "t90_low_s", "t90_high_s", "s", "time.duration", "live time of the middle 90 % of a flare's excess"
    ),
    Field("t90_start_utc", "utc", "", "time.start", "start of t90_s, UTC"),
    Field("t90_stop_utc", "utc", "", "time.end", "stop of t90_s, UTC"),
    Field("t90_start_s", "float", "s", "time.start", "start of t90_s, mission time"),
    Field("t90_stop_s", "float", "s", "time.end", "stop of t90_s, mission time"),
    *with_limits(
        "peak_rate_ct_s", "peak_rate_low_ct_s", "peak_rate_high_ct_s", "ct / s", "arith.rate;phot.count",
        "peak count rate of a flare, background included",
    ),
    Field("peak_rate_livetime_s", "float", "s", "time.duration", "live time that peak_rate_ct_s is averaged over"),
    Field(
        "peak_rate_origin", "str", "", "meta.note", "brightest Bayesian block, or interval if there is one block only"
    ),
    *fluxes("peak_", "flux of a flare at its peak"),
    *measured("hardness_outside", "", "phot.color;em.X-ray", "hardness (H - S) / (H + S) outside the interval"),
    *measured("hardness_change", "", "phot.color;arith.diff", "hardness within less hardness outside the interval"),
    Field("hardness_change_sigma", "float", "", "stat.snr", "its significance in sigma, positive if harder"),
    Field("embedding", "object", "", "meta.note", "position on the reference's map: reference, case, x, y, and "
          "ordinary_distance, the distance of the 5th nearest ordinary source in feature space"),
    Field("history", "object", "", "meta.note", "other observations of the position; null without a store"),
    *LONG_TERM_FIELDS,
    *CONTEXT_FIELDS,
    Field("verdicts", "object", "", "meta.note", "verdicts of people on candidates at the position, the latest first"),
    Field("mute", "object", "", "meta.note", "the mute that contains the position: circle, end, author and comment"),
    Field("watch_lists", "object", "", "meta.id.assoc", "names of the watch lists that have the position"),
    Field("detections", "object", "", "meta.note", "detections of the event, one for each camera and file"),
    Field("photon_times_s", "object", "s", "time", "arrival times of the first photons from the start of the interval, "
          "mission time"),
    Field("calibration", "str", "", "meta.version", "name, version and group of the calibration"),
    Field("reference", "str", "", "meta.version", "name and version of the reference"),
)  # fmt: skip
"""Of candidates only, in their evidence, besides those that evidence shares with rows."""

ALERT_FIELDS: Final[tuple[Field, ...]] = (
    Field(
        "interval_net_rate_ct_s", "float", "ct / s", "arith.rate;phot.count",
        "count rate within the interval in excess of that expected, negative for a dip",
    ),
    Field(
        "interval_expected_rate_ct_s", "float", "ct / s", "arith.rate;phot.count;stat.mean",
        "count rate expected within the interval if the source is steady, background included",
    ),
    Field("signal_to_noise", "float", "", "stat.snr", "fluence_counts over its 68 % error"),
    Field("limiting_flux_broad_erg_cm2_s", "float", FLUX_UNIT, "phot.flux;em.X-ray;stat.max", "upper limit (95 %) of "
          "the flux in 0.3-10 keV in other observations, none of which detected the source"),
    Field("history_summary", "str", "", "meta.note", "one sentence on other observations of the position"),
    Field("last_verdict", "str", "", "meta.code.class", "latest verdict of a person on the source: its class, or a "
          "decision such as artefact"),
    Field("verdict_summary", "str", "", "meta.note", "one sentence on earlier verdicts on the source"),
    Field("mute_summary", "str", "", "meta.note", "until when the place is muted, by whom and why; empty if it is not"),
)  # fmt: skip
"""Of alerts only, besides those that they share with rows and evidence."""

STORE_FIELDS: Final[tuple[Field, ...]] = (
    Field("created_utc", "utc", "", "time.creation", "when it was first stored, UTC"),
    Field("updated_utc", "utc", "", "time.processing", "when the candidate last changed, UTC"),
    Field("state", "str", "", "meta.code.status", "standing, superseded or retracted"),
    Field("alert_type", "str", "", "meta.code.status", "latest alert: initial, update or retraction"),
    Field("observation_start_utc", "utc", "", "time.start;obs", "start of the observation, UTC"),
    Field("sexagesimal", "str", "", "pos.eq", "right ascension (h:m:s) and declination (d:m:s), ICRS"),
    Field("galactic_longitude_deg", "float", "deg", "pos.galactic.lon", "Galactic longitude"),
    Field("url", "str", "", "meta.ref.url", "path or URL of the event file"),
)
"""Of candidates in the store only, besides those that they share with rows."""


_OF_PLACES: Final = (
    Field("place_id", "int", "", "meta.id", "number of the mute or the entry"),
    Field("list_name", "str", "", "meta.id.assoc", "watch list of the entry; null for a mute"),
    Field("name", "str", "", "meta.id", "name of the place"),
    Field("radius_arcsec", "float", "arcsec", "phys.angSize", "radius of the circle"),
    Field("ends_utc", "utc", "", "time.end", "when it ends, UTC; null for never"),
    Field("author", "str", "", "meta.id", "who added it"),
    Field("comment", "str", "", "meta.note", "why"),
    Field("removed_utc", "utc", "", "time", "when it was removed, UTC"),
    Field("removed_by", "str", "", "meta.id", "who removed it"),
    Field("removal_comment", "str", "", "meta.note", "why it was removed"),
)


def all_fields() -> Iterator[Field]:
    """Every declared field, those of rows first."""
    yield from (*ROW_FIELDS, *EVIDENCE_FIELDS, *ALERT_FIELDS, *STORE_FIELDS, *_OF_PLACES)


_BY_NAME: Final = {one.name: one for one in all_fields()}


def get_field(name: str) -> Field:
    """Look up a field by its name.

    Raises
    ------
    KeyError
        No field has that name.
    """
    return _BY_NAME[name]


LONG_TERM_CHANGE_FIELDS: Final[tuple[Field, ...]] = tuple(
    get_field(name)
    for name in (
        "mission", "instrument", "obs_id", "detection_id", "ra_deg", "dec_deg", "net_rate_ct_s", "candidate_id",
        "long_term_change", "long_term_p_value", "long_term_false_alarm_probability", "long_term_reason",
    )
)  # fmt: skip
"""Of changes between exposures, whether or not they are candidates."""


PLACE_FIELDS: Final[tuple[Field, ...]] = tuple(
    get_field(name)
    for name in (
        "place_id", "list_name", "name", "ra_deg", "dec_deg", "radius_arcsec", "ends_utc", "candidate_id", "author",
        "comment", "created_utc", "removed_utc", "removed_by", "removal_comment",
    )
)  # fmt: skip
"""Of mutes and entries of watch lists."""
