"""Reading of event files: FITS within limits, headers, good times, screening, mission tables."""
