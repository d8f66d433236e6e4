"""Which pairs to send to annotators, with the probability that each was drawn.

An estimate from a sample is only as good as these probabilities: they go with the pairs into
`samples` and from there into `qrels`. From candidates to samples: `pooling` (runs, logs) → `frame`
(countries, strata, what is known) → `uncertainty` (sizes) → `drawing` (designs; counts by
`allotment`, probabilities by `unequal`) or `active` (training) → `hidden` (gold questions, repeats)
→ `merging` (with earlier draws; `apart` keeps training and measuring apart). `costs`, `pace` and
`overlap` say what it costs, `forecast` (on `moments`) how wide the intervals will be.
"""

from __future__ import annotations

from annotation.sampling.active import draw_training
from annotation.sampling.allotment import Amount
from annotation.sampling.costs import Costs, Hidden
from annotation.sampling.drawing import Design, Drawn, draw
from annotation.sampling.frame import Frame, make_frame
from annotation.sampling.hidden import draw_gold, draw_repeats
from annotation.sampling.merging import merged
from annotation.sampling.overlap import Overlap
from annotation.sampling.pace import Pace, measured_pace
from annotation.sampling.pooling import pool, ranked_pool, run_of_log
from annotation.sampling.simple import (
    SAMPLE_COLUMNS,
    SamplePlan,
    draw_samples,
)

__all__ = [
    "SAMPLE_COLUMNS",
    "Amount",
    "Costs",
    "Design",
    "Drawn",
    "Frame",
    "Hidden",
    "Overlap",
    "Pace",
    "SamplePlan",
    "draw",
    "draw_gold",
    "draw_repeats",
    "draw_samples",
    "draw_training",
    "make_frame",
    "measured_pace",
    "merged",
    "pool",
    "ranked_pool",
    "run_of_log",
]
