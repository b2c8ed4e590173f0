"""A store on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_rows import DATABASES, fresh_url

from xherald.catalog_store.ledger.store import Store, open_store


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(fresh_url(request.param, tmp_path)) as opened:
        yield opened
