"""Types of options that name positions, circles, angles and lengths of time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import click

__all__ = ["ANGLE", "CONE", "DURATION", "POSITION"]


class _Parsed(click.ParamType[Any]):
    """A value parsed by a function of the library, whose message is the error."""

    def __init__(self, name: str, kind: type, load: Callable[[], Callable[[str], Any]]) -> None:
        self.name, self._kind, self._load = name, kind, load

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """Parse the value."""
        from xherald.photons.errors import ConfigError

        if isinstance(value, self._kind):
            return value
        try:
            return self._load()(str(value))
        except ConfigError as fault:
            self.fail(str(fault), parameter, context)


def _load_position() -> Callable[[str], Any]:
    from xherald.positions import to_position

    return to_position


def _load_cone() -> Callable[[str], Any]:
    from xherald.photons.sky_position import parse_cone
    from xherald.positions import RESOLVERS

    return lambda text: parse_cone(text, RESOLVERS)


def _load_angle() -> Callable[[str], Any]:
    from xherald.photons.sky_position import parse_angle_arcsec

    return parse_angle_arcsec


def _load_duration() -> Callable[[str], Any]:
    from xherald.time_texts import parse_duration

    return parse_duration


POSITION: Final = _Parsed("RA,DEC", tuple, _load_position)
"""Right ascension and declination, ICRS deg, of a position in any notation, or of a named object."""

CONE: Final = _Parsed("RA,DEC,R", tuple, _load_cone)
"""The same, and a radius in deg."""

ANGLE: Final = _Parsed("ANGLE", float, _load_angle)
"""Arcsec, of an angle with its unit."""

DURATION: Final = _Parsed("TIME", timedelta, _load_duration)
"""A length of time such as 1y, 30d, 36h."""
