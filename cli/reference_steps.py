"""Steps of the published method as commands of `xherald reference`: represent, features, embed and cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .group import configuration, run_options
from .progress import stages
from .step_options import (
    case_option,
    find_case,
    find_plugin_settings,
    json_option,
    out_option,
    parse_number,
    plugin_options,
    print_facts,
    read_sources,
    rename_option,
    sources_argument,
)

if TYPE_CHECKING:
    from xherald.detector.references.method_steps import NamedSources
    from xherald.detector.references.step_files import SavedRepresentations

__all__ = ["cluster", "embed", "features", "represent"]


@click.command("represent")
@sources_argument
@case_option
@click.option("--representation", metavar="NAME", help="Representation, in place of the case's: et_map, etdt_cube, …")
@plugin_options
@out_option(".npz")
@json_option
@run_options
def represent(
    paths: tuple[Path, ...],
    case_name: str,
    representation: str | None,
    options: Mapping[str, Any],
    out: Path,
    as_json: bool,
) -> None:
    """Represent sources as arrays.

    PATH is a folder of the published tables, a file of photon lists, or event files and folders of them.

    \b
    Examples:
      xherald reference represent published/ --representation et_map --option normalise=false --out maps.npz
      xherald reference represent population.parquet --case 3D-AE --out cubes.npz

    \b
    Exit codes:
      0  the file was written
      1  a file cannot be read or written
      2  wrong options or configuration; nothing was written
    """  # noqa: D301
    from xherald.detector.references.method_steps import represent_sources
    from xherald.detector.references.step_files import write_representations

    settings = configuration()
    name, chosen = find_plugin_settings("representation", case_name, representation, options, settings)
    with stages(shown=not as_json) as stage:
        sources = read_sources(paths, settings, stage)
        stage(f"representing {len(sources.names):,} sources")
        made = represent_sources(sources, name, chosen, settings.host)
        write_representations(made, out)
    facts = {"file": str(out), "sources": len(made.names), "shape": list(made.shape), "representation": name}
    print_facts(facts, as_json, f"{out}: {len(made.names):,} sources, arrays of shape {made.shape}")


@click.command("features")
@sources_argument
@case_option
@click.option("--extractor", metavar="NAME", help="Extractor, in place of the case's: pca, autoencoder, timing, …")
@plugin_options
@out_option(".csv, .parquet or .npz")
@json_option
@run_options
def features(
    paths: tuple[Path, ...],
    case_name: str,
    extractor: str | None,
    options: Mapping[str, Any],
    out: Path,
    as_json: bool,
) -> None:
    """Extract features of sources.

    PATH is a file of representations (see `xherald reference represent`), or the photons, which are then represented
    as the case says.

    \b
    Examples:
      xherald reference features maps.npz --extractor pca --option components=15 --out features.csv
      xherald reference features maps.npz --extractor autoencoder --option encoder=encoders/et --out features.csv
      xherald reference features published/ --case 3D-PCA --out features.parquet

    \b
    Exit codes:
      0  the file was written
      1  a file cannot be read or written, or the features cannot be learned from these sources
      2  wrong options or configuration; nothing was written
    """  # noqa: D301
    from xherald.detector.references.method_steps import extract_features, represent_sources
    from xherald.detector.references.step_files import is_representations_file, read_representations, write_features

    settings = configuration()
    name, chosen = find_plugin_settings("extractor", case_name, extractor, options, settings)
    source: SavedRepresentations | NamedSources
    with stages(shown=not as_json) as stage:
        if len(paths) == 1 and is_representations_file(paths[0]):
            source = read_representations(paths[0])
        else:
            photons = read_sources(paths, settings, stage)
            case = find_case(case_name, settings)
            if case.representation is None:
                source = photons
            else:
                stage(f"representing {len(photons.names):,} sources")
                kind = case.representation
                source = represent_sources(photons, kind.name, kind.options, settings.host)
        table = extract_features(source, name, chosen, settings.host, stage)
        write_features(table, out)
    size, width = table.features.shape
    facts = {"file": str(out), "sources": size, "features": width, "extractor": name}
    print_facts(facts, as_json, f"{out}: {width} features of {size:,} sources")


@click.command("embed")
@click.argument("features_file", metavar="FEATURES", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@case_option
@click.option("--embedder", metavar="NAME", help="Embedder, in place of the case's: tsne, fast_tsne, umap, …")
@click.option("--perplexity", type=float, help="Perplexity of t-SNE.")
@click.option("--learning-rate", metavar="NUMBER", help='Learning rate of t-SNE, or "auto".')
@click.option("--early-exaggeration", type=float, help="Early exaggeration of t-SNE.")
@click.option("--init", type=click.Choice(["random", "pca"]), help="Start of t-SNE.")
@click.option("--n-iter", type=int, help="Iterations of t-SNE.")
@click.option("--random-state", type=int, help="Seed.")
@click.option("--neighbours", type=int, help="Neighbours of UMAP.")
@click.option("--min-dist", type=float, help="Minimum distance of UMAP.")
@click.option("--epochs", type=int, help="Epochs of UMAP.")
@plugin_options
@out_option(".csv (the published form), .parquet or .npz")
@json_option
@run_options
def embed(
    features_file: Path,
    case_name: str,
    embedder: str | None,
    options: Mapping[str, Any],
    out: Path,
    as_json: bool,
    **hyperparameters: Any,
) -> None:
    """Embed features in the plane.

    FEATURES is a table with obsreg_id and a column for each feature (see `xherald reference features`). What is not
    given is as in the case.

    \b
    Examples:
      xherald reference embed features.csv --perplexity 30 --n-iter 3000 --random-state 11 --out embedding.csv
      xherald reference embed features.csv --embedder fast_tsne --option threads=4 --out embedding.csv
      xherald reference embed features.csv --embedder umap --neighbours 15 --min-dist 0.1 --out embedding.csv

    \b
    Exit codes:
      0  the file was written
      1  a file cannot be read or written, or there are too few sources
      2  wrong options or configuration; nothing was written
    """  # noqa: D301
    from xherald.detector.references.method_steps import embed_features
    from xherald.detector.references.step_files import read_features, write_embedding

    settings = configuration()
    given = {name: value for name, value in hyperparameters.items() if value is not None}
    if "learning_rate" in given and given["learning_rate"] != "auto":
        given["learning_rate"] = parse_number(given["learning_rate"], "--learning-rate")
    name, start = find_plugin_settings("embedder", case_name, embedder, {}, settings)
    fields = settings.host.embedders[name].options_model.model_fields if name in settings.host.embedders else {}
    renamed = {rename_option(key, fields): value for key, value in given.items()}
    with stages(shown=not as_json) as stage:
        table = read_features(features_file)
        stage(f"embedding {len(table.names):,} sources with {name}")
        embedding = embed_features(table, name, {**start, **renamed, **options}, settings.host, stage)
        write_embedding(embedding, out)
    facts = {"file": str(out), "sources": len(table.names), "embedder": name}
    print_facts(facts, as_json, f"{out}: {len(table.names):,} sources embedded with {name}")


@click.command("cluster")
@click.argument("embedding_file", metavar="EMBEDDING", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@case_option
@click.option("--eps", type=float, help="Radius of DBSCAN, which it selects.")
@click.option("--min-samples", type=int, help="Neighbours of a core source, itself included.")
@out_option(".csv (the published form), .parquet or .npz")
@json_option
@run_options
def cluster(
    embedding_file: Path, case_name: str, eps: float | None, min_samples: int | None, out: Path, as_json: bool
) -> None:
    """Cluster an embedding as a case does.

    EMBEDDING is a table with tsne1, tsne2 and obsreg_id. Cluster 0 holds the outliers.

    \b
    Example:
      xherald reference cluster embedding.csv --eps 2.5 --min-samples 25 --out clusters.csv

    \b
    Exit codes:
      0  the file was written
      1  a file cannot be read or written
      2  wrong options or configuration; nothing was written
    """  # noqa: D301
    from pydantic import ValidationError

    from xherald.detector.references.method_steps import cluster_embedding
    from xherald.detector.references.step_files import read_embedding, write_embedding
    from xherald.plugins.cases import Clustering

    # A radius is one of DBSCAN, whatever the case uses.
    method = None if eps is None else "dbscan"
    options = (("method", method), ("eps", eps), ("min_samples", min_samples))
    given = {name: value for name, value in options if value is not None}
    start = find_case(case_name, configuration()).clustering.model_dump()
    try:
        clustering = Clustering.model_validate(start | given)
    except ValidationError as fault:
        first = fault.errors()[0]
        raise click.UsageError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from fault
    with stages(shown=not as_json) as stage:
        embedding = read_embedding(embedding_file)
        stage(f"clustering {len(embedding.names):,} sources")
        clustered = cluster_embedding(embedding, clustering)
        write_embedding(clustered, out)
    labels = clustered.cluster
    assert labels is not None
    number, outliers = int(labels.max(initial=0)), int((labels == 0).sum())
    facts = {"file": str(out), "sources": len(labels), "clusters": number, "outliers": outliers}
    print_facts(facts, as_json, f"{out}: {number:,} clusters, {outliers:,} of {len(labels):,} sources are outliers")
