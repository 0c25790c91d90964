"""Where generative metrics are found.

A metric is one object `METRIC` in one module of `generative`, or an entry point of the group `unpersonal.metrics`. Ours
are always measured; a plug-in is measured where it is named.
"""

from __future__ import annotations

from ..core.registry import Registry
from .metric import Metric

METRICS: Registry[Metric] = Registry("metric", package="unpersonal.metrics.generative", attribute="METRIC")
