"""Probabilities of classes once it is known what lies at the position: `weigh_classes`.

A class c has a counterpart of category h with probability q(h | c), or none. With the ratios B(h) of how well the
positions agree with a counterpart of that category to how well they agree with none (`Counterparts.evidence`)::

    p(c | photons, position) ∝ p(c | photons) × (q(none | c) + Σ q(h | c) B(h))

The table holds expectations for catalogues such as SIMBAD, Gaia and Milliquas, rounded: most flaring stars are in Gaia,
half of the hosts of distant explosions are not in any catalogue of galaxies. It is stated so that it can be disputed;
both probabilities, from the photons alone and with the position, are reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .object_types import Category

__all__ = ["COUNTERPARTS_OF_CLASSES", "weigh_classes"]

COUNTERPARTS_OF_CLASSES: Final[Mapping[str, Mapping[Category, float]]] = {
    "stellar_flare": {"star": 0.6, "active_star": 0.35},
    "cataclysmic_variable": {"cataclysmic_variable": 0.6, "star": 0.3},
    "nova": {"cataclysmic_variable": 0.4, "star": 0.3, "galaxy": 0.1},
    "sfxt": {"x_ray_binary": 0.5, "star": 0.4},
    "xray_burst": {"x_ray_binary": 0.7, "star": 0.1, "x_ray_source": 0.1},
    "magnetar_burst": {"pulsar": 0.5, "supernova": 0.1},
    "pulsator": {"pulsar": 0.3, "x_ray_binary": 0.4, "cataclysmic_variable": 0.15, "star": 0.1},
    "eclipse": {"x_ray_binary": 0.3, "cataclysmic_variable": 0.3, "active_star": 0.15, "star": 0.15},
    "dip": {"x_ray_binary": 0.6, "star": 0.15, "agn": 0.05},
    "transit": {"star": 0.6, "active_star": 0.25, "x_ray_binary": 0.05},
    "agn": {"agn": 0.7, "galaxy": 0.15},
    "qpe": {"galaxy": 0.5, "agn": 0.4},
    "tidal_disruption": {"galaxy": 0.6, "agn": 0.15},
    "fast_transient": {"galaxy": 0.4, "galaxy_cluster": 0.01, "star": 0.01, "agn": 0.01},
}
"""Probability that an object of a class is in a catalogue, by category."""

ANY: Final[Mapping[Category, float]] = {
    "star": 0.2,
    "active_star": 0.1,
    "agn": 0.15,
    "galaxy": 0.15,
    "x_ray_binary": 0.1,
    "cataclysmic_variable": 0.05,
    "pulsar": 0.02,
    "x_ray_source": 0.05,
}
"""Of classes that say little, such as other_flare."""


def weigh_classes(probabilities: Mapping[str, float], evidence: Mapping[Category, float] | None) -> dict[str, float]:
    """Probabilities of classes from the photons and from what lies at the position.

    Parameters
    ----------
    probabilities : mapping of str to float — from the photons alone
    evidence : mapping of str to float, or None
        Ratio for each category of counterpart, see `Counterparts`; None if no catalogue was asked.

    Returns
    -------
    dict of str to float
        Of the same classes, with the same sum; in descending order.
    """
    if evidence is None:
        return dict(sorted(probabilities.items(), key=lambda one: -one[1]))
    weighted = {}
    for name, probability in probabilities.items():
        expected = COUNTERPARTS_OF_CLASSES.get(name, ANY)
        ratio = 1.0 - sum(expected.values()) + sum(share * evidence.get(one, 0.0) for one, share in expected.items())
        weighted[name] = probability * ratio
    total = sum(weighted.values())
    if not total > 0.0:
        return dict(probabilities)
    scale = sum(probabilities.values()) / total
    return {name: scale * one for name, one in sorted(weighted.items(), key=lambda item: -item[1])}
