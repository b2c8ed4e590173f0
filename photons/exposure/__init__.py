"""Exposure of a source as a function of time: pointing, detector layout, sensitive area, vignetting.

`source_exposure` combines what the other modules measure: `pointing_path` from attitude or from the events, `live_area`
from layout, bad pixels and events.
"""
