"""Catalogues of sources, imported once and searched on disk."""
