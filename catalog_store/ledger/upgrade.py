"""Which form a store has, and how it comes to the newest one: Alembic's steps, on a connection that is open already."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from xherald.photons.errors import StoreError

from .tables import HEAD, VERSION_TABLE, metadata

__all__ = ["revision_of", "to_newest"]

LOCK = 0x786865726C64
"""Advisory lock of PostgreSQL under which one process at a time changes the form: the letters "xherld"."""


def revision_of(connection: Connection, name: str) -> str | None:
    """The form that a store has; None if it is empty.

    Raises
    ------
    StoreError
        It holds something else, or is of a later xherald.
    """
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in tables:
        strange = tables if connection.dialect.name == "sqlite" else tables & set(metadata.tables)
        if strange:
            raise StoreError(f"{name}: holds tables that are not xherald's ({sorted(strange)[0]}); name another store")
        return None
    revision = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    if revision is None:
        raise StoreError(f"{name}: does not say of which form it is; restore it from a backup")
    if str(revision) > HEAD:
        raise StoreError(
            f"{name}: was written by a later xherald (form {revision}, this one knows {HEAD}); upgrade xherald"
        )
    return str(revision)


def to_newest(connection: Connection, name: str) -> tuple[str | None, str]:
    """Bring a store to the newest form, inside the connection's transaction: it is done wholly or not at all.

    Returns
    -------
    (str or None, str)
        The form before, and after.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    before = revision_of(connection, name)  # under the lock: another process may have come first
    if before != HEAD:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, HEAD
