"""How far a figure rests on doubtful grades: figures under grades drawn from their posterior.

The adjudicators' posterior says how sure each grade is. Grades drawn from it give a figure a draw;
how these figures scatter is added to the scatter of resampled queries, which widens the interval.

Doubtful grades also bias a figure, and more queries do not help. Where a ranking knows no more
about a Pin than the votes do, the mean of the figures under drawn grades (`posterior_mean`) is
right, and the figure under the most probable grades is off. A ranking that knows more agrees with
drawn grades less than with the true ones: then the posterior mean is off further than the figure,
in about the same direction and by about as much again. The data do not tell which case it is, so
the interval stays around the figure and allows for the distance of the posterior mean on either
side of it: half of the replicates are moved towards it, half as far away from it. In simulations
of both cases (tests) this covers the figure under the true grades where the plain interval often
does not; it is an allowance, no bound: nDCG of a very good ranking under very poor graders can be
off by more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.intervals import Estimate, generator
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale

Floats = NDArray[np.float64]
Drawn = NDArray[np.signedinteger]

DRAWS = 200
_SUM_TOLERANCE = 1e-3  # files round their probabilities


def draw_grades(
    qrels: pl.DataFrame, scale: GradeScale = FIVE, *, draws: int = DRAWS, seed: int = 0
) -> Drawn:
    """(draws, M) grades drawn from the posteriors of the M rows of `qrels`, in their order.

    A pair is drawn independently of the others. The numbers that draw the grades are dealt to the
    pairs in key order (query, pin), so that a file's order changes nothing, and figures of two
    systems under draw m are under the same grades.

    Args:
        qrels: query_id, pin_id, grade and p1…pK, the posterior over the scale's K levels; a row
            without posterior keeps its grade.
        scale: The scale, with levels.
        draws: Number of draws.
        seed: Seed of the draws.

    Returns:
        Grades, in the smallest integer type that holds them: a byte each on the usual scales.

    Raises:
        InputError: No levels, a missing column, or rows that are no probabilities.
    """
    many = np.empty((draws, len(qrels)), dtype=_integers(qrels, scale))
    for row, grades in zip(many, each_draw(qrels, scale, draws=draws, seed=seed), strict=True):
        row[:] = grades
    return many


def each_draw(
    qrels: pl.DataFrame, scale: GradeScale = FIVE, *, draws: int = DRAWS, seed: int = 0
) -> Iterator[Drawn]:
    """The rows of `draw_grades` one after the other, for more grades than fit in memory at once.

    Args:
        qrels: As for `draw_grades`.
        scale: As for `draw_grades`.
        draws: Number of draws.
        seed: Seed of the draws.

    Yields:
        (M,) grades.

    Raises:
        InputError: As `draw_grades`.
    """
    posterior = _posterior(qrels, scale)
    kept = np.isnan(posterior).any(axis=1)
    order = _key_order(qrels)
    dtype = _integers(qrels, scale)
    levels = np.asarray(scale.levels, dtype=dtype)
    bounds = _bounds(posterior)
    grades = qrels["grade"].to_numpy().astype(dtype)
    rng = generator(seed, "label noise")
    for _ in range(draws):
        chance = np.empty(len(qrels), dtype=np.float32)
        chance[order] = rng.random(len(qrels), dtype=np.float32)
        level = np.zeros(len(qrels), dtype=np.int8)
        for bound in bounds:
            level += chance >= bound
        yield np.where(kept, grades, levels[level])


def n_without_posterior(qrels: pl.DataFrame, scale: GradeScale = FIVE) -> int:
    """Rows that keep their grade in every draw, as they have no posterior.

    Raises:
        InputError: As `draw_grades`.
    """
    return int(np.isnan(_posterior(qrels, scale)).any(axis=1).sum())


@dataclass(frozen=True, slots=True)
class NoiseSummary:
    """A figure under drawn grades.

    Attributes:
        deviations: (draws,) figure under each draw - their mean; 0 where it is undefined.
        posterior_mean: Their mean; NaN if none is defined.
        shift: posterior_mean - the point figure; 0 if none is defined.
        n_draws: Draws.
        n_undefined: Draws under which the figure is undefined.
        lower: Share of the defined draws whose figure is below the point figure, equal ones
            counting half; NaN if none is defined.
    """

    deviations: Floats
    posterior_mean: float
    shift: float
    n_draws: int
    n_undefined: int
    lower: float


def noise_summary(figures: Floats, point: float) -> NoiseSummary:
    """What drawn grades do to a figure.

    Args:
        figures: (draws,) the figure under each draw; NaN where undefined.
        point: The figure under the most probable grades.
    """
    figures = np.asarray(figures, dtype=np.float64)
    defined = ~np.isnan(figures)
    if not defined.any():
        nan = float("nan")
        return NoiseSummary(np.zeros(len(figures)), nan, 0.0, len(figures), len(figures), nan)
    mean = float(figures[defined].mean())
    sides = np.sign(figures[defined] - point)
    return NoiseSummary(
        deviations=np.where(defined, figures - mean, 0.0),
        posterior_mean=mean,
        shift=mean - point,
        n_draws=len(figures),
        n_undefined=int((~defined).sum()),
        lower=float(np.mean((1 - sides) / 2)),
    )


def with_noise(estimate: Estimate, figures: Floats) -> Estimate:
    """The estimate with its replicates moved by what drawn grades do to the figure.

    Replicate r moves by the deviation of draw r mod draws, and by the distance of the posterior
    mean from the figure: towards it and away from it in turn, also under the same draw.

    Args:
        estimate: From resampled queries, under the most probable grades.
        figures: (draws,) the figure under each draw; NaN where undefined.
    """
    if len(figures) == 0 or np.isnan(estimate.value):
        return estimate
    noise = noise_summary(figures, estimate.value)
    turn, draw = np.divmod(np.arange(len(estimate.replicates)), noise.n_draws)
    moved = noise.deviations[draw] + np.where((turn + draw) % 2, -1, 1) * noise.shift
    return replace(estimate, replicates=estimate.replicates + moved, exact=False)


def winner_flips(differences_by_draw: Floats, point: float) -> float:
    """Share of draws in which the other system wins; no difference counts half.

    Args:
        differences_by_draw: (draws,) difference of two systems under each draw; NaN = undefined,
            left out.
        point: Their difference under the most probable grades.

    Returns:
        0 to 1; NaN if there is no winner to flip (`point` is 0 or NaN) or no defined draw.
    """
    differences = np.asarray(differences_by_draw, dtype=np.float64)
    differences = differences[~np.isnan(differences)]
    if len(differences) == 0 or point == 0 or np.isnan(point):
        return float("nan")
    return float(np.mean((1 - np.sign(differences) * np.sign(point)) / 2))


def _posterior(qrels: pl.DataFrame, scale: GradeScale) -> Floats:
    """(M, K) probabilities, adding up to 1; rows of NaN where there are none."""
    if not scale.levels:
        raise InputError(
            f"scale {scale.name!r} names no levels, so p1, p2, … are not known to be theirs. "
            "Give the grades with --scale FILE (levels = [0, 1, 2, …])"
        )
    names = [f"p{k + 1}" for k in range(len(scale.levels))]
    missing = [name for name in names if name not in qrels.columns]
    if missing:
        raise InputError(
            f"the qrels have no column {missing[0]!r}: label noise needs the posterior p1…"
            f"{names[-1]} over the grades {', '.join(map(str, scale.levels))}. Make it with "
            "gradewise annotation adjudicate"
        )
    posterior = qrels.select(pl.col(names).cast(pl.Float64)).to_numpy().astype(np.float64)
    empty = np.isnan(posterior)
    total = np.where(empty, 0.0, posterior).sum(axis=1)
    partly = empty.any(axis=1) != empty.all(axis=1)
    negative = (np.where(empty, 0.0, posterior) < 0).any(axis=1)
    wrong = partly | negative | ((np.abs(total - 1) > _SUM_TOLERANCE) & ~empty.all(axis=1))
    if wrong.any():
        first = int(np.argmax(wrong))
        found = ", ".join("nothing" if np.isnan(p) else f"{p:g}" for p in posterior[first])
        raise InputError(
            f"p1…{names[-1]} of query {qrels['query_id'][first]!r}, pin "
            f"{qrels['pin_id'][first]!r} must be at least 0 and add up to 1, got {found}. "
            "Mend the row, or leave all of them empty: its grade is then taken as sure"
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(posterior / total[:, None])


def _bounds(posterior: Floats) -> NDArray[np.float32]:
    """(K - 1, M) chance from which on a draw is above level k; over 1 where it never is."""
    above = posterior[:, ::-1].cumsum(axis=1)[:, -2::-1]
    bounds = np.where(above > 0, posterior.cumsum(axis=1)[:, :-1], 2.0)
    return bounds.T.astype(np.float32)


def _integers(qrels: pl.DataFrame, scale: GradeScale) -> np.dtype[np.signedinteger]:
    ends = [*scale.levels]
    if len(qrels):
        grades = qrels["grade"].to_numpy()
        ends += [int(grades.min()), int(grades.max())]
    kinds = (np.int8, np.int16, np.int32, np.int64)
    fits = [k for k in kinds if np.iinfo(k).min <= min(ends) and max(ends) <= np.iinfo(k).max]
    return np.dtype(fits[0])


def _key_order(qrels: pl.DataFrame) -> NDArray[np.int64]:
    """(M,) rows in the order of their keys."""
    rows = qrels.select("query_id", "pin_id").with_row_index("row").sort("query_id", "pin_id")
    return rows["row"].to_numpy().astype(np.int64)
