"""From an event file to candidates: configuration, extraction, scoring, calibration, references, results."""
