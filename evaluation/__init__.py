"""Injection and recovery: how many transients are found at which false-alarm rate, against every baseline.

`run.evaluate` composes it: samples with known truth (`samples`), baselines (`baselines`, `oracle`), measures
(`metrics`), the stream's false discoveries (`stream`), and what is told of it all (`report`, `plots`, `document`).
"""

from __future__ import annotations

__all__: list[str] = []
