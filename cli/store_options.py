"""Options shared by the commands that open the store."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from .group import configuration

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store

__all__ = ["SINCE", "open_selected_store", "store_option"]

store_option = click.option(
    "--store",
    "url",
    metavar="URL",
    help="sqlite:////path/store.sqlite or postgresql://…; default: store.url of the configuration.",
)


def open_selected_store(url: str | None, *, create: bool = False, upgrade: bool = False) -> Store:
    """Open the store of ``--store``, else of ``store.url`` in the configuration, else of the user's data folder.

    Parameters
    ----------
    url : str or None
        Value of ``--store``.
    create : bool
        Whether to create a missing SQLite file.
    upgrade : bool
        Whether to bring the tables of an older store up to date.
    """
    from xherald.catalog_store.ledger.store import open_store

    return open_store(url or configuration().settings.store.resolved_url, create=create, upgrade=upgrade)


class _Since(click.ParamType[datetime]):
    """A time before now (2d, 36h, 90m) or a date in UTC."""

    name = "since"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> datetime:
        """Parse the value."""
        if isinstance(value, datetime):
            return value
        if ago := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([dhm])", str(value).strip()):
            unit = {"d": "days", "h": "hours", "m": "minutes"}[ago[2]]
            try:
                return datetime.now(UTC) - timedelta(**{unit: float(ago[1])})
            except OverflowError:
                self.fail(f"{value!r} is too long ago", parameter, context)
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a time such as 2d, 36h or 90m nor a date", parameter, context)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


SINCE = _Since()
