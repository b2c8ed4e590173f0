"""Connections and transactions of the store's database, and its errors on one line.

SQLite runs in WAL mode, in which readers do not wait for a writer, with ``synchronous=NORMAL``: a commit has been
handed to the operating system when it returns, so that killing a process loses nothing. A power failure may undo the
last commits, each as a whole, the last one first; their drops are then processed again with the same alert ids.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError, StatementError

from xherald.photons.errors import ConfigError, StoreError, StoreUnavailableError

__all__ = ["Database"]

T = TypeVar("T")

MAX_TRIES: Final = 4
"""A transaction that conflicts with another is repeated; then it sees the rows of the other."""

CACHE_KIB: Final = 65_536
WAL_LIMIT_BYTES: Final = 64 * 2**20

CONFLICTS: Final = frozenset({"40001", "40P01"})
"""PostgreSQL's serialization failure and deadlock: the transaction was rolled back and can be repeated."""


class Database:
    """Connections to one database.

    Parameters
    ----------
    url : str
        ``sqlite:////absolute/path``, ``sqlite:///relative/path`` or ``postgresql://user@host/name``.
    create : bool
        Whether to create a missing SQLite file.
    wait_s : float
        How long a transaction waits for another's lock, s.

    Raises
    ------
    ConfigError
        The URL cannot be that of a store.
    StoreError, StoreUnavailableError
    """

    def __init__(self, url: str, *, create: bool, wait_s: float) -> None:
        parsed = _parse_url(url)
        self.name = parsed.render_as_string(hide_password=True)
        self.path = Path(str(parsed.database)).absolute() if parsed.get_backend_name() == "sqlite" else None
        self._wait_s = wait_s
        self._identity: tuple[int, int] | None = None
        if self.path is not None:
            self._identity = _open_file(self.path, create)
        self._engine = self._make_engine(parsed)

    @property
    def url(self) -> str:
        """URL with the password, if it has one."""
        return self._engine.url.render_as_string(hide_password=False)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite."""
        return self.path is not None

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only transaction; in SQLite it sees the database at one instant."""
        with self._faults(), self._connection("BEGIN") as connection:
            yield connection  # rolled back at the end: there is nothing to commit

    def write(self, step: Callable[[Connection], T]) -> T:
        """Run a step in one transaction; it may be repeated after a conflict, so it must have no other effect.

        Raises
        ------
        StoreError, StoreUnavailableError
            Nothing was changed.
        """
        for left in reversed(range(MAX_TRIES)):
            with self._faults():
                try:
                    with self._connection("BEGIN IMMEDIATE") as connection, connection.begin():
                        return step(connection)
                except DBAPIError as fault:
                    if not left or not _is_conflict(fault):
                        raise
        raise AssertionError  # unreachable: the last try returns or raises

    @contextmanager
    def exclusive(self) -> Iterator[sqlite3.Connection]:
        """SQLite's own connection outside any transaction, for statements that cannot run in one."""
        with self._faults(), self._engine.connect() as connection:
            raw = connection.connection.driver_connection
            if not isinstance(raw, sqlite3.Connection):
                raise StoreError(f"{self.name}: not an SQLite database")
            try:
                yield raw
            except sqlite3.Error as fault:
                raise StoreUnavailableError(f"{self.name}: {fault}; {_remedy(str(fault))}") from fault

    @contextmanager
    def _connection(self, begin: str) -> Iterator[Connection]:
        self._require_file()
        with self._engine.connect() as connection:
            yield connection.execution_options(xherald_begin=begin)

    def _require_file(self) -> None:
        # Writing to a file that was removed or replaced while open would lose the data without an error.
        if self.path is None:
            return
        if self._identity != (found := _identity(self.path)):
            self._engine.dispose()
            gone = found is None
            self._identity = self._identity if gone else found
            what = "the file is missing" if gone else "the file was replaced while in use"
            raise StoreUnavailableError(f"{self.name}: {what}; {'restore it' if gone else 'try again'}")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as fault:
            message = " ".join(str(fault.orig).split())
            if isinstance(fault, IntegrityError):
                raise StoreError(f"{self.name}: violates a constraint: {message}") from fault
            if isinstance(fault, OperationalError) or fault.connection_invalidated or _is_conflict(fault):
                raise StoreUnavailableError(f"{self.name}: {message}; {_remedy(message)}") from fault
            raise StoreError(f"{self.name}: {message}") from fault
        except StatementError as fault:
            raise StoreError(f"{self.name}: cannot be stored: {' '.join(str(fault.orig).split())}") from fault

    def _make_engine(self, url: URL) -> Engine:
        common: dict[str, Any] = {"json_serializer": _dump_json}
        if self.path is None:
            options = f"-c lock_timeout={int(1000 * self._wait_s)} -c timezone=UTC"
            arguments = {"connect_timeout": max(2, int(self._wait_s)), "options": options}
            try:
                return create_engine(url, pool_pre_ping=True, connect_args=arguments, **common)
            except ModuleNotFoundError as fault:
                raise ConfigError(f"{self.name}: needs psycopg: pip install 'xherald[postgres]'") from fault
        path = self.path
        # Never create the file here: a store that was removed must not come back empty.
        target = f"file:{quote(str(path))}?mode=rw"
        engine = create_engine(
            url,
            creator=lambda: sqlite3.connect(
                target, uri=True, timeout=self._wait_s, isolation_level=None, check_same_thread=False
            ),
            **common,
        )
        event.listen(engine, "connect", self._prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _prepare_sqlite(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # before the first table, or it has no effect
        self._enable_wal(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")

    def _enable_wal(self, connection: sqlite3.Connection) -> None:
        """Switch to WAL mode, waiting for other processes that do the same, which SQLite itself does not."""
        until = time.monotonic() + self._wait_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as fault:
                if "locked" not in str(fault) or time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return


def _dump_json(value: object) -> str:
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as fault:
        raise StoreError(f"not valid JSON: {fault}; use null for an unknown value") from fault


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as fault:
        raise ConfigError(f"store {url!r}: not a URL; use sqlite:////path/store.sqlite or postgresql://…") from fault
    match parsed.get_backend_name():
        case "sqlite":
            if not parsed.database or parsed.database == ":memory:" or parsed.query:
                raise ConfigError(f"store {url!r}: has no file name; use sqlite:////path/store.sqlite")
            return parsed
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise ConfigError(f"store: {other} is not supported; use sqlite:////path or postgresql://…")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _open_file(path: Path, create: bool) -> tuple[int, int]:
    """Device and inode of the store's file; creates an empty one if allowed."""
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o644))
    except OSError as fault:
        raise StoreUnavailableError(
            f"{path}: cannot be created: {fault.strerror or fault}; choose another location"
        ) from fault
    identity = _identity(path)
    if identity is None:
        raise StoreError(
            f"{path}: no such store; create it with `xherald store upgrade` or choose another with --store"
        )
    return identity


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("xherald_begin", "BEGIN"))


def _is_conflict(fault: DBAPIError) -> bool:
    return isinstance(fault, IntegrityError) or getattr(fault.orig, "sqlstate", None) in CONFLICTS


def _remedy(message: str) -> str:
    if "locked" in message or "lock timeout" in message:
        return "another process has locked it; try again"
    if "full" in message:
        return "free disk space and try again"
    if "readonly" in message or "unable to open" in message:
        return "check its permissions"
    return "try again later"
