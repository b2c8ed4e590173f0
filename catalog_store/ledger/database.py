"""The database under the store: its URL, its connections, its transactions, and its faults in one line.

SQLite runs in WAL mode, where readers work during a write, with ``synchronous=NORMAL``: a commit is in the operating
system's hands when it returns, so that a process killed at any instant loses nothing. A power cut may undo the last
commits, whole ones and in order; their drops are then processed again, and their alerts bear the same ids.
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

TRIES: Final = 4
"""A step that met another's rows is repeated this often: whoever came first is then seen."""

CACHE_KIB: Final = 65_536
WAL_LIMIT_BYTES: Final = 64 * 2**20

RACES: Final = frozenset({"40001", "40P01"})
"""PostgreSQL's serialization failure and deadlock: the step was undone because of another's, and can be repeated."""


class Database:
    """Connections to one database.

    Parameters
    ----------
    url : str
        ``sqlite:////absolute/path``, ``sqlite:///relative/path`` or ``postgresql://user@host/name``.
    create : bool
        Whether an SQLite file that is not there is made.
    wait : float
        How long a step waits for another's lock, s.

    Raises
    ------
    ConfigError
        The URL cannot be one of a store.
    StoreError, StoreUnavailableError
    """

    def __init__(self, url: str, *, create: bool, wait: float) -> None:
        parsed = _parsed(url)
        self.name = parsed.render_as_string(hide_password=True)
        self.path = Path(str(parsed.database)).absolute() if parsed.get_backend_name() == "sqlite" else None
        self._wait = wait
        self._identity: tuple[int, int] | None = None
        if self.path is not None:
            self._identity = _file_at(self.path, create)
        self._engine = self._connected(parsed)

    @property
    def url(self) -> str:
        """URL, the password too if it holds one."""
        return self._engine.url.render_as_string(hide_password=False)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite, where writers wait for one another."""
        return self.path is not None

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, all of it from one instant in SQLite."""
        with self._faults(), self._connection("BEGIN") as connection:
            yield connection  # and rolled back: there is nothing to commit

    def write(self, step: Callable[[Connection], T]) -> T:
        """Do a step in one transaction; it is repeated when another came between, and must have no effect but there.

        Raises
        ------
        StoreError, StoreUnavailableError
            Nothing of the step was done.
        """
        for left in reversed(range(TRIES)):
            with self._faults():
                try:
                    with self._connection("BEGIN IMMEDIATE") as connection, connection.begin():
                        return step(connection)
                except DBAPIError as fault:
                    if not left or not _is_race(fault):
                        raise
        raise AssertionError  # the last try returns or raises

    @contextmanager
    def exclusive(self) -> Iterator[sqlite3.Connection]:
        """SQLite's own connection outside of any transaction, for what cannot be done inside one."""
        with self._faults(), self._engine.connect() as connection:
            raw = connection.connection.driver_connection
            if not isinstance(raw, sqlite3.Connection):
                raise StoreError(f"{self.name}: is no SQLite store")
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
        # What is written to a file that was removed or replaced under us is lost without an error.
        if self.path is None:
            return
        if self._identity != (found := _identity(self.path)):
            self._engine.dispose()
            gone = found is None
            self._identity = self._identity if gone else found
            what = "is gone" if gone else "was replaced by another file while in use"
            raise StoreUnavailableError(f"{self.name}: {what}; {'bring it back' if gone else 'start again'}")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as fault:
            message = " ".join(str(fault.orig).split())
            if isinstance(fault, IntegrityError):
                raise StoreError(f"{self.name}: contradicts what is stored: {message}") from fault
            if isinstance(fault, OperationalError) or fault.connection_invalidated or _is_race(fault):
                raise StoreUnavailableError(f"{self.name}: {message}; {_remedy(message)}") from fault
            raise StoreError(f"{self.name}: {message}") from fault
        except StatementError as fault:
            raise StoreError(f"{self.name}: cannot be stored: {' '.join(str(fault.orig).split())}") from fault

    def _connected(self, url: URL) -> Engine:
        plain: dict[str, Any] = {"json_serializer": _as_json}
        if self.path is None:
            options = f"-c lock_timeout={int(1000 * self._wait)} -c timezone=UTC"
            arguments = {"connect_timeout": max(2, int(self._wait)), "options": options}
            try:
                return create_engine(url, pool_pre_ping=True, connect_args=arguments, **plain)
            except ModuleNotFoundError as fault:
                raise ConfigError(f"{self.name}: needs psycopg: pip install 'xherald[postgres]'") from fault
        path = self.path
        # Never created on the way: a store that vanished must not come back empty.
        target = f"file:{quote(str(path))}?mode=rw"
        engine = create_engine(
            url,
            creator=lambda: sqlite3.connect(
                target, uri=True, timeout=self._wait, isolation_level=None, check_same_thread=False
            ),
            **plain,
        )
        event.listen(engine, "connect", self._prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _prepare_sqlite(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # before the first table, or it has no effect
        self._into_wal(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")

    def _into_wal(self, connection: sqlite3.Connection) -> None:
        """Enter WAL mode; SQLite does not wait by itself for another process that does so at the same time."""
        until = time.monotonic() + self._wait
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as fault:
                if "locked" not in str(fault) or time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return


def _as_json(value: object) -> str:
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as fault:
        raise StoreError(f"is not in JSON's types: {fault}; say null for what is not known") from fault


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as fault:
        raise ConfigError(f"store {url!r}: is no URL; say sqlite:////path/store.sqlite or postgresql://…") from fault
    match parsed.get_backend_name():
        case "sqlite":
            if not parsed.database or parsed.database == ":memory:" or parsed.query:
                raise ConfigError(f"store {url!r}: names no file; say sqlite:////path/store.sqlite")
            return parsed
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise ConfigError(
                f"store: {other} is no database we keep a store in; say sqlite:////path or postgresql://…"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _file_at(path: Path, create: bool) -> tuple[int, int]:
    """Identity of a store's file, made empty if it may be."""
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o644))
    except OSError as fault:
        raise StoreUnavailableError(f"{path}: cannot be made: {fault.strerror or fault}; name another store") from fault
    identity = _identity(path)
    if identity is None:
        raise StoreError(f"{path}: no such store; name another, or make one with `xherald store upgrade`")
    return identity


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("xherald_begin", "BEGIN"))


def _is_race(fault: DBAPIError) -> bool:
    return isinstance(fault, IntegrityError) or getattr(fault.orig, "sqlstate", None) in RACES


def _remedy(message: str) -> str:
    if "locked" in message or "lock timeout" in message:
        return "another process holds it; try again"
    if "full" in message:
        return "free some space and try again"
    if "readonly" in message or "unable to open" in message:
        return "check its permissions"
    return "try again when it is back"
