"""Migrations of the store's tables, one file a revision, applied by Alembic.

A revision is never changed after its release: it spells its tables out instead of importing them from `tables`, which
describes the result of the last revision. After adding a revision, set `tables.HEAD`.
"""
