"""Classes of sources: `SourceClass`, and the request for a model: `ModelRequest`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xherald.photons.errors import ConfigError
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Direction, SourceModel

__all__ = ["ModelRequest", "SourceClass", "total_light_curve"]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Request for a model of a class.

    Parameters
    ----------
    duration : float — s, of the exposure
    start : float — s, onset of the event; 0 for classes without event
    length : float — s, between 5 % and 95 % of the photons that the event adds or removes; 0 for classes without event
    persistent : float — factor on the persistent emission
    shape : LightCurve or None
        Shape of the event in place of the class's own, see `events.place`; edges of eclipses and pulses ignore it.
    """

    duration: float
    start: float
    length: float
    persistent: float
    shape: LightCurve | None = None


@dataclass(frozen=True, slots=True)
class SourceClass:
    """A class of sources, from which models are drawn.

    Parameters
    ----------
    name : str
    summary : str — one line
    direction : {"flare", "dip", ""}
    make : callable — returns a model for a `ModelRequest`; draws all other parameters
    lengths : (float, float) or None
        Range of published lengths of the event, s; None for classes without event.
    group : str
        Family of classes that photons alone seldom tell apart; empty for a family of its own.
    """

    name: str
    summary: str
    direction: Direction
    make: Callable[[np.random.Generator, ModelRequest], SourceModel]
    lengths: tuple[float, float] | None = None
    group: str = ""

    @property
    def family(self) -> str:
        """Family of the class, which the detector names."""
        return self.group or self.name

    def draw(self, rng: np.random.Generator, duration: float) -> SourceModel:
        """Draw a model for an exposure.

        Lengths of events are log-uniform over the published range of the class, up to half the exposure, so that an
        event is different from a change of level (if all events of a class are longer, half the exposure); starts are
        uniform, such that nine tenths of the event are in the exposure.

        Parameters
        ----------
        rng : numpy.random.Generator
        duration : float — s
        """
        return self.build(rng, duration)

    def build(
        self,
        rng: np.random.Generator,
        duration: float,
        *,
        start: float | None = None,
        length: float | None = None,
        persistent: float = 1.0,
        shape: LightCurve | None = None,
    ) -> SourceModel:
        """Make a model with an event of given start and length; what is not given is random as in `draw`.

        Parameters
        ----------
        rng : numpy.random.Generator
        duration : float — s
        start : float or None
            Onset of the event, s since the start of the exposure; may be negative.
        length : float or None
            s between 5 % and 95 % of the photons of the complete event.
        persistent : float
            Factor on the persistent emission; 0 gives the photons of a flare alone, for injection.
        shape : LightCurve or None
            Shape of the event in place of the class's own.

        Raises
        ------
        ConfigError
            The class has no event, the event is outside the exposure, or there is no emission.
        """
        self._check(duration, start, length, persistent)
        low, high = self.lengths or (0.0, 0.0)
        longest = min(high, 0.5 * duration)
        shortest = min(low, longest)
        if length is None:
            length = shortest * (longest / shortest) ** rng.random() if self.lengths else 0.0
        if start is None:
            start = rng.uniform(0.0, max(duration - 1.1 * length, 0.0)) if self.lengths else 0.0
        return self.make(rng, ModelRequest(duration, float(start), float(length), persistent, shape))

    def _check(self, duration: float, start: float | None, length: float | None, persistent: float) -> None:
        if not 0 < duration < np.inf:
            raise ConfigError(f"{self.name}: duration {duration} s: must be finite and positive")
        if self.lengths is None and not (start is None and length is None):
            raise ConfigError(f"{self.name}: sources of this class have no event; omit start and length")
        if length is not None and not 0 < length < np.inf:
            raise ConfigError(f"{self.name}: length {length} s: must be finite and positive")
        if start is not None and not -np.inf < start < duration:
            raise ConfigError(f"{self.name}: an event that starts at {start} s is outside the exposure of {duration} s")
        if not 0 <= persistent < np.inf:
            raise ConfigError(
                f"{self.name}: factor {persistent} of persistent emission: must be finite and not negative"
            )
        if persistent == 0 and self.direction != "flare":
            raise ConfigError(f"{self.name}: no emission without the persistent one; persistent=0 is for flares only")


def total_light_curve(model: SourceModel) -> LightCurve:
    """Relative photon flux of all components together, 0.1–15 keV, against s since the start of the exposure.

    Parameters
    ----------
    model : SourceModel
    """
    return LightCurve.sum_of([component.light_curve for component in model.components])
