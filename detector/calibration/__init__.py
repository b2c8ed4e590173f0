"""From scores to false-alarm probabilities: the calibration, how it is built, and the shipped one."""
