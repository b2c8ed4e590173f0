"""Rebuild the published cases from the published tables, and compare embeddings and clusters with the published ones.

Embeddings are compared by Procrustes analysis (1 − disparity is the fraction of the variance that agrees after shift,
rotation, reflection and scaling) and by the fraction of nearest neighbours they share, which does not depend on where
separate groups lie; clusters by the adjusted Rand index (Hubert & Arabie 1985, J. Classif. 2, 193), 1 for equal
clusters and 0 on average for random ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.detector.progress import Stage
from xherald.photons.arrays import F64
from xherald.photons.errors import FileError, UnreadableFileError

from .build_reference import EmbeddedCase, embed_case
from .case_pipeline import Case
from .reference_population import EVENTS_TABLE, read_population

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration

__all__ = ["Comparison", "read_published_embedding", "reproduce_cases"]


NEIGHBOURS: Final = 15
"""Nearest neighbours in the embedding that are compared."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Agreement of a rebuilt case with the published one; None where the folder has no published table.

    Parameters
    ----------
    case : str
    sources : int
    clusters, outliers : int — of the rebuilt embedding
    agreement : float or None — 1 − Procrustes disparity
    neighbours_kept : float or None — fraction of the `NEIGHBOURS` nearest that both embeddings share
    rand_index : float or None — adjusted, of the clusters
    embedding_file, clusters_file : str or None — published tables
    seconds : dict — duration of each stage
    """

    case: str
    sources: int
    clusters: int
    outliers: int
    agreement: float | None
    neighbours_kept: float | None
    rand_index: float | None
    embedding_file: str | None
    clusters_file: str | None
    seconds: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """In JSON types."""
        return asdict(self)


def reproduce_cases(
    folder: Path,
    cases: Sequence[Case],
    configuration: Configuration,
    *,
    skip_unknown: bool = False,
    stage: Stage = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[Comparison]:
    """Rebuild cases, one at a time.

    Parameters
    ----------
    folder : Path
        With ``eventfiles_table.csv``, ``bonafide_transients.json`` and, to compare with, ``paper*_embedding.csv`` and
        ``paper*_clusters.csv`` in it or below it.
    cases : sequence of Case
    configuration : Configuration
    skip_unknown : bool
        See `BonaFideList.restrict_to`.
    stage, note : callable, optional
        Called with the name of each stage, and with messages for the user.

    Raises
    ------
    FileError, ReferenceDataError
    """
    if not (folder / EVENTS_TABLE).is_file():
        raise FileError(folder, f"has no {EVENTS_TABLE}; give the folder of the published tables")
    population = read_population([folder], configuration, skip_unknown=skip_unknown, stage=stage)
    for one in population.notes:
        note(one)
    for case in cases:
        # Read first, since a rebuild can take hours.
        published = {
            what: read_published_embedding(folder, case.name, what, population.names)
            for what in ("embedding", "clusters")
        }
        embedded = embed_case(case, population, stage)
        stage(f"{case.name}: comparing")
        yield _compare(case, embedded, published)


def _compare(case: Case, embedded: EmbeddedCase, published: dict[str, tuple[Path, F64] | None]) -> Comparison:
    from sklearn.metrics import adjusted_rand_score

    embedding, clusters = published["embedding"], published["clusters"]
    return Comparison(
        case=case.name,
        sources=len(embedded.cluster),
        clusters=int(embedded.cluster.max(initial=0)),
        outliers=int((embedded.cluster == 0).sum()),
        agreement=None if embedding is None else _agreement(embedded.embedding, embedding[1]),
        neighbours_kept=None if embedding is None else _neighbours_kept(embedded.embedding, embedding[1]),
        rand_index=None if clusters is None else float(adjusted_rand_score(clusters[1][:, 2], embedded.cluster)),
        embedding_file=None if embedding is None else str(embedding[0]),
        clusters_file=None if clusters is None else str(clusters[0]),
        seconds=embedded.seconds,
    )


def _agreement(ours: F64, theirs: F64) -> float:
    from scipy.spatial import procrustes

    return 1.0 - float(procrustes(theirs, ours)[2])


def _neighbours_kept(ours: F64, theirs: F64) -> float:
    from sklearn.neighbors import NearestNeighbors

    k = min(NEIGHBOURS, len(ours) - 1)
    near = [NearestNeighbors(n_neighbors=k).fit(one).kneighbors(return_distance=False) for one in (ours, theirs)]
    joined = np.sort(np.concatenate(near, axis=1), axis=1)
    return float((joined[:, 1:] == joined[:, :-1]).sum() / (k * len(ours)))


def read_published_embedding(folder: Path, case: str, what: str, names: Sequence[str]) -> tuple[Path, F64] | None:
    """A published table of a case, rows in the order of `names`; None if the folder has none.

    Parameters
    ----------
    folder : Path
    case : str
    what : {"embedding", "clusters"}
    names : sequence of str

    Returns
    -------
    (Path, ndarray of shape (n, 2) or (n, 3)) or None
        tsne1, tsne2 and, of clusters, the cluster.

    Raises
    ------
    UnreadableFileError
        It is not in the published form, or its sources are not those of the population.
    """
    import pyarrow as pa
    import pyarrow.csv as pc

    code = re.sub(r"[^a-z0-9]", "", case.lower())
    pattern = re.compile(rf"paper_?{code}_{what.removesuffix('s')}s?")
    found = sorted(path for path in folder.rglob("*.csv") if pattern.fullmatch(path.stem.lower().replace("-", "")))
    if not found:
        return None
    path, columns = found[0], ["tsne1", "tsne2"] + (["cluster"] if what == "clusters" else [])
    try:
        table = pc.read_csv(path, convert_options=pc.ConvertOptions(column_types={"obsreg_id": pa.string()}))
        values = np.column_stack([table.column(name).to_numpy().astype(np.float64) for name in columns])
        rows = {name: row for row, name in enumerate(table.column("obsreg_id").to_pylist())}
    except (pa.ArrowException, OSError, KeyError, ValueError) as fault:
        raise UnreadableFileError(
            path, f"is not in the published form ({', '.join(columns)}, obsreg_id): {fault}"
        ) from fault
    if len(rows) != len(values):
        raise UnreadableFileError(path, "lists a source twice")
    if odd := sorted(set(rows) ^ set(names)):
        where = "the population lacks" if odd[0] in rows else "it lacks"
        raise UnreadableFileError(path, f"has other sources than the tables: {where} {odd[0]} ({len(odd):,} differ)")
    return path, values[[rows[name] for name in names]]
