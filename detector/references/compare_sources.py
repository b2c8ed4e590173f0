"""New sources held against a reference: their place on its maps, their nearest sources and transients."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from xherald.catalog_store.references.neighbour_index import ExactIndex
from xherald.catalog_store.references.reference_store import instrument_key
from xherald.photons import EventBatch
from xherald.photons.errors import ReferenceDataError
from xherald.plugins import PluginHost
from xherald.plugins.reference import Reference

from .case_pipeline import make_case, represent

__all__ = ["ComparedSource", "Neighbour", "compare_sources"]


class Neighbour(TypedDict):
    """A source of the reference: distance in feature space, class and kind of transient ("" where none)."""

    obsreg_id: str
    distance: float
    kind: str
    source_class: str


class ComparedSource(TypedDict):
    """Where one source stands in one case: place on the map, cluster of the nearest source, what is near."""

    obs_id: str
    detection_id: str
    counts: int
    case: str
    tsne1: float
    tsne2: float
    cluster: int
    cluster_dominant: str
    neighbours: list[Neighbour]
    transients: list[Neighbour]


def compare_sources(
    reference: Reference, case_name: str, batch: EventBatch, host: PluginHost, neighbours: int = 10, transients: int = 3
) -> list[ComparedSource]:
    """Place the sources of a batch.

    Parameters
    ----------
    reference : Reference
    case_name : str
    batch : EventBatch
    host : PluginHost
    neighbours, transients : int
        How many of the nearest sources place it, and how many of the nearest bona-fide transients are named.

    Raises
    ------
    ReferenceDataError
        The sources are of another instrument or band than the reference.
    """
    if not len(batch):
        return []
    _refuse_foreign(reference, batch)
    kept = reference.case(case_name)
    case = make_case(case_name, kept.settings, host)
    features = np.ascontiguousarray(kept.extractor.transform(represent(batch, case)), dtype=np.float32)
    rows, distances = kept.index.query(features, min(neighbours, len(reference)))
    places = case.embedder.place(distances, kept.embedding[rows])
    names, classes, kinds = (
        np.array(reference.sources.column(name).to_pylist()) for name in ("obsreg_id", "class", "bona_fide")
    )
    known = np.flatnonzero(kinds != "")
    nearest, away = ExactIndex(kept.features[known]).query(features, min(transients, len(known)))
    dominant = kept.clusters.column("dominant").to_pylist()

    def near(row: int, distance: float) -> Neighbour:
        return {
            "obsreg_id": str(names[row]),
            "distance": float(distance),
            "kind": str(kinds[row]),
            "source_class": str(classes[row]),
        }

    placed: list[ComparedSource] = []
    for i, one in enumerate(batch.identities):
        cluster = int(kept.cluster[rows[i, 0]])
        placed.append(
            {
                "obs_id": one.obs_id,
                "detection_id": one.detection_id,
                "counts": int(batch.counts[i]),
                "case": case_name,
                "tsne1": float(places[i, 0]),
                "tsne2": float(places[i, 1]),
                "cluster": cluster,
                "cluster_dominant": dominant[cluster],
                "neighbours": [near(row, d) for row, d in zip(rows[i], distances[i], strict=True)],
                "transients": [near(known[j], d) for j, d in zip(nearest[i], away[i], strict=True)],
            }
        )
    return placed


def _refuse_foreign(reference: Reference, batch: EventBatch) -> None:
    serves = instrument_key(reference.about["mission"], reference.about["instrument"])
    for one, band in zip(batch.identities, batch.band.tolist(), strict=True):
        of = instrument_key(one.mission, one.instrument)
        if of != serves or band != reference.about["band_kev"]:
            bands = ["–".join(f"{edge:g}" for edge in edges) + " keV" for edges in (reference.about["band_kev"], band)]
            raise ReferenceDataError(
                f"reference {reference.name}@{reference.version} is of {serves}, {bands[0]}; "
                f"source {one.detection_id} is of {of}, {bands[1]}; use a reference of its instrument"
            )
