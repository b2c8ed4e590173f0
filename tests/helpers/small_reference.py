"""A reference catalogue made by hand: random features, places in clumps, everything unknown somewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xherald.photons.arrays import F32
from xherald.plugins.contract import FittedExtractor, Sample
from xherald.plugins.reference import Reference, ReferenceCase
from xherald.plugins.reference_members import ReferenceMembers

SOURCES, WIDTH = 300, 15
KNOWN = {7: "flare", 11: "flare", 205: "flare", 70: "dip", 71: "other"}
"""Bona-fide transients by row."""

CANDIDATES = {8: ("flare", "both", 1, 7), 12: ("flare", "neighbour", 1, 11), 90: ("dip", "cluster", 2, 70)}
"""Kind, way, cluster and row of the nearest bona-fide transient, by row."""


@dataclass
class Components(FittedExtractor):
    """Features that somebody else has computed, with the variance that each explains, or without."""

    width: int
    explained_variance_ratio: NDArray[np.float64]

    def transform(self, sample: Sample) -> F32:
        raise AssertionError("nothing new is transformed here")

    def save(self, folder: Path) -> None:
        raise AssertionError("nothing is saved here")


class NoIndex:
    def query(self, features: F32, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        raise AssertionError("nothing is looked up here")


def small_reference(
    clusters: int = 3, candidates: bool = True, classes: bool = True, shape: tuple[int, ...] = (24, 16)
):
    """A case "2D-PCA" of sources in clumps, of which every tenth is an outlier."""
    rng = np.random.default_rng(5)
    cluster = np.where(np.arange(SOURCES) % 10 == 9, 0, np.arange(SOURCES) % max(clusters, 1) + 1) * (clusters > 0)
    centres = rng.normal(0, 20, (clusters + 1, 2))
    case = ReferenceCase(
        name="2D-PCA",
        settings={"representation": {"name": "energy-time"}},
        extractor=Components(WIDTH, 0.5 ** np.arange(1, WIDTH + 1)),
        features=rng.normal(size=(SOURCES, WIDTH)).astype(np.float32),
        embedding=centres[cluster] + rng.normal(size=(SOURCES, 2)),
        cluster=cluster.astype(np.int64),
        clusters=_clusters(cluster, clusters),
        candidates=_candidates(rng, CANDIDATES if candidates else {}),
        index=NoIndex(),
        measured={},
        means=rng.poisson(2.0, (clusters + 1, *shape)).astype(np.float32),
    )
    members = ReferenceMembers.without_photons(SOURCES)
    return Reference("toy", "1.2.0", {}, _sources(rng, classes), {"2D-PCA": case}, members)


def with_sources(reference: Reference, **columns: object) -> Reference:
    """The same reference with other columns."""
    table = reference.sources
    for name, values in columns.items():
        table = table.drop_columns([name]).append_column(name, pa.array(values))
    return replace(reference, sources=table)


def _sources(rng: np.random.Generator, classes: bool) -> pa.Table:
    rows = np.arange(SOURCES)
    unknown = rows % 7 == 3
    index = rng.integers(0, 11, SOURCES)
    kinds = rng.choice(["star", "agn", ""], SOURCES) if classes else np.full(SOURCES, "")
    return pa.table(
        {
            "obsreg_id": [f"{10_000 + row}_{row % 17}" for row in rows],
            "mission": ["CHANDRA"] * SOURCES,
            "instrument": ["ACIS"] * SOURCES,
            "obs_id": [str(10_000 + row) for row in rows],
            "ra_deg": pa.array(rng.uniform(0, 360, SOURCES), mask=unknown),
            "dec_deg": pa.array(rng.uniform(-90, 90, SOURCES), mask=unknown),
            # astropy's filler of masked integers among them: it must survive where nothing is masked
            "counts": np.append(rng.poisson(40, SOURCES - 1) + 5, 999_999).astype(np.int64),
            "livetime_s": rng.uniform(1e3, 1e5, SOURCES),
            "hardness": pa.array(rng.uniform(-1, 1, SOURCES), mask=rows % 11 == 5),
            "variability_index": np.where(rows % 5 == 2, -1, index).astype(np.int64),
            "bona_fide": [KNOWN.get(row, "") for row in rows.tolist()],
            "class": kinds.tolist(),
        }
    )


def _clusters(cluster: NDArray[np.int64], clusters: int) -> pa.Table:
    rows = []
    for number in range(clusters + 1):
        kinds = [kind for row, kind in KNOWN.items() if cluster[row] == number]
        flares, dips = kinds.count("flare"), kinds.count("dip")
        rows.append(
            {
                "cluster": number,
                "sources": int((cluster == number).sum()),
                "flares": flares,
                "dips": dips,
                "others": kinds.count("other"),
                "enrichment": 1.0,
                "p_value": 0.5,
                "dominant": "" if number == 0 else "flare" if flares > 1 else "dip" if dips else "",
            }
        )
    names = ("cluster", "sources", "flares", "dips", "others", "enrichment", "p_value", "dominant")
    types = (*(pa.int64(),) * 5, pa.float64(), pa.float64(), pa.string())
    return pa.Table.from_pylist(rows, schema=pa.schema(list(zip(names, types, strict=True))))


def _candidates(rng: np.random.Generator, wanted: dict[int, tuple[str, str, int, int]]) -> pa.Table:
    ids = [f"{10_000 + row}_{row % 17}" for row in range(SOURCES)]
    rows = [
        {
            "obsreg_id": ids[row],
            "kind": kind,
            "through": through,
            "cluster": cluster,
            "nearest": ids[nearest],
            "distance": float(rng.uniform(0, 1)),
        }
        for row, (kind, through, cluster, nearest) in wanted.items()
    ]
    types = {"obsreg_id": pa.string(), "kind": pa.string(), "through": pa.string(), "cluster": pa.int64()}
    return pa.Table.from_pylist(rows, schema=pa.schema({**types, "nearest": pa.string(), "distance": pa.float64()}))
