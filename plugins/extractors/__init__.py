"""Built-in extractors, registered through the same door as anybody's."""

from __future__ import annotations

from collections.abc import Callable

from xherald.plugins.contract import FeatureExtractor
from xherald.plugins.hookspecs import hookimpl

from .autoencoder import AutoencoderExtractor
from .pca import PcaExtractor
from .timing import TimingExtractor

__all__ = ["AutoencoderExtractor", "PcaExtractor", "TimingExtractor", "register_extractors"]


@hookimpl
def register_extractors(register: Callable[[FeatureExtractor], None]) -> None:
    """Register the built-in extractors."""
    for extractor in (AutoencoderExtractor(), PcaExtractor(), TimingExtractor()):
        register(extractor)
