"""How tests read a file: as the road does, through the host, with default settings unless others are given."""

from __future__ import annotations

from pathlib import Path

from xherald.adapters.reading.fits_files import read_header
from xherald.photons import EventBatch, Observation
from xherald.plugins import PluginHost, ReadLimits

LIMITS = ReadLimits()


def read(path: Path, limits: ReadLimits = LIMITS, **options: object) -> Observation | EventBatch:
    """What the one adapter that claims the file makes of it."""
    host = PluginHost()
    adapter = host.adapter_for(path, read_header(path, limits))
    return adapter.read(path, host.options_for(adapter, options), limits)


def observe(path: Path, **options: object) -> Observation:
    """An exposure."""
    made = read(path, **options)
    assert isinstance(made, Observation)
    return made


def batch(path: Path, **options: object) -> EventBatch:
    """A table of photons."""
    made = read(path, **options)
    assert isinstance(made, EventBatch)
    return made
