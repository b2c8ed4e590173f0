"""The database of drops, detections, candidates and alerts."""
