"""Judgments → qrels: one grade a pair with a posterior over the grades.

- `votes.py` reads judgments into numbers; abstentions are no votes, the latest judgment counts.
- `counting.py` counts (majority, median, smoothed); `classic.py` has one-coin and Dawid–Skene.
- The default: `patterns.py` (what annotators are like), `model.py` (EM with hard pairs),
  `held_out.py` (candidates compared by votes they have not seen), `stack.py` (the best of them
  averaged, no surer than is honest).
- `methods.py` is the registry; `tables.py` turns all this into tables; `on_gold.py` tells which
  method wins on pairs whose grade is known.

Whatever the method, the grade is the most probable one, the lower of two equally probable.
"""

from __future__ import annotations

from annotation.adjudicate.methods import ADJUDICATORS, Adjudicator, choose
from annotation.adjudicate.on_gold import on_gold
from annotation.adjudicate.tables import Adjudication, adjudicate, adjudicated
from annotation.adjudicate.votes import Votes, read_votes

__all__ = [
    "ADJUDICATORS",
    "Adjudication",
    "Adjudicator",
    "Votes",
    "adjudicate",
    "adjudicated",
    "choose",
    "on_gold",
    "read_votes",
]
