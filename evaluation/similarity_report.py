"""Tables of look-alikes and clusters for every case, on held-out telescopes and shapes: `make_similarity_report`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch
from xherald.photons.arrays import F32

from .held_out_sources import HeldOutSources, draw_held_out
from .held_out_spectra import TELESCOPES as HELD_OUT_TELESCOPES
from .labels import Table
from .similarity import RANK, ClusterQuality, cluster_quality, light_curve_features, precision_at_rank

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.references.case_pipeline import Case

__all__ = ["FAMILIES", "FULL", "QUICK", "SimilaritySizes", "make_similarity_report", "similarity_tables"]

Stage = Callable[[str], object]

CASES: Final = ("events", "variability", "timing", "livetime", "encoded", "2D-PCA", "3D-PCA", "2D-AE", "3D-AE")
LIGHT_CURVE: Final = "light curve"

REFERENCE_TELESCOPES: Final = (
    "chandra-acis-i",
    "xmm-mos1",
    "swift-xrt",
    "erosita-pointed",
    "ep-wxt",
    "ep-fxt",
)
"""Telescopes of the simulated reference, which are those of the training."""

LEAST_COUNTS: Final = 50
"""Fewest expected photons of an event whose look-alikes are judged: those it adds, or hides."""

WITHOUT_EVENT: Final = 0.85
"""Part of the sources without an event in the populations that are clustered; kinds could not be enriched threefold in
one of which every other source is a transient."""

FAMILIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("fast_transient", "xray_flash", "afterglow", "shock_breakout"), "fast transient"),
    **dict.fromkeys(("tidal_disruption", "nova", "dwarf_nova"), "outburst"),
    **dict.fromkeys(("eclipse", "transit"), "occultation"),
    "supersoft": "constant",
}
"""Classes of the simulator that the held-out population does not tell apart, or that have the same light curves and
spectra within an exposure; every other class is a family of its own."""


@dataclass(frozen=True, slots=True)
class SimilaritySizes:
    """Numbers of sources.

    Parameters
    ----------
    queries : int — held-out sources of each telescope whose look-alikes are judged
    reference : int — simulated sources of each telescope of the reference
    clustered : int — held-out sources of each telescope that are clustered
    """

    queries: int = 2_000
    reference: int = 1_500
    clustered: int = 3_000


FULL: Final = SimilaritySizes()
QUICK: Final = SimilaritySizes(queries=400, reference=250, clustered=800)


def make_similarity_report(
    sizes: SimilaritySizes,
    seed: int,
    configuration: Configuration,
    stage: Stage,
    cases: Sequence[str] = CASES,
) -> dict[str, Any]:
    """Measure look-alikes and clusters of every case.

    Parameters
    ----------
    sizes : SimilaritySizes
    seed : int
    configuration : Configuration
    stage : callable — called with the name of each stage
    cases : sequence of str — that are measured, besides the baseline of the light curve

    Returns
    -------
    dict
        In JSON types: sizes, seed, precision (rows of case, reference, label, least, precision, error, random,
        queries), clusters (rows of case, method, telescope and the fields of `ClusterQuality`).
    """
    from xherald.detector.references.case_pipeline import select_cases

    chosen = select_cases(tuple(cases), configuration)
    held_out = []
    for telescope in HELD_OUT_TELESCOPES:
        stage(f"{sizes.queries:,} held-out sources of {telescope}")
        held_out.append(draw_held_out(sizes.queries, telescope, seed))
    reference = _reference(sizes.reference, seed, stage)
    precision = _precision(held_out, reference, chosen, stage)
    clusters = []
    for telescope in HELD_OUT_TELESCOPES:
        stage(f"{sizes.clustered:,} held-out sources of {telescope}, mostly without an event")
        population = draw_held_out(sizes.clustered, telescope, seed + 1, WITHOUT_EVENT)
        for case in chosen:
            clusters += _clusters(case, population, telescope, stage)
    return {"seed": seed, "sizes": asdict(sizes), "precision": precision, "clusters": clusters}


@dataclass(frozen=True, slots=True, eq=False)
class _Members:
    """Sources of a reference with their labels; those with events that cannot be detected are left out."""

    batch: EventBatch
    classes: NDArray[np.str_]
    kinds: NDArray[np.str_]


def _reference(sources: int, seed: int, stage: Stage) -> _Members:
    from xherald.simulation.population.population import simulate_population

    from .samples import derive_seed

    parts = []
    for telescope in REFERENCE_TELESCOPES:
        stage(f"{sources:,} simulated sources of {telescope}")
        made = simulate_population(
            sources, telescope=telescope, seed=derive_seed(seed, "reference"), variable_fraction=0.5
        )
        truth = made.truth
        classes = np.array(truth["class"].to_pylist())
        words = np.array([word or "" for word in truth["direction"].to_pylist()])
        steady = np.isin(classes, ("constant", "supersoft"))
        kinds = np.where(words != "", words, np.where(steady, "steady", "other"))
        kept = np.flatnonzero((words == "") | np.array(truth["is_bona_fide"].to_pylist()))
        parts.append(_Members(made.batch.select(kept), classes[kept], kinds[kept]))
    return _Members(
        EventBatch.concatenate([part.batch for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.kinds for part in parts]),
    )


def _precision(
    held_out: Sequence[HeldOutSources], reference: _Members, cases: Sequence[Case], stage: Stage
) -> list[dict[str, Any]]:
    """Rows of precision, for every case and the light curve, in three references."""
    queries = EventBatch.concatenate([one.batch for one in held_out])
    classes, kinds, counts, transient = (
        np.concatenate([getattr(one, name) for one in held_out])
        for name in ("classes", "kinds", "event_counts", "is_transient")
    )
    telescope = np.repeat(np.arange(len(held_out)), [len(one.batch) for one in held_out])
    known = transient | np.isin(kinds, ("steady", "other"))
    n, m = len(queries), len(reference.batch)
    all_classes, all_kinds = np.concatenate([reference.classes, classes]), np.concatenate([reference.kinds, kinds])
    labels = {
        "kind": all_kinds,
        "family": np.array([FAMILIES.get(name, name) for name in all_classes.tolist()]),
        "class": all_classes,
    }
    is_simulated = np.arange(m + n) < m
    held_known = np.concatenate([np.zeros(m, np.bool_), known])
    is_event = np.isin(all_kinds, ("flare", "dip"))
    galleries = {
        "simulated, all": is_simulated,
        "simulated, transients": is_simulated & is_event,
        "held-out, all": held_known,
        "held-out, transients": held_known & is_event,
    }
    galleries |= {"other held-out telescopes, all": held_known}
    rows = []
    for name, features in _features(queries, reference.batch, cases, stage):
        stage(f"{name}: neighbours")
        for least in (0, LEAST_COUNTS):
            asked = np.concatenate([np.zeros(m, np.bool_), transient & (counts >= least)])
            for where, gallery in galleries.items():
                for label, values in labels.items():
                    found = (
                        _across(features, values, asked, gallery, np.concatenate([np.full(m, -1), telescope]))
                        if where.startswith("other")
                        else asdict(precision_at_rank(features, values, asked, gallery))
                    )
                    rows.append({"case": name, "reference": where, "label": label, "least_counts": least, **found})
    return rows


def _across(
    features: F32,
    labels: NDArray[np.str_],
    asked: NDArray[np.bool_],
    gallery: NDArray[np.bool_],
    telescope: NDArray[np.int64],
) -> dict[str, Any]:
    """Mean precision of each telescope's queries in a reference of the other telescopes."""
    parts = [
        precision_at_rank(features, labels, asked & (telescope == one), gallery & (telescope != one))
        for one in range(int(telescope.max()) + 1)
    ]
    number = np.array([part.queries for part in parts])
    weights = number / number.sum()
    return {
        "value": float(weights @ [part.value for part in parts]),
        "error": float(np.sqrt(np.square(weights) @ np.square([part.error for part in parts]))),
        "random": float(weights @ [part.random for part in parts]),
        "queries": int(number.sum()),
    }


def _features(queries: EventBatch, reference: EventBatch, cases: Sequence[Case], stage: Stage) -> list[tuple[str, F32]]:
    """Features of reference and queries, by case; extractors are fitted to the reference."""
    from xherald.detector.references.case_pipeline import represent
    from xherald.photons.statistics import assess
    from xherald.plugins.representations.livetime_map import LivetimeMap
    from xherald.plugins.representations.livetime_options import LivetimeMapOptions

    stage("timing tests")
    timings = {id(batch): assess(batch) for batch in (reference, queries)}
    out = []
    for case in cases:
        stage(f"{case.name}: features")
        timing = timings[id(reference)] if case.representation is None else None
        fitted, _ = case.extractor.fit(represent(reference, case, timing), case.extractor_options)
        both = [
            np.asarray(fitted.transform(represent(batch, case, timings[id(batch)])), np.float32)
            for batch in (reference, queries)
        ]
        out.append((case.name, np.concatenate(both)))
    options = LivetimeMapOptions(scale="counts", align=True)
    curves = [light_curve_features(LivetimeMap().transform(batch, options)) for batch in (reference, queries)]
    return [*out, (LIGHT_CURVE, np.concatenate(curves))]


def _clusters(case: Case, population: HeldOutSources, telescope: str, stage: Stage) -> list[dict[str, Any]]:
    """Rows of a case's clusters: with its own clustering, if that is another, and with those that follow the density.

    Every other detectable transient is known; quality is measured on all other sources.
    """
    from xherald.detector.configuration.reference_settings import AssociationSettings
    from xherald.detector.references.association import summarise_clusters
    from xherald.detector.references.bona_fide import BonaFideList, parse_kind
    from xherald.detector.references.build_reference import embed_case
    from xherald.detector.references.clustering import find_clusters
    from xherald.detector.references.reference_population import make_population, source_name
    from xherald.plugins.cases import Clustering

    names = [source_name(one) for one in population.batch.identities]
    transient = np.flatnonzero(population.is_transient)
    listed = {names[row]: parse_kind(str(population.kinds[row])) for row in transient[::2]}
    made = make_population(
        population.batch,
        BonaFideList(listed, (), "truth"),
        dict(zip(names, population.classes.tolist(), strict=True)),
        [],
    )
    row_of = {name: row for row, name in enumerate(names)}
    order = np.array([row_of[name] for name in made.names])
    stage(f"{telescope}: {case.name}")
    embedding = embed_case(case, made).embedding
    known = np.isin(order, transient[::2])
    rows = []
    methods = {"hdbscan": Clustering(method="hdbscan"), "density": Clustering(eps="density")}
    if case.clustering not in methods.values():
        methods = {"of the case": case.clustering, **methods}
    for method, clustering in methods.items():
        cluster = find_clusters(embedding, clustering)
        table = summarise_clusters(cluster, made.kinds, AssociationSettings())
        words = table.column("dominant").to_pylist()
        quality = cluster_quality(
            cluster[~known],
            {number: word for number, word in enumerate(words) if word},
            population.kinds[order][~known],
            population.is_transient[order][~known],
        )
        rows.append({"case": case.name, "method": method, "telescope": telescope, **_finite(quality)})
    return rows


def _finite(quality: ClusterQuality) -> dict[str, Any]:
    """Fields in JSON types, None for NaN."""
    return {name: None if value != value else value for name, value in asdict(quality).items()}


def similarity_tables(report: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Titles and tables of a report.

    Parameters
    ----------
    report : mapping — of `make_similarity_report`
    """
    tables = []
    for where in dict.fromkeys(row["reference"] for row in report["precision"]):
        rows = [row for row in report["precision"] if row["reference"] == where]
        columns = list(dict.fromkeys((row["label"], row["least_counts"]) for row in rows))
        heads = ["case", *(f"{label}, ≥ {least}" if least else f"{label}, all" for label, least in columns)]
        lines = []
        for case in dict.fromkeys(row["case"] for row in rows):
            cells = {(row["label"], row["least_counts"]): row for row in rows if row["case"] == case}
            lines.append([case, *(f"{cells[key]['value']:.3f} ± {cells[key]['error']:.3f}" for key in columns)])
        first = {(row["label"], row["least_counts"]): row for row in rows}
        lines.append(["random", *(f"{first[key]['random']:.3f}" for key in columns)])
        lines.append(["events", *(f"{first[key]['queries']:,}" for key in columns)])
        tables.append((f"Precision at rank {RANK}; reference: {where}", (heads, lines)))
    heads = ["case", "clustering", "telescope", "clusters", "dominant", "outliers", "purity", "completeness"]
    lines = [
        [
            *(str(row[name]) for name in ("case", "method", "telescope", "clusters", "dominant")),
            f"{row['outliers']:.2f}",
            *(_with_error(row[name], row[f"{name}_error"]) for name in ("purity", "completeness")),
        ]
        for row in report["clusters"]
    ]
    tables.append(("Transient-dominant clusters of held-out populations", (heads, lines)))
    return tables


def _with_error(value: float | None, error: float | None) -> str:
    return "–" if value is None or error is None else f"{value:.2f} ± {error:.2f}"
