"""Event-centred representation on livetime: what the largest excess or deficit of a source looks like."""

from __future__ import annotations

from xherald.photons import EventBatch
from xherald.photons.arrays import F32
from xherald.plugins.contract import Options, Representation

__all__ = ["EventMap"]


class EventMap(Representation[Options]):
    """Energy against livetime around the largest excess or deficit of a source, which may last seconds or hours.

    The clock is livetime, on which photons of a constant source over its measured background are uniform. The event
    is the window with the largest likelihood ratio for a level of its own, less the logarithm of the number of windows
    of that length. All values are from 0 to 1: logarithms of the ratios of counts to those of a constant source (0.5
    for no change), drawn to that where both are few; square roots of the spectra inside and outside; and lengths,
    numbers and likelihoods on logarithmic scales. A source without photons has zeros.
    """

    name = "event_map"

    def shape(self, options: Options) -> tuple[int, ...]:
        """Values of a source, on one axis."""
        from .event_kernels import COLUMNS

        return (COLUMNS,)

    def transform(self, batch: EventBatch, options: Options) -> F32:
        """Describe the event of every source, shape (n, values), float32."""
        from .event_kernels import describe_events

        return describe_events(batch)
