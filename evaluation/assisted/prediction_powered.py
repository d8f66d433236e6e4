"""Prediction-powered estimates: few queries graded by people, many by a teacher.

The teacher's grades say what the mean over all queries is; the queries that both have graded say by
how much the teacher is wrong about it. With f = the teacher's figure of a query and Y = people's,

    estimate = weight × mean of f over the other queries + mean of (Y - weight × f) over the graded,

which is right on average whatever the teacher's quality, and narrow where f follows Y. A metric
that is undefined for some queries is a ratio, Σ Y·D / Σ D (D = 1 where defined): numerator and
denominator are both estimated so, and the ratio is linearised. Strata are estimated apart and
weighted by the queries they stand for. Everything is linear in the queries, so that an estimate
carries each query's influence, whose squares sum to its variance.

References:
    Angelopoulos, Duchi and Zrnic, PPI++, arXiv 2311.01453, section 6 (the weight); Cochran,
    Sampling Techniques, 1977, chapters 6-7 (ratio and regression estimates in strata);
    Satterthwaite, Biometrics Bulletin 1946 (degrees of freedom).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import t_quantile

Floats = NDArray[np.float64]

MIN_STRATUM = 10
"""Graded queries below which a stratum is merged with others: weighting it would cost too much."""

MIN_ASSISTED = 20
"""Graded queries below which the teacher is not listened to: its weight could not be told."""

_MIN_MOMENTS = 5


@dataclass(frozen=True, slots=True)
class Stratum:
    """Queries of one stratum.

    Attributes:
        people: (n, 2) metric × defined, and defined (0 or 1), of the queries graded by people.
        teacher: (n, 2) the same of the same queries by the teacher: expectations under its
            probabilities. NaN rows: the teacher has no grade for the query.
        others: (N, 2) the same of the queries that only the teacher has graded.
    """

    people: Floats
    teacher: Floats
    others: Floats

    @property
    def size(self) -> int:
        """Queries it stands for: n + N."""
        return len(self.people) + len(self.others)

    @property
    def n_defined(self) -> int:
        """Queries graded by people for which the metric is defined."""
        return int(np.count_nonzero(self.people[:, 1]))


@dataclass(frozen=True, slots=True)
class Powered:
    """An estimate.

    Attributes:
        value: The figure; NaN if undefined.
        influence: (queries,) squares sum to the variance; in strata order, first the queries
            graded by people, then the others. Products of two estimates' sum to their covariance.
        df: Degrees of freedom; 0 where there is no interval.
        weight: The teacher's weight, averaged over the queries; 0 = people alone.
    """

    value: float
    influence: Floats
    df: float
    weight: float = 0.0

    @property
    def variance(self) -> float:
        """Variance of `value`."""
        return float(self.influence @ self.influence)

    def half_width(self, level: float = 0.95) -> float:
        """Half the t interval's width; NaN where there is no interval."""
        if np.isnan(self.value) or self.df <= 0:
            return float("nan")
        return t_quantile(level, self.df) * float(np.sqrt(self.variance))

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Ends of the t interval; None where there is none."""
        half = self.half_width(level)
        return None if np.isnan(half) else (self.value - half, self.value + half)


def assist(strata: Sequence[Stratum], *, level: float = 0.95) -> tuple[Powered, Powered]:
    """The assisted estimate, and that of people alone.

    The first is the second wherever the teacher does not make the interval narrower (and with fewer
    than `MIN_ASSISTED` graded queries), so that it never is wider.

    Args:
        strata: Strata with queries graded by people; merge small ones first (`merged`).
        level: Confidence level of the intervals that are compared.
    """
    alone = powered(strata, weight=0.0)
    if sum(s.n_defined for s in strata) < MIN_ASSISTED:
        return alone, alone
    helped = powered(strata)
    gain = helped.half_width(level) < alone.half_width(level)
    return (helped if gain else alone), alone


def powered(strata: Sequence[Stratum], *, weight: float | None = None) -> Powered:
    """The stratified estimate with a given weight of the teacher.

    Args:
        strata: At least one; all with queries graded by people.
        weight: 0-1; None = the one of least variance, found for each graded query from the other
            graded queries, one for all strata.

    Undefined: no graded query has the metric defined.
    """
    empty = np.zeros(sum(s.size for s in strata))
    shares = np.array([s.size for s in strata], dtype=np.float64) / max(len(empty), 1)
    means = [w * s.people.mean(axis=0) for w, s in zip(shares, strata, strict=True)]
    first = _ratio(np.sum(means, axis=0))
    if np.isnan(first):
        return Powered(float("nan"), empty, 0.0)
    strata = [_completed(s) for s in strata]
    weights = (
        _weights(strata, shares, first)
        if weight is None
        else [np.full(len(s.people), weight if len(s.others) else 0.0) for s in strata]
    )
    corrected = [_corrected(s, w) for s, w in zip(strata, weights, strict=True)]
    sums = np.sum([w * c.mean(axis=0) for w, c in zip(shares, corrected, strict=True)], axis=0)
    value = _ratio(sums)
    if np.isnan(value):
        return Powered(float("nan"), empty, 0.0)
    parts = [
        share / sums[1] * _influence(s, c, w, value)
        for share, s, c, w in zip(shares, strata, corrected, weights, strict=True)
    ]
    variances = np.array([part @ part for part in parts])
    free = np.array([s.n_defined - 1.0 for s in strata])
    n_people = sum(len(w) for w in weights)
    return Powered(
        value=value,
        influence=np.concatenate(parts),
        df=satterthwaite(variances, free),
        weight=float(sum(w.sum() for w in weights)) / n_people,
    )


def total(estimates: Sequence[Powered], weights: Sequence[float]) -> Powered:
    """The weighted mean of estimates of separate groups; `weights` need not sum to 1."""
    shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    parts = [w * e.influence for w, e in zip(shares, estimates, strict=True)]
    variances = np.array([part @ part for part in parts])
    return Powered(
        value=float(sum(w * e.value for w, e in zip(shares, estimates, strict=True))),
        influence=np.concatenate(parts),
        df=satterthwaite(variances, np.array([e.df for e in estimates])),
        weight=float(sum(w * e.weight for w, e in zip(shares, estimates, strict=True))),
    )


def narrower(helped: Powered, alone: Powered, level: float = 0.95) -> Powered:
    """The estimate with the narrower interval."""
    return helped if helped.half_width(level) < alone.half_width(level) else alone


def merged(strata: Sequence[Stratum], minimum: int = MIN_STRATUM) -> list[Stratum]:
    """The strata, those with under `minimum` defined graded queries merged with the next larger."""
    done: list[Stratum] = []
    small: Stratum | None = None
    for stratum in sorted(strata, key=lambda s: s.n_defined):
        joined = stratum if small is None else _joined(small, stratum)
        small = joined if joined.n_defined < minimum else None
        if small is None:
            done.append(joined)
    if small is not None:
        done.append(_joined(done.pop(), small) if done else small)
    return done


def satterthwaite(variances: Floats, df: Floats) -> float:
    """Degrees of freedom of a sum of independent variances; 0 if one of them has none."""
    if len(df) == 0 or (df <= 0).any():
        return 0.0
    spread = float(np.sum(variances**2 / df))
    return float(variances.sum() ** 2 / spread) if spread > 0 else float(df.sum())


def _ratio(sums: Floats) -> float:
    return float(sums[0] / sums[1]) if sums[1] > 0 else float("nan")


def _joined(one: Stratum, other: Stratum) -> Stratum:
    return Stratum(
        np.concatenate([one.people, other.people]),
        np.concatenate([one.teacher, other.teacher]),
        np.concatenate([one.others, other.others]),
    )


def _completed(stratum: Stratum) -> Stratum:
    """The stratum with a teacher's figure for every graded query.

    Where the teacher has none, the mean of the rest stands in, and the rest's distances from it
    count n / known times: then the mean is that of the known ones, and its variance is theirs.
    Where hardly any is known, the stratum is left to people.
    """
    known = np.asarray(~np.isnan(stratum.teacher).any(axis=1))
    n, n_known = len(known), int(known.sum())
    if n_known == n:
        return stratum
    if n_known < _MIN_MOMENTS:
        return Stratum(stratum.people, np.zeros_like(stratum.people), stratum.others[:0])
    mean = stratum.teacher[known].mean(axis=0)
    away = np.where(known[:, None], np.nan_to_num(stratum.teacher) - mean, 0.0)
    return replace(stratum, teacher=mean + away * n / n_known)


def _weights(strata: Sequence[Stratum], shares: Floats, value: float) -> list[Floats]:
    """(n,) the teacher's weight for each graded query, found without that query, for each stratum.

    It minimises Σ share² (Var(Y - weight f) / n + weight² Var(f) / N), within 0-1. Leaving a query
    out of its own weight keeps its residual honest: in-sample ones make intervals too short.
    """
    above = below = 0.0
    moments: list[tuple[Floats, Floats, float, float] | None] = []
    for stratum, share in zip(strata, shares, strict=True):
        n, n_others = len(stratum.people), len(stratum.others)
        if n_others == 0 or n < _MIN_MOMENTS:
            moments.append(None)
            continue
        y = stratum.people[:, 0] - value * stratum.people[:, 1]
        f = stratum.teacher[:, 0] - value * stratum.teacher[:, 1]
        cross, square = (y - y.mean()) * (f - f.mean()), (f - f.mean()) ** 2
        a, b = share**2 / n, share**2 * (1 / n + 1 / n_others)
        moments.append((cross, square, a, b))
        above += a * cross.sum() / (n - 1)
        below += b * square.sum() / (n - 1)
    weights: list[Floats] = []
    for stratum, moment in zip(strata, moments, strict=True):
        if moment is None:
            weights.append(np.zeros(len(stratum.people)))
            continue
        cross, square, a, b = moment
        up = above + a * _change_without(cross)
        down = below + b * _change_without(square)
        possible = down > 1e-12 * max(below, 1e-300)
        best = np.divide(up, down, out=np.zeros(len(up)), where=possible)
        weights.append(np.clip(best, 0.0, 1.0))
    return weights


def _change_without(products: Floats) -> Floats:
    """(n,) change of a (co)variance when each row is left out, from (n,) products of deviations."""
    n = len(products)
    full = products.sum() / (n - 1)
    return np.asarray((products.sum() - products * n / (n - 1)) / (n - 2) - full, dtype=np.float64)


def _corrected(stratum: Stratum, weights: Floats) -> Floats:
    """(n, 2) people's figures, moved by the teacher's distance from its mean over the others."""
    if len(stratum.others) == 0:
        return stratum.people
    away = stratum.teacher - stratum.others.mean(axis=0)
    return np.asarray(stratum.people - weights[:, None] * away)


def _influence(stratum: Stratum, corrected: Floats, weights: Floats, value: float) -> Floats:
    """(n + N,) influence on the stratum's own mean of numerator - value × denominator."""
    n, n_defined = len(corrected), stratum.n_defined
    residual = corrected[:, 0] - value * corrected[:, 1]
    small = np.sqrt(n_defined / (n_defined - 1)) if n_defined > 1 else 1.0
    own = (residual - residual.mean()) / n * small
    if len(stratum.others) == 0:
        return np.asarray(own)
    theirs = stratum.others[:, 0] - value * stratum.others[:, 1]
    count = len(theirs)
    scale = weights.mean() / np.sqrt(count * max(count - 1, 1))
    return np.concatenate([own, (theirs - theirs.mean()) * scale])
