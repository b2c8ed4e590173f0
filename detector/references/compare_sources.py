"""New sources compared with a reference: position in its embedding, nearest sources, similar transients."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from xherald.catalog_store.references.reference_store import instrument_key
from xherald.photons import EventBatch
from xherald.photons.errors import ReferenceDataError
from xherald.plugins import PluginHost
from xherald.plugins.known_transients import find_nearest_members, get_member_kinds
from xherald.plugins.reference import Reference

from .case_pipeline import make_case, represent

__all__ = ["ComparedSource", "Neighbour", "compare_sources"]


class Neighbour(TypedDict):
    """A source of the reference: name, class or kind of transient ("" if neither is known), distance in features."""

    name: str
    kind: str
    distance: float


class ComparedSource(TypedDict):
    """A source in one case: position, cluster of the nearest member, nearest members and similar transients."""

    obs_id: str
    detection_id: str
    counts: int
    case: str
    tsne1: float
    tsne2: float
    cluster: int
    cluster_dominant: str
    neighbours: list[Neighbour]
    similar_to: list[Neighbour]


def compare_sources(
    reference: Reference, case_name: str, batch: EventBatch, host: PluginHost, neighbours: int = 10, transients: int = 3
) -> list[ComparedSource]:
    """Compare the sources of a batch with a reference. The embedding of the reference does not change.

    Parameters
    ----------
    reference : Reference
    case_name : str
    batch : EventBatch
    host : PluginHost
    neighbours : int
        Nearest sources that determine the position.
    transients : int
        Nearest bona-fide transients that are listed.

    Raises
    ------
    ReferenceDataError
        The sources are of another instrument or band than the reference.
    """
    if not len(batch):
        return []
    _refuse_other_instruments(reference, batch)
    kept = reference.case(case_name)
    case = make_case(case_name, kept.settings, host)
    features = np.ascontiguousarray(kept.extractor.transform(represent(batch, case)), dtype=np.float32)
    rows, distances = kept.index.query(features, min(neighbours, len(reference)))
    positions = case.embedder.place(distances, kept.embedding[rows])
    similar, similar_distances = find_nearest_members(reference, case_name, "transient", features, transients)
    members = get_member_kinds(reference)
    dominant = kept.clusters.column("dominant").to_pylist()

    def describe(found: np.ndarray, away: np.ndarray) -> list[Neighbour]:
        return [
            {"name": str(members.names[row]), "kind": str(members.kinds[row]), "distance": float(distance)}
            for row, distance in zip(found, away, strict=True)
        ]

    compared: list[ComparedSource] = []
    for i, one in enumerate(batch.identities):
        cluster = int(kept.cluster[rows[i, 0]])
        compared.append(
            {
                "obs_id": one.obs_id,
                "detection_id": one.detection_id,
                "counts": int(batch.counts[i]),
                "case": case_name,
                "tsne1": float(positions[i, 0]),
                "tsne2": float(positions[i, 1]),
                "cluster": cluster,
                "cluster_dominant": dominant[cluster],
                "neighbours": describe(rows[i], distances[i]),
                "similar_to": describe(similar[i], similar_distances[i]),
            }
        )
    return compared


def _refuse_other_instruments(reference: Reference, batch: EventBatch) -> None:
    expected = instrument_key(reference.about["mission"], reference.about["instrument"])
    for one, band in zip(batch.identities, batch.band.tolist(), strict=True):
        instrument = instrument_key(one.mission, one.instrument)
        if instrument != expected or band != reference.about["band_kev"]:
            bands = ["–".join(f"{edge:g}" for edge in edges) + " keV" for edges in (reference.about["band_kev"], band)]
            raise ReferenceDataError(
                f"reference {reference.name}@{reference.version} is of {expected}, {bands[0]}; "
                f"source {one.detection_id} is of {instrument}, {bands[1]}; use a reference of its instrument"
            )
