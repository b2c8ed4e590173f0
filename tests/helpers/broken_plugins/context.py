"""A conforming context provider, and for each rule one that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from xherald.photons import separation_deg
from xherald.plugins import ContextMatches, ContextProvider

from .variants import call_numbers, common_violations, variant

NAMES = ("Crab pulsar", "Polaris", "Trapezium")
SKY = np.array([[83.6332, 37.9546, 83.8186], [22.0145, 89.2641, -5.3897]])


class Three(ContextProvider):
    """Three sources."""

    name = "three"

    def find(self, ra_deg, dec_deg, radius_arcsec, epoch_yr, options):
        separation = 3600 * separation_deg(ra_deg[:, np.newaxis], dec_deg[:, np.newaxis], *SKY)
        position, source = np.nonzero(separation <= radius_arcsec[:, np.newaxis])
        order = np.lexsort((separation[position, source], position))
        position, source = position[order], source[order]
        return [
            ContextMatches(
                catalogue="three",
                offsets=np.searchsorted(position, np.arange(len(ra_deg) + 1)).astype(np.int64),
                names=tuple(NAMES[one] for one in source),
                types=("",) * len(source),
                ra_deg=SKY[0, source],
                dec_deg=SKY[1, source],
                pos_err_arcsec=np.ones(len(source)),
                separation_arcsec=separation[position, source],
                density_per_deg2=np.full(len(ra_deg), 7e-5),
            )
        ]


def with_matches(change: Callable[[ContextMatches], Any]) -> Any:
    """A provider whose matches are changed afterwards."""
    return variant(Three, find=lambda self, *words: [change(one) for one in Three.find(self, *words)])


def find_nothing(self: Three, ra: Any, dec: Any, radius: Any, epoch: Any, options: Any) -> Any:
    return Three.find(self, ra, dec, np.where(np.isclose(ra, SKY[0, 0]), 0.0, radius) - 1e-9, epoch, options)


def depend_on_others(self: Three, ra: Any, dec: Any, radius: Any, epoch: Any, options: Any) -> Any:
    return Three.find(self, ra, dec, radius if len(ra) != 1 else np.minimum(radius, 10.0), epoch, options)


def write_radius(self: Three, ra: Any, dec: Any, radius: Any, epoch: Any, options: Any) -> Any:
    found = Three.find(self, ra, dec, radius, epoch, options)
    radius *= 2
    return found


class Counting(Three):
    """Counts its calls."""

    calls = 0

    def find(self, *words):
        self.calls += 1
        return super().find(*words)


CONTEXT = {
    **common_violations(Three),
    "answers": with_matches(lambda one: one.names),
    "arrays": with_matches(lambda one: replace(one, types=(*one.types, ""))),
    "positions": with_matches(lambda one: replace(one, separation_arcsec=one.separation_arcsec + 1)),
    "errors": with_matches(lambda one: replace(one, pos_err_arcsec=0 * one.pos_err_arcsec)),
    "known": variant(Three, find=find_nothing),
    "batch-single": variant(Three, find=depend_on_others),
    "deterministic": with_matches(
        lambda one: replace(one, numbers={"magnitude": np.full(len(one), float(next(call_numbers)))})
    ),
    "input-unchanged": variant(Three, find=write_radius),
    "stateless": Counting(),
}
