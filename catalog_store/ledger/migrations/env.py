"""Run by Alembic, for each upgrade, with the connection that it is to happen on; see `catalog_store.upgrading`."""

from __future__ import annotations

from alembic import context

from xherald.catalog_store.ledger.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
