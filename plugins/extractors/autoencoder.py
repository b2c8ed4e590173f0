"""Features that an autoencoder's encoder makes of a representation: one that comes with xherald, or anybody's.

The encoder was trained before (`xherald encoder train`) or imported (`xherald encoder import`); what is learned of the
population is the scaling alone. A reference keeps the encoder's own files, so that it stands when the original is gone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64
from xherald.photons.artefact_folders import load_arrays, save_arrays, save_json
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.plugins.contract import Advance, FeatureExtractor, Features, FittedExtractor, Options, Sample, Values

from .extractor_checks import load_facts, values_of

if TYPE_CHECKING:
    from xherald.encoders.inference import Encoder

__all__ = ["AutoencoderExtractor", "AutoencoderOptions", "FittedAutoencoder"]


NAME: Final = "autoencoder"
FACTS: Final = "autoencoder.json"
SCALING: Final = "scaling.npz"


class AutoencoderOptions(Options):
    """Options of `autoencoder`.

    Parameters
    ----------
    encoder : str
        Name of one that comes with xherald ("et_map_12" for E–t maps, "etdt_cube_24" for E–t–dt cubes), or the folder
        of one that was trained or imported.
    standardise : bool
        Whether each feature is brought to mean 0 and standard deviation 1 over the population.
    """

    encoder: str = "et_map_12"
    standardise: bool = False


class FittedAutoencoder(FittedExtractor):
    """An encoder, and how its features are scaled.

    Parameters
    ----------
    encoder : Encoder
    mean, scale : ndarray, shape (d,)
        What is taken off features, and what they are divided by then.
    facts : mapping
        Where the encoder came from, in JSON's own types.
    """

    def __init__(self, encoder: Encoder, mean: F64, scale: F64, facts: dict[str, Any]) -> None:
        self.encoder = encoder
        self.mean = mean
        self.scale = scale
        self.facts = facts
        self.width = encoder.latent

    def transform(self, sample: Sample) -> Features:
        """Encode each source, shape (n, width), float32; see `FittedExtractor.transform`.

        Raises
        ------
        ReferenceDataError
            The representation has another shape than the encoder was made for, or is not normalised.
        """
        return self.scaled(_encoded(self.encoder, sample))

    def scaled(self, features: Features) -> NDArray[np.float32]:
        """Scale what the encoder gives."""
        return ((features - self.mean) / self.scale).astype(np.float32)

    def save(self, folder: Path) -> None:
        """See `FittedExtractor.save`."""
        from xherald.encoders.network import save_network

        save_json(folder / FACTS, {"extractor": NAME, **self.facts})
        save_arrays(folder / SCALING, mean=self.mean, scale=self.scale)
        save_network(self.encoder.network, folder)


class AutoencoderExtractor(FeatureExtractor[AutoencoderOptions]):
    """Features of an autoencoder's encoder; needs a representation that is normalised."""

    name = NAME

    def fit(
        self, sample: Sample, options: AutoencoderOptions, advance: Advance = lambda _: None
    ) -> tuple[FittedAutoencoder, Features]:
        """Load the encoder, and learn the scaling of its features.

        Raises
        ------
        ReferenceDataError
            No sources, or a representation of another shape than the encoder was made for, or one that is not
            normalised.
        ArtefactError
            There is no such encoder, or it was changed.
        """
        from xherald.encoders.inference import Encoder, find_encoder

        if not len(sample):
            raise ReferenceDataError(f"extractor {NAME}: no sources to learn the scaling of features from")
        encoder = Encoder.load(find_encoder(options.encoder))
        advance(f"encoding {len(sample):,} sources with {options.encoder}")
        raw = _encoded(encoder, sample).astype(np.float64)
        mean, scale = np.zeros(encoder.latent), np.ones(encoder.latent)
        if options.standardise:
            mean, spread = raw.mean(axis=0), raw.std(axis=0)
            scale = np.where(spread > 0, spread, 1.0)
        fitted = FittedAutoencoder(encoder, mean, scale, {"encoder": options.encoder, "about": dict(encoder.about)})
        return fitted, fitted.scaled(raw)

    def load(self, folder: Path) -> FittedAutoencoder:
        """See `FeatureExtractor.load`."""
        from xherald.encoders.inference import Encoder
        from xherald.encoders.network import load_network

        facts = load_facts(folder / FACTS, NAME)
        arrays = load_arrays(folder / SCALING, "mean", "scale")
        network = load_network(folder)
        for name, array in arrays.items():
            if array.shape != (network.latent,) or array.dtype != np.float64 or not np.isfinite(array).all():
                raise ArtefactError(
                    f"{folder / SCALING}: {name} is {array.dtype} of shape {array.shape}, or not finite; build it anew"
                )
        if not (arrays["scale"] > 0).all():
            raise ArtefactError(f"{folder / SCALING}: a scale is not positive; build it anew")
        about = facts.get("about")
        kept = {name: value for name, value in facts.items() if name != "extractor"}
        encoder = Encoder.from_network(network, about if isinstance(about, dict) else {})
        return FittedAutoencoder(encoder, arrays["mean"], arrays["scale"], kept)


def _encoded(encoder: Encoder, sample: Sample) -> NDArray[np.float32]:
    """Features as the encoder gives them, once it is sure that the values are of its kind."""
    values = values_of(sample, NAME)
    if sample.shape != encoder.shape:
        raise ReferenceDataError(
            f"extractor {NAME}: arrays of shape {sample.shape} for an encoder of {encoder.shape}; "
            "name the encoder of this representation"
        )
    _require_normalised(values, sample)
    return encoder.encode(values)


def _require_normalised(values: Values, sample: Sample) -> None:
    """Encoders are trained on values from 0 to 1 and say nothing of others."""
    data = values if isinstance(values, np.ndarray) else values.data
    if data.size and not (data.min() >= 0 and data.max() <= 1):
        raise ReferenceDataError(
            f"extractor {NAME}: the values of {len(sample)} sources are not all from 0 to 1, as encoders are trained; "
            "set normalise: true for the representation"
        )
