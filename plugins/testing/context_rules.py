"""Rules of context providers: `check_context`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.projection import separation_deg
from xherald.plugins.context import ContextMatches, ContextProvider
from xherald.plugins.contract import Options

from .common_rules import (
    ArraySnapshot,
    add_common_rules,
    add_stateless_rule,
    default_options,
    describe_state,
    is_identical,
)
from .rules import Report, Rules, Skipped, require

__all__ = ["CONTEXT_RULES", "check_context"]

POSITIONS: Final = ((0.0, 90.0), (359.9999, 0.0), (83.8333, -5.4206), (180.0, -90.0))
"""Poles, a position beside RA = 0, and the Orion Nebula."""

RADIUS_ARCSEC: Final = 3_600.0
TOLERANCE_ARCSEC: Final = 1e-3


@dataclass(frozen=True)
class ContextCase:
    """A provider, its options, positions, and a position at which it knows a source."""

    plugin: ContextProvider
    options: Options
    known: tuple[float, float] | None
    initial_state: str

    @property
    def positions(self) -> tuple[F64, F64]:
        """Right ascensions and declinations of the test, the known source first."""
        ra, dec = np.array([*([self.known] if self.known else []), *POSITIONS]).T
        return np.ascontiguousarray(ra), np.ascontiguousarray(dec)

    def find(self, ra: F64, dec: F64, radius_arcsec: float = RADIUS_ARCSEC) -> Sequence[ContextMatches]:
        """Sources near positions, at the epoch of the catalogue."""
        return self.plugin.find(ra, dec, np.full(len(ra), radius_arcsec), None, self.options)


CONTEXT_RULES: Final[Rules[ContextCase]] = Rules("context")
rule = CONTEXT_RULES.rule
add_common_rules(CONTEXT_RULES)


@rule("answers", "find returns ContextMatches with distinct catalogue names, also for no positions.", essential=True)
def _answers(case: ContextCase) -> None:
    for ra, dec in (case.positions, (np.zeros(0), np.zeros(0))):
        found = case.find(ra, dec)
        strange = [one for one in found if not isinstance(one, ContextMatches)]
        require(not strange, f"find returned {strange[:1]!r}, expected ContextMatches")
        names = [one.catalogue for one in found]
        require(all(names) and len(set(names)) == len(names), f"find returned catalogues named {names}")


@rule("arrays", "offsets cover the matches of every position; all other fields have a value for each match.")
def _arrays(case: ContextCase) -> None:
    ra, dec = case.positions
    for one in case.find(ra, dec):
        total = len(one.names)
        sound = len(one.offsets) == len(ra) + 1 and one.offsets[0] == 0 and one.offsets[-1] == total
        require(sound and (np.diff(one.offsets) >= 0).all(), f"{one.catalogue}: offsets do not cover {total} matches")
        fields = {
            "types": one.types,
            "ra_deg": one.ra_deg,
            "dec_deg": one.dec_deg,
            "pos_err_arcsec": one.pos_err_arcsec,
            "separation_arcsec": one.separation_arcsec,
            **one.numbers,
        }
        wrong = [name for name, values in fields.items() if len(values) != total]
        require(not wrong, f"{one.catalogue}: {', '.join(wrong)} does not have {total} values")
        density = one.density_per_deg2
        require(
            density is None or (len(density) == len(ra) and not (np.asarray(density) < 0).any()),
            f"{one.catalogue}: density_per_deg2 is not one number of at least 0 for each position",
        )


@rule("positions", "Matches are within the radius, nearest first; separations are those of the positions.")
def _positions(case: ContextCase) -> None:
    ra, dec = case.positions
    for one in case.find(ra, dec):
        position = np.repeat(np.arange(len(ra)), np.diff(one.offsets))
        expected = 3600 * separation_deg(ra[position], dec[position], one.ra_deg, one.dec_deg)
        require(
            np.allclose(one.separation_arcsec, expected, rtol=0, atol=TOLERANCE_ARCSEC),
            f"{one.catalogue}: separation_arcsec is not that of the positions",
        )
        require((expected <= RADIUS_ARCSEC + TOLERANCE_ARCSEC).all(), f"{one.catalogue}: matches beyond the radius")
        parts = np.split(one.separation_arcsec, one.offsets[1:-1])
        require(all((np.diff(part) >= 0).all() for part in parts), f"{one.catalogue}: the nearest is not first")


@rule("errors", "Positional errors are positive and finite.")
def _errors(case: ContextCase) -> None:
    for one in case.find(*case.positions):
        good = np.isfinite(one.pos_err_arcsec) & (np.asarray(one.pos_err_arcsec) > 0)
        require(good.all(), f"{one.catalogue}: pos_err_arcsec is {one.pos_err_arcsec[~good][:1]}")


@rule("known", "A source that the author states is found at its position.")
def _known(case: ContextCase) -> None:
    if case.known is None:
        raise Skipped("give known=(ra, dec) of a source that it knows")
    ra, dec = case.positions
    found = case.find(ra[:1], dec[:1], 5.0)
    require(any(len(one) for one in found), f"nothing was found at {case.known}")


@rule("batch-single", "The matches of a position do not depend on the other positions.")
def _batch_single(case: ContextCase) -> None:
    ra, dec = case.positions
    together = {one.catalogue: one for one in case.find(ra, dec)}
    for i in range(len(ra)):
        for alone in case.find(ra[i : i + 1], dec[i : i + 1]):
            one = together[alone.catalogue]
            require(
                one.names[one.offsets[i] : one.offsets[i + 1]] == alone.names,
                f"{alone.catalogue}: position {i} has other matches alone than with others",
            )


@rule("deterministic", "The same positions and options give identical matches.")
def _deterministic(case: ContextCase) -> None:
    ra, dec = case.positions
    first, second = case.find(ra, dec), case.find(ra, dec)
    require(
        all(is_identical(one, other) for one, other in zip(first, second, strict=True)),
        "a second call returned other matches",
    )


@rule("input-unchanged", "Arguments are not modified.")
def _input_unchanged(case: ContextCase) -> None:
    ra, dec = case.positions
    radius = np.full(len(ra), RADIUS_ARCSEC)
    before = ArraySnapshot.take(ra, dec, radius)
    case.plugin.find(ra, dec, radius, 2020.0, case.options)
    before.require_unchanged()


add_stateless_rule(CONTEXT_RULES)


def check_context(
    plugin: ContextProvider,
    *,
    options: Options | Mapping[str, Any] | None = None,
    known: tuple[float, float] | None = None,
) -> Report:
    """Check a context provider against its contract.

    Parameters
    ----------
    plugin : ContextProvider
    options : Options or mapping, optional
    known : (float, float), optional
        Right ascension and declination of a source that it knows, deg.

    Returns
    -------
    Report
        `Report.require` raises an error that lists the broken rules.
    """
    case = ContextCase(plugin, default_options(options, plugin), known, describe_state(plugin))
    return CONTEXT_RULES.run(case, plugin.name)
