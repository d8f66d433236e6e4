"""What a pair adds to a figure, as past grades know it or a teacher expects it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from annotation.sampling.pooling import PAIR, RANK_OF
from annotation.sampling.uncertainty import Floats, aligned, rank_weights, relevant_of
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale

ACCURACY, PRECISION, DCG = "accuracy", "P", "DCG"


@dataclass(frozen=True, slots=True)
class Moments:
    """A figure of the form Σ weight · value, and what is known of the values.

    Attributes:
        weight: (N,) what a pair's value counts for in its query; 0 where it counts for nothing.
        mean: (N,) expected value; NaN = unknown.
        noise: (N,) variance of what the value is not known to.
        ratio: Whether the figure is the mean over pairs; otherwise it is that of queries' sums.
    """

    weight: Floats
    mean: Floats
    noise: Floats
    ratio: bool = False

    @property
    def known(self) -> bool:
        """Whether enough is known of any pair that counts."""
        return int((np.isfinite(self.mean) & (self.weight > 0)).sum()) > 1


def systems_of(rows: pl.DataFrame) -> list[str]:
    """Systems whose ranks a frame's rows hold, by name."""
    return [name.removeprefix(RANK_OF) for name in rows.columns if name.startswith(RANK_OF)]


def split_measure(measure: str) -> tuple[str, int | None]:
    """`P@8` → its name and cutoff.

    Raises:
        InputError: It is none of P@K, DCG@K and accuracy.
    """
    name, _, cutoff = measure.partition("@")
    if name == ACCURACY and not cutoff:
        return name, None
    if name in (PRECISION, DCG) and cutoff.isdigit() and int(cutoff) >= 1:
        return name, int(cutoff)
    raise InputError(
        f"{measure!r} is no sum over single pairs, as P@8, DCG@20 and accuracy are. Use one of "
        "them, or draw whole queries (--queries)"
    )


def moments(
    rows: pl.DataFrame,
    measure: str,
    system: str | None = None,
    *,
    past: pl.DataFrame | None = None,
    predictions: pl.DataFrame | None = None,
    scale: GradeScale = FIVE,
) -> Moments:
    """What each pair of a frame adds to a figure.

    Args:
        rows: Of a frame, with a system's ranks for P@K and DCG@K.
        measure: `P@K`, `DCG@K` or `accuracy` (of the teacher).
        system: Whose ranks; None = the best rank of any.
        past: Table `qrels`: where it grades a pair, that grade is taken.
        predictions: The teacher's p1…p5: elsewhere its expectation is.
        scale: Scale of the grades.

    Raises:
        InputError: Another measure; ranks are missing; accuracy without predictions.
    """
    name, cutoff = split_measure(measure)
    p = None if predictions is None else aligned(rows, predictions)
    if name == ACCURACY:
        if p is None:
            raise InputError("accuracy is that of a teacher: --predictions FILE")
        return _accuracy(rows, p, past, scale)
    column = "rank" if system is None else RANK_OF + system
    if column not in rows.columns:
        raise InputError(f"{measure} needs the ranks of a run. Give it: --run")
    ranks = rows[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    weight = rank_weights(ranks, f"{name}@{cutoff}".lower())
    if name == PRECISION:
        weight, values = weight / float(cutoff or 1), relevant_of(scale)
    else:
        values = scale.gains(np.array(scale.levels, dtype=np.float64))
    mean, noise = _expected(rows, p, values)
    grades = _grades(rows, past)
    known = np.isfinite(grades)
    own = np.interp(grades, np.array(scale.levels, dtype=np.float64), values)
    return Moments(weight, np.where(known, own, mean), np.where(known, 0.0, noise))


def _expected(rows: pl.DataFrame, p: Floats | None, values: Floats) -> tuple[Floats, Floats]:
    if p is None:
        return np.full(rows.height, np.nan), np.zeros(rows.height)
    mean = p @ values
    return mean, np.maximum(np.nan_to_num(p @ values**2 - mean**2), 0.0)


def _accuracy(
    rows: pl.DataFrame, p: Floats, past: pl.DataFrame | None, scale: GradeScale
) -> Moments:
    right = p.max(axis=1)
    grades = _grades(rows, past)
    unknown = np.isnan(p).any(axis=1)
    guess = np.array(scale.levels)[np.nan_to_num(p).argmax(axis=1)]
    known = np.isfinite(grades) & ~unknown
    mean = np.where(known, (guess == grades).astype(np.float64), right)
    noise = np.where(known | unknown, 0.0, right * (1 - right))
    weight = np.where(unknown, 0.0, 1.0)  # a pair without prediction is no case of accuracy
    return Moments(weight, mean, noise, ratio=True)


def _grades(rows: pl.DataFrame, past: pl.DataFrame | None) -> Floats:
    """(N,) grades that are known; NaN elsewhere."""
    if past is None:
        return np.full(rows.height, np.nan)
    own = past.select(*PAIR, "grade").unique(PAIR, keep="first", maintain_order=True)
    found = rows.select(PAIR).join(own, on=PAIR, how="left", maintain_order="left")["grade"]
    return np.asarray(found.cast(pl.Float64).fill_null(float("nan")).to_numpy())
