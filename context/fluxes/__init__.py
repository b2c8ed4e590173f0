"""Fluxes from counts: energy conversion, Galactic absorption, limits, ratios to catalogue fluxes."""
