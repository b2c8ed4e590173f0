"""Rebuild the published cases from the published tables, and compare map and clusters with the published ones.

Maps are compared by Procrustes analysis (shift, turn, mirror and scale taken out; 1 − disparity is the part of the
variance that agrees) and by how many of a source's nearest neighbours on one map are so on the other, which does not
mind islands that lie elsewhere; clusters by the adjusted Rand index (Hubert & Arabie 1985, J. Classif. 2, 193), 1 where
they agree and 0 where they do so by chance.
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
"""Nearest on the map that are compared."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a rebuilt case agrees with the published one; None where nothing is published in the folder.

    Parameters
    ----------
    case : str
    sources : int
    clusters, outliers : int — of the rebuilt map
    agreement : float or None — 1 − Procrustes disparity
    neighbours_kept : float or None — part of the `NEIGHBOURS` nearest that both maps share
    rand_index : float or None — adjusted, of the clusters
    embedding_file, clusters_file : str or None — compared with
    seconds : dict — that each stage took
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
        """In JSON's own types."""
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
    """Rebuild cases one by one.

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
        Told what is being done, and what the user should know.

    Raises
    ------
    FileError, ReferenceDataError
    """
    if not (folder / EVENTS_TABLE).is_file():
        raise FileError(folder, f"has no {EVENTS_TABLE}: it is no folder of the published tables")
    population = read_population([folder], configuration, skip_unknown=skip_unknown, stage=stage)
    for one in population.notes:
        note(one)
    for case in cases:
        # Read before the hours that a rebuild may take.
        published = {
            what: read_published_embedding(folder, case.name, what, population.names)
            for what in ("embedding", "clusters")
        }
        mapped = embed_case(case, population, stage)
        stage(f"{case.name}: comparing")
        yield _compared(case, mapped, published)


def _compared(case: Case, mapped: EmbeddedCase, published: dict[str, tuple[Path, F64] | None]) -> Comparison:
    from sklearn.metrics import adjusted_rand_score

    embedding, clusters = published["embedding"], published["clusters"]
    return Comparison(
        case=case.name,
        sources=len(mapped.cluster),
        clusters=int(mapped.cluster.max(initial=0)),
        outliers=int((mapped.cluster == 0).sum()),
        agreement=None if embedding is None else _agreement(mapped.embedding, embedding[1]),
        neighbours_kept=None if embedding is None else _neighbours_kept(mapped.embedding, embedding[1]),
        rand_index=None if clusters is None else float(adjusted_rand_score(clusters[1][:, 2], mapped.cluster)),
        embedding_file=None if embedding is None else str(embedding[0]),
        clusters_file=None if clusters is None else str(clusters[0]),
        seconds=mapped.seconds,
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
    """A published table of a case, rows in the order of names; None if there is none.

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
        It is not of the published form, or its sources are not those of the population.
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
            path, f"is not of the published form ({', '.join(columns)}, obsreg_id): {fault}"
        ) from fault
    if len(rows) != len(values):
        raise UnreadableFileError(path, "names a source twice")
    if odd := sorted(set(rows) ^ set(names)):
        where = "the population lacks" if odd[0] in rows else "it lacks"
        raise UnreadableFileError(path, f"holds other sources than the tables: {where} {odd[0]} ({len(odd):,} differ)")
    return path, values[[rows[name] for name in names]]
