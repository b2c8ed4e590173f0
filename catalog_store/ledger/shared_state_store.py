"""The part of the store that holds states shared by all daemons: `SharedStateStore`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from . import commit_results, shared_state
from .records import Json, Run
from .store_base import StoreBase, resolve_time

__all__ = ["SharedStateStore"]


class SharedStateStore(StoreBase):
    """Methods on shared states: JSON objects by name."""

    def shared_state(self, name: str) -> Json | None:
        """Value of a shared state, None if unset; a decision on a drop reads it through `PriorState` instead."""
        with self._database.read() as connection:
            return shared_state.read_state(connection, name, resolve_time(None))

    def set_shared_states(
        self, values: Mapping[str, Json], run: Run | None = None, now: datetime | None = None
    ) -> None:
        """Set shared states, by name."""
        when = resolve_time(now)

        def step(connection: Connection) -> None:
            run_id = None if run is None else commit_results.find_run_id(connection, run, when)
            for name, value in values.items():
                shared_state.write_state(connection, name, value, run_id, when)

        self._database.write(step)

    def update_shared_state(
        self, name: str, change: Callable[[Json | None], Json | None], now: datetime | None = None
    ) -> Json | None:
        """Read a shared state and replace it in one transaction.

        Parameters
        ----------
        name : str
        change : callable
            Takes the present value and returns the new one, or None to leave it unchanged. It may be called again.
        now : datetime, optional

        Returns
        -------
        mapping or None
            What `change` returned.
        """
        when = resolve_time(now)

        def step(connection: Connection) -> Json | None:
            value = change(shared_state.read_state(connection, name, when, lock=True))
            if value is not None:
                shared_state.write_state(connection, name, value, None, when)
            return value

        return self._database.write(step)
