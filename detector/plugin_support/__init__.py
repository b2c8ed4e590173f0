"""Checking, listing, guarding and creating plugins."""
