"""Draft of a GCN Circular about a candidate: `draft_circular`.

Circulars are plain ASCII of at most 72 columns (https://gcn.nasa.gov/docs/circulars/submitting), so that symbols of
units and limits are written out. What is not measured is left out; what a person has to write is in brackets.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from xherald.photons.sky_position import format_sexagesimal

from .formatting import format_class, format_classes, format_length, format_significance, format_warnings
from .history_rendering import format_history

if TYPE_CHECKING:
    from xherald.detector.results.row_types import Evidence

__all__ = ["draft_circular"]

COLUMNS: Final = 72

MAX_COUNTERPARTS: Final = 3

KINDS: Final = {
    "onset": "the onset of an X-ray outburst",
    "decay": "the decay of an X-ray outburst",
    "recurrent": "recurrent X-ray events",
    "periodic": "a periodic X-ray source",
    "stochastic": "X-ray variability",
    "new": "a new X-ray source",
    "brighter": "a brightened X-ray source",
    "fainter": "a faded X-ray source",
    "vanished": "a vanished X-ray source",
}
"""What was detected, by kind, where it is not "an X-ray flare" or "an X-ray dip"."""

ASCII: Final = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "±": "+/-",
        "σ": "sigma",
        "″": " arcsec",
        "′": " arcmin",
        "²": "^2",
        "¹": "1",
        "⁻": "^-",
        "×": "x",
    }
)


def draft_circular(evidence: Evidence, author: str = "") -> str:
    """Draft a GCN Circular.

    Parameters
    ----------
    evidence : Evidence
    author : str
        Of the report; a placeholder if empty.

    Returns
    -------
    str
        Subject, an empty line, and the body, as ASCII.
    """
    paragraphs = [
        f"{author or '[AUTHORS]'} report:",
        " ".join(_detection(evidence)),
        " ".join(_properties(evidence)),
        " ".join(_context(evidence)),
        "This is an automatic draft of xherald: limits in brackets are of 68 %. [CHECK BEFORE SENDING]",
    ]
    body = "\n\n".join(textwrap.fill(_to_ascii(one), COLUMNS) for one in paragraphs if one)
    return f"SUBJECT: {_to_ascii(_subject(evidence))}\n\n{body}\n"


def _to_ascii(text: str) -> str:
    line = " ".join("".join(one for one in word if one.isprintable()) for word in text.translate(ASCII).split())
    return line.encode("ascii", "replace").decode()


def _subject(evidence: Evidence) -> str:
    kind = str(evidence["kind"])
    what = KINDS.get(kind, f"an X-ray {kind}")
    return f"{evidence['candidate_id']}: {evidence['mission']} {evidence['instrument']} detection of {what}"


def _detection(evidence: Evidence) -> Iterator[str]:
    where = f"{evidence['mission']} {evidence['instrument']} (observation {evidence['obs_id']})"
    when = (
        f", from {evidence['interval_start_utc']} to {evidence['interval_stop_utc']}"
        if evidence["interval_start_utc"]
        else ""
    )
    yield f"A candidate X-ray transient ({evidence['kind']}) was found in data of {where}{when}."
    if evidence["ra_deg"] is not None and evidence["dec_deg"] is not None:
        yield f"Its position is RA, Dec = {format_sexagesimal(evidence['ra_deg'], evidence['dec_deg'])} (ICRS;"
        yield f"{evidence['ra_deg']:.5f}, {evidence['dec_deg']:+.5f} deg)"
        error = evidence["pos_err_arcsec"]
        yield (
            "with an unknown error."
            if error is None
            else f"with an error of {error:.1f} arcsec (68 %, systematic included)."
        )
    significance = format_significance(evidence)
    yield f"{significance[0].upper()}{significance[1:]}."


def _properties(evidence: Evidence) -> Iterator[str]:
    counts, expected = evidence["interval_counts"], evidence["interval_expected_counts"]
    if counts is not None and expected is not None:
        yield f"{counts:.0f} photons were detected where {expected:.1f} were expected of a steady source."
    if evidence["t90_s"] is not None:
        yield f"T90 is {format_length(evidence['t90_s'])} of live time"
        low, high = evidence["t90_low_s"], evidence["t90_high_s"]
        yield "." if low is None or high is None else f"({format_length(low)} to {format_length(high)})."
    peak = "peak_flux_broad_erg_cm2_s", "peak_flux_broad_low_erg_cm2_s", "peak_flux_broad_high_erg_cm2_s"
    mean = "flux_broad_erg_cm2_s", "flux_broad_low_erg_cm2_s", "flux_broad_high_erg_cm2_s"
    values: Mapping[str, Any] = evidence
    for words, names in (("peak", peak), ("mean", mean)):
        value, low, high = (values.get(name) for name in names)
        if value is not None and low is not None and high is not None:
            yield f"The {words} flux in 0.3-10 keV is {value:.2g} ({low:.2g} to {high:.2g}) erg/cm^2/s as observed."
    if evidence["class_set"] and evidence["class_coverage"] is not None:
        classes, coverage = format_classes(evidence["class_set"]), evidence["class_coverage"]
        yield f"From the photons alone it is {classes} ({coverage:.0%} coverage)."


def _context(evidence: Evidence) -> Iterator[str]:
    found = evidence["counterparts"]
    if found:
        named = [
            f"{one['name']} ({format_class(one['category'])}, {one['separation_arcsec']:.1f} arcsec away, "
            f"p = {one['probability']:.2f})"
            for one in found[:MAX_COUNTERPARTS]
        ]
        yield f"Catalogued objects at the position: {'; '.join(named)}."
    elif found is not None:
        yield f"No counterpart was found in the catalogues searched ({', '.join(evidence['catalogues_searched'])})."
    if summary := format_history(evidence["history"]):
        yield f"{summary[0].upper()}{summary[1:]}."
    if evidence["long_term_reason"]:
        yield f"Between exposures: {evidence['long_term_reason']}."
    yield from (f"Note: {one}." for one in format_warnings(evidence))
