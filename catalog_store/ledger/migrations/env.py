"""Run by Alembic for each upgrade, on the connection passed by `upgrade.upgrade_tables`."""

from __future__ import annotations

from alembic import context

from xherald.catalog_store.ledger.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
