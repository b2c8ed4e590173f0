"""Opening of a store's database: check its schema version, create or upgrade its tables with Alembic."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from xherald.photons.errors import StoreError

from .database import Database
from .tables import HEAD, VERSION_TABLE, metadata

__all__ = ["open_database", "read_schema_version", "upgrade_tables"]

UPGRADE_LOCK = 0x786865726C64
"""Key of PostgreSQL's advisory lock under which one process at a time upgrades a store."""


def open_database(url: str, *, create: bool = True, upgrade: bool = False, wait_s: float = 30.0) -> Database:
    """Open the database of a store; an empty one gets its tables. For parameters and errors see `store.open_store`."""
    database = Database(url, create=create, wait_s=wait_s)
    try:
        with database.read() as connection:
            found = read_schema_version(connection, database.name)
        if found is None or (upgrade and found != HEAD):
            database.write(lambda connection: upgrade_tables(connection, database.name))
        elif found != HEAD:
            raise StoreError(
                f"{database.name}: has schema version {found}, older than {HEAD}; run `xherald store upgrade`"
            )
    except BaseException:
        database.close()
        raise
    return database


def read_schema_version(connection: Connection, name: str) -> str | None:
    """Schema version of a store; None if the database is empty.

    Raises
    ------
    StoreError
        The database is not a store, or was written by a later version of xherald.
    """
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in tables:
        foreign = tables if connection.dialect.name == "sqlite" else tables & set(metadata.tables)
        if foreign:
            raise StoreError(f"{name}: not a store, it contains table {sorted(foreign)[0]}; use another database")
        return None
    revision = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    if revision is None:
        raise StoreError(f"{name}: the schema version is missing; restore the store from a backup")
    if str(revision) > HEAD:
        raise StoreError(
            f"{name}: has schema version {revision}, later than {HEAD} of this version of xherald; upgrade xherald"
        )
    return str(revision)


def upgrade_tables(connection: Connection, name: str) -> tuple[str | None, str]:
    """Bring the tables of a store up to date within the connection's transaction.

    Returns
    -------
    (str or None, str)
        Schema version before and after.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
    before = read_schema_version(connection, name)  # under the lock: another process may have upgraded it
    if before != HEAD:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, HEAD
