"""Candidates: their measurements, plot sheets, ids and history."""
