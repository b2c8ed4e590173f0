"""How the store's tables came to be, one file a step; Alembic carries a store of any age to the newest.

A step is written once and never changed: it spells its tables out rather than import them from `schema`, which only
says what the last step ends at. After adding one, set `schema.HEAD`.
"""
