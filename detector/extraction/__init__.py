"""From an event file to the photons of each source: source lists, apertures, file summaries."""
