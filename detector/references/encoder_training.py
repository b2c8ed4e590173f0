"""Training an encoder: representations of a population, an autoencoder, its encoder as an artefact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xherald.photons import EventBatch
from xherald.photons.errors import ArtefactError, ConfigError, FileError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xherald.detector.configuration.configuration import Configuration
    from xherald.encoders.training import TrainingResult, TrainingSettings

__all__ = ["Origin", "plot_learning_curves", "train_encoder"]

INK, FITTED, VALIDATION = "#22303c", "#4c78a8", "#d1495b"


@dataclass(frozen=True, slots=True)
class Origin:
    """Photon lists to train on: a file or a simulation.

    Parameters
    ----------
    path : Path or None
    sources : int
        Number to simulate if there is no file.
    mission : str
        Mission or telescope to simulate.
    seed : int
    """

    path: Path | None = None
    sources: int = 0
    mission: str = "chandra"
    seed: int = 1

    def batch(self, configuration: Configuration, advance: Callable[[int], object]) -> EventBatch:
        """Read or simulate the photon lists."""
        if self.path is not None:
            from xherald.detector.extraction.extracted_sources import extract_sources

            return extract_sources(self.path, configuration).batch
        from xherald.simulation.field import telescopes_named
        from xherald.simulation.population.population import simulate_population

        telescope = telescopes_named(self.mission)[0]
        return simulate_population(self.sources, telescope=telescope, seed=self.seed, advance=advance).batch

    def about(self) -> dict[str, Any]:
        """Facts for the manifest."""
        if self.path is not None:
            from xherald.photons.artefact_folders import compute_sha256

            return {"file": self.path.name, "sha256": compute_sha256(self.path)}
        return {"simulated": self.sources, "mission": self.mission, "seed": self.seed}


def train_encoder(
    out: Path,
    representation: str,
    origin: Origin,
    settings: TrainingSettings,
    configuration: Configuration,
    *,
    plot: Path | None = None,
    simulated: Callable[[int], object] = lambda _: None,
    advance: Callable[[int, int, str], object] = lambda _done, _most, _line: None,
) -> dict[str, Any]:
    """Train an encoder and write its artefact.

    Parameters
    ----------
    out : Path
        Folder to create; must not exist.
    representation : str
        Name of a representation with the option ``normalise``.
    origin : Origin
    settings : TrainingSettings
    configuration : Configuration
    plot : Path, optional
        Plot of the learning curves.
    simulated : callable, optional
        Called with the number of sources simulated so far.
    advance : callable, optional
        See `xherald.encoders.training.train`.

    Returns
    -------
    dict
        Content of the manifest, in JSON types.

    Raises
    ------
    ArtefactError
        ``out`` exists or cannot be written.
    ConfigError, FileError, PhotonError, ReferenceDataError
    """
    from xherald.encoders.network import write_encoder
    from xherald.encoders.training import train

    if out.exists():
        raise ArtefactError(f"{out}: exists already; artefacts are immutable, choose another name or remove it")
    host = configuration.host
    if representation not in host.representations:
        raise ConfigError(
            f"no representation is named {representation!r}; available: {', '.join(host.representations)}"
        )
    plugin = host.representations[representation]
    options = host.validate_options(plugin, {"normalise": True}, f"representation {representation}")
    batch = origin.batch(configuration, simulated)
    trained = train(plugin.transform(batch, options), plugin.shape(options), settings, advance)
    facts = {
        "made_by": "training",
        "representation": {"name": representation, **options.model_dump(mode="json")},
        "population": origin.about(),
        "training": {**asdict(settings), **_summarise(trained)},
        "versions": {name: version(name) for name in ("keras", "tensorflow", "numpy")},
    }
    write_encoder(out, trained.network, facts)
    if plot is not None:
        try:
            plot_learning_curves(trained).savefig(plot, dpi=110)
        except OSError as fault:
            raise FileError(plot, f"cannot be written to: {fault.strerror or fault}") from fault
    return {"encoder": str(out), "latent": trained.network.latent, "weights": trained.network.weights, **facts}


def _summarise(trained: TrainingResult) -> Mapping[str, Any]:
    """Course of the training, for the manifest."""
    return {
        "trained_on": trained.sources[0],
        "validated_on": trained.sources[1],
        "best_epoch": trained.best + 1,
        "best_validation_loss": trained.validation_loss[trained.best],
        "mean_array_validation_loss": trained.baseline,
        "losses": list(trained.loss),
        "validation_losses": list(trained.validation_loss),
    }


def plot_learning_curves(trained: TrainingResult) -> Figure:
    """Learning curves: mean squared error of a bin by epoch, compared with that of the mean array."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    epochs = range(1, len(trained.loss) + 1)
    axes.plot(epochs, trained.loss, color=FITTED, marker="o", markersize=3, label="training")
    axes.plot(epochs, trained.validation_loss, color=VALIDATION, marker="o", markersize=3, label="validation")
    axes.axhline(trained.baseline, color=INK, linewidth=1, linestyle="--", label="mean array")
    axes.axvline(trained.best + 1, color=VALIDATION, linewidth=1, linestyle=":", label="selected")
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel("mean squared error of a bin", color=INK)
    axes.set_yscale("log")
    axes.tick_params(colors=INK, labelsize=9, which="both")
    axes.legend(fontsize=8, frameon=False)
    return figure
