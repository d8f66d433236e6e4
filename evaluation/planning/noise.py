"""How much of what queries vary by is the graders' doing, so that more graders would lessen it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.intervals import generator
from evaluation.label_noise import each_draw
from evaluation.metrics import Measure
from evaluation.ranking import Coded, Ordered, score_ordered
from relevance.grades import GradeScale

Floats = NDArray[np.float64]

DRAWS = 32
_MOST = 0.95


@dataclass(frozen=True, slots=True)
class Noise:
    """How much of the variance of a per-query figure comes from the graders.

    Attributes:
        share: Share of the observed variance, 0-0.95; NaN = unknown.
        graders: Judgments a pair that the observed grades rest on.
    """

    share: float = float("nan")
    graders: float = float("nan")

    @property
    def known(self) -> bool:
        """Whether anything is known of it."""
        return not np.isnan(self.share)

    def factor(self, graders: int) -> float:
        """Variance with another number of graders a pair / observed variance; 1 if unknown.

        The graders' part shrinks like one over their number, the queries' own part stays.
        """
        return 1.0 + self.share * (self.graders / graders - 1.0) if self.known else 1.0


@dataclass(frozen=True, slots=True)
class Scoring:
    """Ordered lists of the baseline (and the candidate), to be scored under any grades."""

    lists: Sequence[Ordered]
    coded: Coded
    measures: Sequence[Measure]
    scale: GradeScale
    zero: bool

    def values(self, grades: Floats | None = None) -> dict[Measure, Floats]:
        """For each measure (systems, Q) values; NaN = undefined."""
        scored = [
            score_ordered(x, self.coded, self.measures, scale=self.scale, grades=grades)
            for x in self.lists
        ]
        return {
            m: np.stack([np.where(s.no_relevant[m] & self.zero, 0.0, s.values[m]) for s in scored])
            for m in self.measures
        }


def noise_of(
    scoring: Scoring, judgments: pl.DataFrame | None, *, seed: int = 0
) -> Mapping[Measure, tuple[Noise, Noise]]:
    """For each measure, the graders' share in the level's and in the difference's variance.

    Args:
        scoring: The lists and the graded queries.
        judgments: Single grades: of each pair one is drawn at random. None = the grades are drawn
            from the posterior of the qrels, if they have one and say how many judgments it is of.
        seed: Seed of the draws.
    """
    if judgments is None:
        drawn, graders, share = _from_posterior(scoring, seed)
    else:
        drawn, graders, share = _from_judgments(scoring.coded, judgments, seed)
    if not drawn:
        return {m: (Noise(), Noise()) for m in scoring.measures}
    kept = scoring.coded.kept
    own = scoring.values()
    again = [scoring.values(grades) for grades in drawn]
    found = {}
    for m in scoring.measures:
        stack = np.stack([one[m][:, kept] for one in again])
        now = own[m][:, kept]
        found[m] = (
            _share(now[0], stack[:, 0], graders, share),
            _share(now[-1] - now[0], stack[:, -1] - stack[:, 0], graders, share),
        )
    return found


def _share(values: Floats, drawn: Floats, graders: float, share: float) -> Noise:
    """Variance over the draws, within queries, as a share of the variance over queries."""
    whole = ~np.isnan(drawn).any(axis=0) & ~np.isnan(values)
    if whole.sum() < 2:
        return Noise()
    over = float(np.var(values[whole], ddof=1))
    within = share * float(np.var(drawn[:, whole], axis=0, ddof=1).mean())
    return Noise(min(within / over, _MOST) if over > 0 else 0.0, graders)


def _from_posterior(scoring: Scoring, seed: int) -> tuple[list[Floats], float, float]:
    qrels, levels = scoring.coded.qrels, scoring.scale.levels
    names = [f"p{k + 1}" for k in range(len(levels))]
    if not names or any(name not in qrels.columns for name in [*names, "n_judgments"]):
        return [], 0.0, 1.0
    counted = qrels["n_judgments"].drop_nulls()
    if counted.is_empty() or qrels[names[0]].is_null().all():
        return [], 0.0, 1.0
    drawn = each_draw(qrels, scoring.scale, draws=DRAWS, seed=seed)
    graders = float(counted.cast(pl.Float64).to_numpy().mean())
    return [row.astype(np.float64) for row in drawn], graders, 1.0


def _from_judgments(
    coded: Coded, judgments: pl.DataFrame, seed: int
) -> tuple[list[Floats], float, float]:
    """Draws of one judgment a pair, how many there are, and what share of their variance is noise.

    With r judgments a pair, drawing among them shows (r - 1) / r of one grader's variance, and the
    grade that r graders agree on has 1 / r of that.
    """
    pairs = coded.qrels.select("query_id", "pin_id", "grade").with_row_index("row")
    joined = (
        judgments.drop_nulls("grade")
        .select("query_id", "pin_id", "annotator", given="grade")
        .join(pairs, on=["query_id", "pin_id"])
        .sort("row", "annotator")
    )
    counts = np.bincount(joined["row"].to_numpy(), minlength=pairs.height)
    graders = float(counts[counts > 0].mean()) if counts.any() else 0.0
    if graders <= 1.0:
        return [], 0.0, 1.0
    given = joined["given"].cast(pl.Float64).to_numpy()
    own = pairs["grade"].cast(pl.Float64).to_numpy()
    judged = counts > 0
    starts = (np.cumsum(counts) - counts)[judged]
    rng = generator(seed, "graders")
    out = []
    for _ in range(DRAWS):
        grades = own.copy()
        chosen = np.floor(rng.random(len(starts)) * counts[judged]).astype(np.int64)
        grades[judged] = given[starts + chosen]
        out.append(grades)
    return out, graders, 1.0 / (graders - 1.0)
