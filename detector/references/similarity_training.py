"""Training the encoder of the case `events`: simulated sources of all telescopes, changed copies, contrastive loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.detector.progress import Stage
from xherald.photons.arrays import F64, I64
from xherald.photons.errors import ArtefactError

from .augmentation import augment

if TYPE_CHECKING:
    from xherald.encoders.contrastive import ContrastiveSettings
    from xherald.photons import EventBatch

__all__ = ["TRAINING_TELESCOPES", "TrainingCopies", "make_copies", "train_event_encoder"]

TRAINING_TELESCOPES: Final = (
    "chandra-acis-i",
    "xmm-mos1",
    "swift-xrt",
    "erosita-pointed",
    "ep-wxt",
    "ep-fxt",
)

VARIABLE_FRACTION: Final = 0.65
"""Part of the training sources that vary."""

DETECTABLE_SIGMA: Final = 4.0
"""Expected significance below which an event has no label: it looks like a steady source, and is none."""

STEADY: Final = ("constant", "supersoft")
"""Classes that do not vary, which are one class here."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCopies:
    """Representations of n sources in several copies, the first unchanged.

    Parameters
    ----------
    values : ndarray, shape (copies, n, values), float16 — for the memory; they have few photons' precision
    classes, kinds : ndarray, shape (copies, n), int64 — numbers of the labels; -1 for events that are not detectable
    """

    values: NDArray[np.float16]
    classes: I64
    kinds: I64


def make_copies(sources: int, telescopes: tuple[str, ...], copies: int, seed: int, stage: Stage) -> TrainingCopies:
    """Simulate sources and make changed copies of each.

    Parameters
    ----------
    sources : int — of each telescope
    telescopes : tuple of str
    copies : int — of each source, the unchanged one included
    seed : int
    stage : callable — called with the name of each stage
    """
    from xherald.plugins.representations.event_kernels import describe_events
    from xherald.simulation.population.population import simulate_population

    rng = np.random.default_rng(seed)
    values, labels, sigmas = [], [], []
    for telescope in telescopes:
        stage(f"simulating {sources:,} sources of {telescope}")
        population = simulate_population(sources, telescope=telescope, seed=seed, variable_fraction=VARIABLE_FRACTION)
        truth = population.truth
        interval = np.column_stack(
            [np.array(truth[name].to_pylist(), dtype=np.float64) for name in ("event_start_s", "event_stop_s")]
        )
        sigma = truth["event_sigma"].to_numpy().astype(np.float64)
        made: list[tuple[EventBatch, F64]] = [(population.batch, np.ones(sources))]
        stage(f"changed copies of {sources:,} sources of {telescope}")
        made += [augment(population.batch, interval, rng) for _ in range(copies - 1)]
        values.append(np.stack([describe_events(batch).astype(np.float16) for batch, _ in made]))
        sigmas.append(np.stack([sigma * factor for _, factor in made]))
        names = np.array(truth["class"].to_pylist())
        labels.append((np.where(np.isin(names, STEADY), "constant", names), _directions(truth)))
    names, directions = (np.concatenate([part[k] for part in labels]) for k in (0, 1))
    sigma = np.concatenate(sigmas, axis=1)
    return TrainingCopies(
        np.concatenate(values, axis=1), _numbers(names, directions, sigma), _numbers(directions, directions, sigma)
    )


def _directions(truth: Any) -> NDArray[np.str_]:
    """Kind of each source: flare, dip, steady or other."""
    words = np.array([word or "" for word in truth["direction"].to_pylist()])
    steady = np.isin(np.array(truth["class"].to_pylist()), STEADY)
    return np.where(words != "", words, np.where(steady, "steady", "other"))


def _numbers(names: NDArray[np.str_], directions: NDArray[np.str_], sigma: F64) -> I64:
    """Number of each label, in every copy; -1 for events that are not detectable."""
    _, number = np.unique(names, return_inverse=True)
    hidden = np.isin(directions, ("flare", "dip")) & (sigma < DETECTABLE_SIGMA)
    return np.where(hidden, -1, number).astype(np.int64)


def train_event_encoder(
    out: Path,
    settings: ContrastiveSettings,
    *,
    sources: int = 5_000,
    copies: int = 8,
    telescopes: tuple[str, ...] = TRAINING_TELESCOPES,
    stage: Stage = lambda _: None,
) -> Mapping[str, Any]:
    """Train an encoder of `event_map` and write its artefact.

    Parameters
    ----------
    out : Path — folder to create; must not exist
    settings : ContrastiveSettings
    sources : int — simulated sources of each telescope
    copies : int — of each source
    telescopes : tuple of str
    stage : callable, optional — called with the name of each stage

    Returns
    -------
    mapping
        Content of the manifest, in JSON types.

    Raises
    ------
    ArtefactError
        ``out`` exists or cannot be written.
    ConfigError
        TensorFlow is not installed, or a telescope is unknown.
    """
    from xherald.encoders.contrastive import train_contrastive
    from xherald.encoders.network import write_encoder

    if out.exists():
        raise ArtefactError(f"{out}: exists already; artefacts are immutable, choose another name or remove it")
    made = make_copies(sources, telescopes, copies, settings.seed, stage)
    trained = train_contrastive(
        made.values,
        made.classes,
        made.kinds,
        settings,
        lambda done, most, line: stage(f"epoch {done} of {most}: {line}"),
    )
    facts = {
        "made_by": "contrastive training",
        "representation": {"name": "event_map"},
        "population": {"simulated": sources, "telescopes": list(telescopes), "copies": copies, "seed": settings.seed},
        "training": {
            **asdict(settings),
            "trained_on": trained.sources[0],
            "validated_on": trained.sources[1],
            "losses": list(trained.loss),
            "validation_losses": list(trained.validation_loss),
        },
        "versions": {name: version(name) for name in ("keras", "tensorflow", "numpy")},
    }
    write_encoder(out, trained.network, facts)
    return {"encoder": str(out), "latent": trained.network.latent, "weights": trained.network.weights, **facts}
