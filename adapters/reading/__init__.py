"""Reading event files safely: FITS within limits, headers, good times, screening, the mission table."""
