"""`xherald encoder`: train, import and show encoders."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from .group import configuration, run_options
from .progress import stages

__all__ = ["command"]


class Shape(click.ParamType[tuple[int, ...]]):
    """Positive integers separated by commas, such as 24,16,16."""

    name = "N,N,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            sizes = tuple(int(word) for word in str(value).split(","))
        except ValueError:
            sizes = ()
        if not sizes or min(sizes) < 1:
            self.fail(f"{value!r} is not a shape, such as 24,16,16", param, ctx)
        return sizes


json_option = click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
out_option = click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to create; must not exist.",
)


@click.group("encoder")
def command() -> None:
    """Train, import and show encoders.

    An encoder is a folder of JSON and npz, of which nothing can execute; it runs without TensorFlow.

    \b
    Examples:
      xherald encoder train --representation et_map --simulate 60000 --out encoders/mine
      xherald encoder import encoder_et.h5 --out encoders/published
      xherald encoder show et_map_12
    """  # noqa: D301


@command.command("train")
@click.option(
    "--representation", default="et_map", show_default=True, metavar="NAME", help="et_map, etdt_cube or a plugin's."
)
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Photon lists to train on: a simulated population, a table, an event file.",
)
@click.option("--simulate", type=click.IntRange(min=1), metavar="N", help="Number of sources to simulate for training.")
@click.option("--mission", default="chandra", show_default=True, help="Mission or telescope to simulate.")
@click.option("--latent", type=click.IntRange(min=1), default=12, show_default=True, help="Number of features.")
@click.option("--epochs", type=click.IntRange(min=1), default=50, show_default=True, help="Maximum number of epochs.")
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Epochs without improvement before stopping.",
)
@click.option("--batch", type=click.IntRange(min=1), default=256, show_default=True, help="Sources in a batch.")
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=1e-3, show_default=True)
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the simulation and the training."
)
@click.option("--half", is_flag=True, help="Round weights to 16 bits, which halves the size.")
@out_option
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Plot of the learning curves, PNG or PDF.",
)
@json_option
@run_options
def train(
    representation: str,
    source: Path | None,
    simulate: int | None,
    mission: str,
    latent: int,
    epochs: int,
    patience: int,
    batch: int,
    learning_rate: float,
    seed: int,
    half: bool,
    out: Path,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Train an autoencoder on a population.

    Needs TensorFlow: pip install 'xherald[train]'. The same seed gives the same weights on the same machine.

    \b
    Examples:
      xherald encoder train --representation et_map --simulate 60000 --seed 7 --out encoders/mine --plot curves.png
      xherald encoder train --representation etdt_cube --from population.parquet --latent 24 --out encoders/cube

    \b
    Exit codes:
      0  the encoder was written
      1  it cannot be trained on these sources, or cannot be written; nothing was written
      2  wrong options or configuration, or no TensorFlow; nothing was written
    """  # noqa: D301
    from xherald.detector.references.encoder_training import Origin, train_encoder
    from xherald.encoders.training import TrainingSettings

    if (source is None) == (simulate is None):
        raise click.UsageError("give the training sources with --from FILE or --simulate N")
    settings = TrainingSettings(
        latent=latent,
        epochs=epochs,
        patience=patience,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
        half=half,
    )
    origin = Origin(source, simulate or 0, mission, seed)
    with _progress(simulate or 0) as (simulated, advance):
        facts = train_encoder(
            out,
            representation,
            origin,
            settings,
            configuration(),
            plot=plot,
            simulated=simulated,
            advance=advance,
        )
    training = facts["training"]
    _print(
        facts,
        as_json,
        f"{out}: {facts['latent']} features, best of {len(training['losses'])} epochs is {training['best_epoch']}, "
        f"validation loss {training['best_validation_loss']:.5f} "
        f"(mean array {training['mean_array_validation_loss']:.5f})",
    )


@command.command("train-events")
@click.option(
    "--sources", type=click.IntRange(min=100), default=5_000, show_default=True, help="Sources of each telescope."
)
@click.option(
    "--copies", type=click.IntRange(min=2), default=8, show_default=True, help="Changed copies of each source."
)
@click.option("--latent", type=click.IntRange(min=1), default=16, show_default=True, help="Number of features.")
@click.option("--epochs", type=click.IntRange(min=1), default=80, show_default=True, help="Number of epochs.")
@click.option("--seed", type=click.IntRange(min=0), default=2412, show_default=True, help="Seed of all random numbers.")
@out_option
@json_option
@run_options
def train_events(sources: int, copies: int, latent: int, epochs: int, seed: int, out: Path, as_json: bool) -> None:
    """Train the encoder of the case `events`.

    Simulated sources of all telescopes are changed in what look-alikes may differ in, such as brightness, background,
    response and time scale, and those of a class are brought together. Needs TensorFlow: pip install 'xherald[train]'.

    \b
    Example:
      xherald encoder train-events --sources 5000 --seed 2412 --out event_map_16

    \b
    Exit codes:
      0  the encoder was written
      1  it cannot be written
      2  wrong options or configuration, or no TensorFlow; nothing was written
    """  # noqa: D301
    from xherald.detector.references.similarity_training import train_event_encoder
    from xherald.encoders.contrastive import ContrastiveSettings

    settings = ContrastiveSettings(latent=latent, epochs=epochs, seed=seed)
    with stages(shown=not as_json) as stage:
        facts = dict(train_event_encoder(out, settings, sources=sources, copies=copies, stage=stage))
    training = facts["training"]
    _print(
        facts,
        as_json,
        f"{out}: {facts['latent']} features, {facts['weights']:,} weights, "
        f"loss {training['losses'][-1]:.3f}, of the validation sources {training['validation_losses'][-1]:.3f}",
    )


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@out_option
@click.option(
    "--shape",
    type=Shape(),
    help="Shape of the arrays, if the file has only their size: 24,16,16 for the published cubes.",
)
@json_option
@run_options
def import_(file: Path, out: Path, shape: tuple[int, ...] | None, as_json: bool) -> None:
    """Import a legacy Keras 2 HDF5 encoder.

    No code in the file is executed.

    \b
    Example:
      xherald encoder import encoder_et.h5 --out encoders/published

    \b
    Exit codes:
      0  the encoder was imported
      1  the file is not such an encoder, or cannot be imported; nothing was written
      2  wrong options, or no h5py; nothing was written
    """  # noqa: D301
    from xherald.encoders.keras_import import import_encoder

    facts = import_encoder(file, out, shape)
    _print({"encoder": str(out), **facts}, as_json, f"{out}: {facts['latent']} features of {tuple(facts['shape'])}")


@command.command("show")
@click.argument("encoder")
@json_option
@run_options
def show(encoder: str, as_json: bool) -> None:
    """Show the manifest of an encoder.

    Give the name of a built-in encoder, or a folder.

    \b
    Example:
      xherald encoder show et_map_12 --json

    \b
    Exit codes:
      0  the manifest was printed
      1  it cannot be read
      2  wrong options or configuration, or no such encoder
    """  # noqa: D301
    from xherald.encoders.inference import Encoder, find_encoder

    facts = dict(Encoder.load(find_encoder(encoder)).about)
    _print(facts, as_json, "\n".join(f"{name}: {value}" for name, value in facts.items()))


def _print(facts: dict[str, Any], as_json: bool, line: str) -> None:
    click.echo(json.dumps(facts, allow_nan=False) if as_json else line)


@contextmanager
def _progress(sources: int) -> Iterator[tuple[Callable[[int], None], Callable[[int, int, str], None]]]:
    """Show progress on standard error if it is a terminal; yields callables for simulated sources and for batches."""
    if not sys.stderr.isatty():
        yield (lambda _: None), (lambda _done, _most, _line: None)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        simulating = bar.add_task("simulating", total=sources, visible=sources > 0)
        training = bar.add_task("training", total=None, visible=False)

        def advance(done: int, most: int, line: str) -> None:
            bar.update(training, completed=done, total=most, description=line, visible=True)

        yield (lambda done: bar.advance(simulating, done)), advance
