"""Simulate one exposure of a field with sources, backgrounds and artefacts: `simulate_field`.

`writers.write_exposure` writes the result in the mission's own format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import Exposure
from xherald.photons.errors import ConfigError, PhotonError
from xherald.photons.gti import gti_union

from .artefact_models import ARTEFACTS, add_artefacts
from .classes import CLASSES, class_named
from .exposure import ObservingPlan, RecordedEvents, SimulatedExposure
from .model import PlacedSource, SourceModel
from .observing import PATTERNS, observe
from .random_streams import stream
from .response import record
from .source_positions import edge_place, place_on_chips
from .telescope import Telescope
from .telescopes import TELESCOPES

__all__ = [
    "COMPOSED_ARTEFACTS",
    "DURATION_S",
    "FieldRequest",
    "expected_counts",
    "require_known",
    "simulate_field",
    "telescope_named",
    "telescopes_named",
]

DURATION_S: Final[Mapping[str, float]] = {
    "dither": 30_000.0,
    "continuous": 20_000.0,
    "proton_flares": 20_000.0,
    "snapshots": 5_000.0,
    "scans": 600.0,
    "occulted": 3_000.0,
}
"""Usual good time of an exposure, s, by observing pattern."""

OBS_ID_DIGITS: Final[Mapping[str, int]] = {"chandra": 5, "xmm": 10, "swift": 11, "erosita": 6, "ep": 11}

COUNTS_RANGE: Final = (20.0, 1_000.0)
"""Expected counts of field sources; between them their number goes as 1/counts, about the slope of log N–log S at the
fluxes of a usual pointing (Kim et al. 2007, ApJ 659, 29: differential slope −1.5 to −2.5)."""

COMPOSED_ARTEFACTS: Final[Mapping[str, str]] = {
    "edge_source": "A steady source that dither moves over a chip edge",
    "truncated_burst": "A burst truncated by the start or stop of the exposure",
}
"""Artefacts due to the position and time of a source, not to the detector."""

MIN_RELATIVE_COUNTS: Final = 0.05
"""Fraction of the counts on axis below which a source is no longer brightened to reach its counts."""

MAX_ATTEMPTS: Final = 50
"""Models of a class that are drawn until one emits within good time."""

STEADY: Final = ("constant", "agn")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRequest:
    """Contents of a simulated field.

    Parameters
    ----------
    telescope : str
        Telescope, or mission: then its first telescope.
    sources : int
        Number of constant and red-noise sources.
    transients : sequence of str
        Classes of further sources, one source for each name (`classes.class_named`); names may be repeated.
    artefacts : sequence of str
        Kinds in `artefact_models.ARTEFACTS` and `COMPOSED_ARTEFACTS`; may be repeated.
    duration : float, optional
        Good time, s; the usual one of the observing pattern if not given (`DURATION_S`).
    ra, dec : float, optional
        Pointing, ICRS deg; random between declinations of −60° and 60° if not given.
    pattern : str, optional
        Name in `observing.PATTERNS`; the telescope's usual one if not given.
    counts : float, optional
        Expected counts of each transient; random if not given.
    """

    telescope: str
    sources: int = 10
    transients: Sequence[str] = ()
    artefacts: Sequence[str] = ()
    duration: float | None = None
    ra: float | None = None
    dec: float | None = None
    pattern: str | None = None
    counts: float | None = None


def telescopes_named(word: str) -> list[str]:
    """Telescopes of a name, of a mission, or all of them ("all").

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    found = [name for name, one in TELESCOPES.items() if word in (name, one.mission, "all")]
    if not found:
        missions = sorted({one.mission for one in TELESCOPES.values()})
        raise ConfigError(
            f"unknown telescope or mission {word!r}; missions are {', '.join(missions)}, "
            f"telescopes {', '.join(TELESCOPES)}"
        )
    return found


def telescope_named(word: str) -> Telescope:
    """One telescope: that of a name, or the first of a mission.

    Raises
    ------
    ConfigError
        There is none of that name, or the name is "all".
    """
    if word == "all":
        raise ConfigError(f"'all' is not a single telescope; choose one of {', '.join(TELESCOPES)}")
    return TELESCOPES[telescopes_named(word)[0]]


def require_known(kind: str, words: Sequence[str], names: Sequence[str]) -> None:
    """Check that names can be simulated.

    Raises
    ------
    ConfigError
    """
    for word in words:
        if word not in names:
            raise ConfigError(f"unknown {kind} {word!r}; choose from {', '.join(names)}")


def simulate_field(request: FieldRequest, *, seed: int, obs_id: str | None = None) -> SimulatedExposure:
    """Simulate one exposure of a field.

    Parameters
    ----------
    request : FieldRequest
        What the field contains.
    seed : int
        Seed of all random numbers: the same seed gives the same exposure.
    obs_id : str, optional
        Observation identifier in the mission's format; made from the seed if not given.

    Returns
    -------
    SimulatedExposure
        Written to files by `xherald.simulation.write_exposure`.

    Raises
    ------
    ConfigError
        Unknown telescope, class, pattern or artefact.
    """
    telescope = telescope_named(request.telescope)
    request = replace(request, transients=[class_named(word).name for word in request.transients])
    require_known("artefact", request.artefacts, [*ARTEFACTS, *COMPOSED_ARTEFACTS])
    require_known("observing pattern", [request.pattern] if request.pattern else [], list(PATTERNS))
    rng = stream(seed, "field", telescope.name)
    ra, dec = _pointing(request, rng)
    observing = observe(
        telescope,
        request.pattern,
        ra=ra,
        dec=dec,
        duration=request.duration or DURATION_S[request.pattern or telescope.pattern],
        rng=stream(seed, "observing", telescope.name),
    )
    sources = _sources(request, telescope, observing, seed)
    events = record(telescope, observing, sources, seed)
    kinds = [kind for kind in request.artefacts if kind in ARTEFACTS]
    events, artefacts = add_artefacts(telescope, observing, events, kinds, seed)
    digits = OBS_ID_DIGITS[telescope.mission]
    made_id = f"9{seed % 10 ** (digits - 1):0{digits - 1}d}"
    artefacts = (*artefacts, *_composed_facts(request, sources, events))
    return SimulatedExposure(telescope, observing, tuple(sources), events, obs_id or made_id, seed, artefacts)


def expected_counts(telescope: Telescope, observing: ObservingPlan, source: PlacedSource) -> float:
    """Expected counts of a source in the exposure, including vignetting but not chip gaps.

    Parameters
    ----------
    telescope : Telescope
    observing : ObservingPlan
    source : PlacedSource
    """
    sky = telescope.projection_at(observing.ra, observing.dec)
    x, y = sky.to_pixel(source.ra, source.dec)
    here = (np.array([x - sky.x_reference, y - sky.y_reference])) * sky.pixel_arcsec
    total = 0.0
    for component in source.model.components:
        folded = float(component.spectrum @ telescope.area_cm2) * len(telescope.modules)
        for start, stop in _good(observing):
            step = np.linspace(start, stop, 65)
            middle = 0.5 * (step[1:] + step[:-1])
            west, north = observing.boresight(middle + observing.start)
            angle = np.hypot(here[0] - west, here[1] - north) / 60.0
            counts = np.diff(component.light_curve.cumulative(step))
            total += folded * float(counts @ telescope.vignetting_at(angle, 1.5))
    return total * source.flux * telescope.live_fraction


def _counts_on_axis(telescope: Telescope, observing: ObservingPlan, source: PlacedSource) -> float:
    """Expected counts of a source that is always on axis."""
    gti, modules = _good(observing), len(telescope.modules) * telescope.live_fraction
    folded = [float(one.spectrum @ telescope.area_cm2) for one in source.model.components]
    curves = [one.light_curve.integral(gti) for one in source.model.components]
    return source.flux * modules * float(np.dot(folded, curves))


def _good(observing: ObservingPlan) -> NDArray[np.float64]:
    """Times in which any chip was good, s since the start."""
    good: NDArray[np.float64] = gti_union(np.concatenate([np.asarray(rows) for rows in observing.gti.values()]))
    return good - observing.start


def _pointing(request: FieldRequest, rng: np.random.Generator) -> tuple[float, float]:
    """The requested pointing, or a random one between declinations of −60° and 60°."""
    ra, sine = float(rng.uniform(0, 360)), float(rng.uniform(-np.sqrt(3) / 2, np.sqrt(3) / 2))
    return (
        ra if request.ra is None else request.ra,
        float(np.degrees(np.arcsin(sine))) if request.dec is None else request.dec,
    )


def _sources(request: FieldRequest, telescope: Telescope, observing: ObservingPlan, seed: int) -> list[PlacedSource]:
    """All sources, each with its own random stream and position."""
    rng = stream(seed, "places", telescope.name)
    steady = [STEADY[int(rng.random() < 0.3)] for _ in range(request.sources)]
    kinds = [*request.transients, *steady]
    ordinary = [(kind, False) for kind in kinds]
    ordinary += [("fast_transient", True)] * request.artefacts.count("truncated_burst")
    edges = [("constant", False)] * request.artefacts.count("edge_source")
    places = place_on_chips(telescope, observing, len(ordinary), rng)
    places += [edge_place(telescope, observing, rng) for _ in edges]
    made: list[PlacedSource] = []
    for number, ((kind, truncated), (ra, dec)) in enumerate(zip([*ordinary, *edges], places, strict=True)):
        own = stream(seed, "source model", number)
        model = _model(kind, telescope, observing, own, truncated=truncated)
        is_transient = number < len(request.transients)
        wanted = request.counts if request.counts and is_transient else _counts(own, telescope)
        unit = PlacedSource(f"S{number + 1}", ra, dec, model, 1.0)
        # Limit the flux of a source that is hardly in the field of view (edge of a survey).
        seen, most = expected_counts(telescope, observing, unit), _counts_on_axis(telescope, observing, unit)
        flux = wanted / max(seen, MIN_RELATIVE_COUNTS * most)
        made.append(PlacedSource(unit.name, ra, dec, model, flux))
    return made


def _composed_facts(
    request: FieldRequest, sources: Sequence[PlacedSource], events: RecordedEvents
) -> Iterator[dict[str, object]]:
    """Truth of artefacts that are sources, as from `artefact_models.add_artefacts`, with the name of the source.

    They are the last of the sources, in the order in which `_sources` makes them.
    """
    kinds = [kind for kind in ("truncated_burst", "edge_source") for _ in range(request.artefacts.count(kind))]
    first = len(sources) - len(kinds)
    for origin, (kind, source) in enumerate(zip(kinds, sources[first:], strict=True), first):
        time = events.time[events.origin == origin]
        yield {
            "kind": kind,
            "origin": origin,
            "source": source.name,
            "events": len(time),
            "flagged": False,
            "first_time": float(time.min()) if len(time) else None,
            "last_time": float(time.max()) if len(time) else None,
            "ra": source.ra,
            "dec": source.dec,
        }


def _model(
    kind: str, telescope: Telescope, observing: ObservingPlan, rng: np.random.Generator, *, truncated: bool
) -> SourceModel:
    """A model of a class whose event starts in good time, since an event within a gap cannot be detected."""
    duration, exposure = observing.duration, Exposure(_good(observing))
    if not truncated:
        for _ in range(MAX_ATTEMPTS):
            start = float(exposure.time_at(rng.random() * exposure.livetime)) if CLASSES[kind].lengths else None
            model = CLASSES[kind].build(rng, duration, start=start)
            if _counts_on_axis(telescope, observing, PlacedSource("", observing.ra, observing.dec, model, 1.0)) > 0:
                return model
        raise PhotonError(
            f"{kind}: none of {MAX_ATTEMPTS} random models emits within the good times of pattern {observing.pattern}"
        )
    length = float(rng.uniform(0.02, 0.1)) * duration
    start = -0.3 * length if rng.random() < 0.5 else duration - 0.4 * length
    return CLASSES[kind].build(rng, duration, start=start, length=length)


def _counts(rng: np.random.Generator, telescope: Telescope) -> float:
    """Expected counts, log-uniform: their number goes as 1/counts."""
    low, high = COUNTS_RANGE
    # The background of a lobster eye is a hundred times that of a focusing telescope, so its sources are brighter.
    low = 3 * low if telescope.arm_fraction else low
    return float(low * (high / low) ** rng.random())
