"""Figures from pairs, or queries, that were drawn with unequal probabilities.

A figure over what was drawn is one of the draw; weighted by 1 / π it is one of everything that
could have been drawn. `design` says what was drawn, `population` of which queries, `ranking` and
`grades` estimate, `variance` has the formulas of the intervals and their sources.

References:
    Horvitz and Thompson, JASA 1952; Särndal, Swensson and Wretman, Model Assisted Survey Sampling,
    1992; Aslam, Pavlu and Yilmaz, SIGIR 2006 (statAP) and Yilmaz, Kanoulas and Aslam, SIGIR 2008
    (xinfAP) for rankings; Schnabel, Swaminathan, Frazier and Joachims, ICTIR 2016.
"""

from __future__ import annotations

from evaluation.sampled.design import PAIRS, QUERIES, UNITS, partial, unequal
from evaluation.sampled.grades import evaluate_sampled_grades
from evaluation.sampled.ranking import evaluate_sampled_ranking

__all__ = [
    "PAIRS",
    "QUERIES",
    "UNITS",
    "evaluate_sampled_grades",
    "evaluate_sampled_ranking",
    "partial",
    "unequal",
]
