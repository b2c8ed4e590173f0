"""Photons out of physics: source classes, instruments, observing patterns, artefacts, and writers of native files.

The room stands beside `catalog_store` and below `detector`; it knows `photons`, `plugins` and `adapters`, whose tables
and readers it shares, so that a simulated file goes down the same road as a real one.
"""
