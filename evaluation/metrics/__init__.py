"""Every metric by its name, and the one parser of their spelling: `nDCG@20`, `P(rel=3)@8`.

A metric is a function in its family's file (`ranking`, `pointwise`, `sums`, `threshold`) and one
line in `METRICS` (`registry`). What users write, tables show and commands take is the `Measure`: a
metric with its options and cutoff, which prints as it parses.
"""

from __future__ import annotations

from evaluation.metrics.declaration import PAIRS, RANKING, SUMS, THRESHOLD, Metric
from evaluation.metrics.measure import Measure
from evaluation.metrics.parser import parse, parse_all
from evaluation.metrics.registry import METRICS

__all__ = [
    "METRICS",
    "PAIRS",
    "RANKING",
    "SUMS",
    "THRESHOLD",
    "Measure",
    "Metric",
    "parse",
    "parse_all",
]
