"""Calibration of scores to false-alarm probabilities: how it is built and applied, and the shipped one."""
