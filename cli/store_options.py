"""What the commands that look into the store have in common: which one, since when, and opening it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store

__all__ = ["SINCE", "opened", "store_option"]

store_option = click.option(
    "--store",
    "url",
    envvar="XHERALD_STORE__URL",
    metavar="URL",
    help="sqlite:////path/store.sqlite or postgresql://…; store.sqlite in the user's data folder if not given.",
)


def opened(url: str | None, *, create: bool = False, upgrade: bool = False) -> Store:
    """The store of that URL, or the user's own."""
    from xherald.catalog_store.ledger.store import default_url, open_store

    return open_store(url or default_url(), create=create, upgrade=upgrade)


class _Since(click.ParamType[datetime]):
    """An instant: so long ago (2d, 36h, 90m), or a date in UTC."""

    name = "since"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        if ago := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([dhm])", str(value).strip()):
            unit = {"d": "days", "h": "hours", "m": "minutes"}[ago[2]]
            try:
                return datetime.now(UTC) - timedelta(**{unit: float(ago[1])})
            except OverflowError:
                self.fail(f"{value!r} is before all dates", parameter, context)
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a time such as 2d, 36h or 90m nor a date", parameter, context)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


SINCE = _Since()
