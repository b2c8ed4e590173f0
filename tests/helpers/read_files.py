"""Reading of files in tests, through the plugin host as in the pipeline."""

from __future__ import annotations

from pathlib import Path

from xherald.adapters.reading.fits_files import read_header
from xherald.photons import EventBatch, Observation
from xherald.plugins import PluginHost, ReadLimits

LIMITS = ReadLimits()


def read(path: Path, limits: ReadLimits = LIMITS, **options: object) -> Observation | EventBatch:
    """Read a file with the adapter that claims it."""
    host = PluginHost()
    adapter = host.find_adapter(path, read_header(path, limits))
    return adapter.read(path, host.validate_options(adapter, options), limits)


def observe(path: Path, **options: object) -> Observation:
    """Read an observation."""
    content = read(path, **options)
    assert isinstance(content, Observation)
    return content


def batch(path: Path, **options: object) -> EventBatch:
    """Read a table of photons."""
    content = read(path, **options)
    assert isinstance(content, EventBatch)
    return content
