"""Options shared by the commands that open the store."""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from .group import configuration

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store

__all__ = ["SINCE", "by_option", "open_selected_store", "store_option"]

store_option = click.option(
    "--store",
    "url",
    metavar="URL",
    help="sqlite:////path/store.sqlite or postgresql://…; default: store.url of the configuration.",
)

by_option = click.option(
    "--by",
    "author",
    metavar="NAME",
    default=getpass.getuser,
    show_default="your user name",
    help="Who decided.",
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
        from xherald.photons.errors import ConfigError
        from xherald.time_texts import parse_since

        try:
            return parse_since(value)
        except ConfigError as error:
            self.fail(str(error).removeprefix("since: "), parameter, context)


SINCE = _Since()
