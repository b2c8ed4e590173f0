"""What a class of sources is: `SourceClass`, and what its maker is told: `ModelRequest`."""

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
    """What the maker of a model is told.

    Parameters
    ----------
    duration : float — s, of the exposure
    start : float — s, onset of the event (its first photon more or fewer); 0 for classes without event
    length : float — s, over which the event adds or takes its photons from 5 % to 95 %; 0 for classes without event
    persistent : float — factor on the persistent emission
    """

    duration: float
    start: float
    length: float
    persistent: float


@dataclass(frozen=True, slots=True)
class SourceClass:
    """A class of sources, from which models are drawn.

    Parameters
    ----------
    name : str
    summary : str — one line
    direction : {"flare", "dip", ""}
    make : callable — a model of a `ModelRequest`; draws what the request leaves open
    lengths : (float, float) or None
        Range of published lengths of the event, s; None for classes without event.
    """

    name: str
    summary: str
    direction: Direction
    make: Callable[[np.random.Generator, ModelRequest], SourceModel]
    lengths: tuple[float, float] | None = None

    def draw(self, rng: np.random.Generator, duration: float) -> SourceModel:
        """Draw a model for an exposure.

        Lengths of events are log-uniform over the class's published range, cut at half the exposure so that an event
        can be told from another level (a class whose events are all longer gets one of half the exposure); starts are
        uniform, such that nine tenths of the event lie inside.

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
    ) -> SourceModel:
        """Make a model with an event at a chosen place; what is not given is drawn as `draw` does.

        Parameters
        ----------
        rng : numpy.random.Generator
        duration : float — s
        start : float or None
            Onset of the event, s since the start of the exposure; may lie before it.
        length : float or None
            s between 5 % and 95 % of the event's photons, were it seen as a whole.
        persistent : float
            Factor on the persistent emission; 0 leaves the photons of a flare alone, to add to a real source.

        Raises
        ------
        ConfigError
            The class has no event to place, the event misses the exposure, or nothing would be left to shine.
        """
        self._check(duration, start, length, persistent)
        low, high = self.lengths or (0.0, 0.0)
        longest = min(high, 0.5 * duration)
        shortest = min(low, longest)
        if length is None:
            length = shortest * (longest / shortest) ** rng.random() if self.lengths else 0.0
        if start is None:
            start = rng.uniform(0.0, max(duration - 1.1 * length, 0.0)) if self.lengths else 0.0
        return self.make(rng, ModelRequest(duration, float(start), float(length), persistent))

    def _check(self, duration: float, start: float | None, length: float | None, persistent: float) -> None:
        if not 0 < duration < np.inf:
            raise ConfigError(f"{self.name}: an exposure of {duration} s; give a finite duration above zero")
        if self.lengths is None and not (start is None and length is None):
            raise ConfigError(f"{self.name}: sources of this class have no event; leave start and length out")
        if length is not None and not 0 < length < np.inf:
            raise ConfigError(f"{self.name}: an event of {length} s; give a finite length above zero")
        if start is not None and not -np.inf < start < duration:
            raise ConfigError(f"{self.name}: an event that starts at {start} s misses the exposure of {duration} s")
        if not 0 <= persistent < np.inf:
            raise ConfigError(f"{self.name}: persistent emission times {persistent}; give a factor, not negative")
        if persistent == 0 and self.direction != "flare":
            raise ConfigError(
                f"{self.name}: without its persistent emission nothing is left; persistent=0 is for flares only"
            )


def total_light_curve(model: SourceModel) -> LightCurve:
    """Relative photon flux of all components together, 0.1–15 keV, against s since the start of the exposure.

    Parameters
    ----------
    model : SourceModel
    """
    return LightCurve.sum_of([component.light_curve for component in model.components])
