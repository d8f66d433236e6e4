"""The interval to expect of a draw, before anybody has graded anything.

A figure's variance has two parts, as the weighted estimates tell it afterwards: what another draw
of the same design would give (within), and what other queries like these would (between). With
everything drawn only the second is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.sampling.drawing import QUERIES, Drawn
from annotation.sampling.moments import Moments
from annotation.sampling.uncertainty import Floats
from annotation.sampling.unequal import variance_of_total
from evaluation.planning import half_width

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Expected:
    """What to expect of a figure in a country.

    Attributes:
        value: Expected figure.
        error: Its standard error.
        half_width: Half the width of its interval.
    """

    value: float
    error: float
    half_width: float


def expected(drawn: Drawn, moments: Moments, level: float = 0.95) -> dict[str, Expected]:
    """The interval of a sum or mean over pairs in every country that something is drawn in.

    Args:
        drawn: The draw.
        moments: Of the figure, in the order of the draw's rows.
        level: Confidence level.

    Returns:
        By country; countries in which nothing is known are left out.
    """
    rows = drawn.frame.rows
    out = {}
    for country, inside in _countries(rows):
        part = rows[inside]
        chance = part["probability"].to_numpy()
        known = np.isfinite(moments.mean[inside]) & (moments.weight[inside] > 0)
        if not chance.any() or known.sum() < 2:
            continue
        weight = moments.weight[inside]
        mean, noise = _filled(moments.mean[inside], moments.noise[inside], known)
        query = (part["query_id"].rank("dense").cast(pl.Int64) - 1).to_numpy()
        n_queries = int(query.max()) + 1
        if moments.ratio:
            value = float(weight @ mean / weight.sum())
            unit = weight / weight.sum()
            z, rest = unit * (mean - value), unit**2 * noise
        else:
            value = float(weight @ mean) / n_queries
            z, rest = weight * mean / n_queries, (weight / n_queries) ** 2 * noise
        whole = np.bincount(query, weights=(weight > 0) & ~known, minlength=n_queries) == 0
        u, spare = _told(_summed(query, z), _summed(query, rest), whole)
        strata = _codes(part["stratum"])
        if drawn.design.unit == QUERIES:
            first = np.unique(query, return_index=True)[1]
            variance = _within(u, chance[first], spare, strata[first])
            n = max(round(float(chance[first].sum())), 2)
        else:
            variance, n = _within(z, chance, rest, strata), n_queries
        out[country] = _interval(value, variance + _between(u, spare), n, level)
    return out


def expected_of_queries(
    drawn: Drawn, figures: pl.DataFrame, level: float = 0.95
) -> dict[str, Expected]:
    """The interval of a mean over queries, such as nDCG@20, where whole queries are drawn.

    Args:
        drawn: A draw of whole queries.
        figures: query_id, `mean` and `noise` of queries whose figure is known or expected.
        level: Confidence level.
    """
    rows = drawn.frame.rows
    queries = rows.group_by("query_id", maintain_order=True).agg(
        pl.col("country", "stratum", "probability").first()
    )
    queries = queries.join(figures, on="query_id", how="left", maintain_order="left")
    out = {}
    for country, inside in _countries(queries):
        part = queries[inside]
        mean = part["mean"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        known = np.isfinite(mean)
        chance = part["probability"].to_numpy()
        if known.sum() < 2 or not chance.any():
            continue
        value, n = float(mean[known].mean()), len(mean)
        noise = part["noise"].cast(pl.Float64).fill_null(0.0).to_numpy() / n**2
        u, rest = _told(np.where(known, (mean - value) / n, 0.0), noise, known)
        variance = _within(u, chance, rest, _codes(part["stratum"])) + _between(u, rest)
        drawn_queries = max(round(float(chance.sum())), 2)
        out[country] = _interval(value, variance, drawn_queries, level)
    return out


def _summed(query: Ints, values: Floats) -> Floats:
    """(Q,) sums by query."""
    return np.bincount(query, weights=values).astype(np.float64)


def _within(z: Floats, chance: Floats, noise: Floats, strata: Ints) -> float:
    order = np.argsort(strata, kind="stable")
    ends = np.cumsum(np.bincount(strata))[:-1]
    return sum(variance_of_total(z[i], chance[i], noise[i]) for i in np.split(order, ends))


def _between(u: Floats, rest: Floats) -> float:
    """Variance of a sum over other queries like these."""
    n = len(u)
    return n * (float(np.var(u, ddof=1)) + float(rest.mean())) if n > 1 else 0.0


def _told(u: Floats, rest: Floats, whole: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Sums and noise by query; queries of which too little is known vary like the known ones."""
    if whole.all() or whole.sum() < 2:
        return u, rest
    spread = float(np.var(u[whole], ddof=1)) + float(rest[whole].mean())
    return np.where(whole, u, u[whole].mean()), np.where(whole, rest, spread)


def _filled(mean: Floats, noise: Floats, known: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Means and noise; unknown values vary like the known ones."""
    centre = float(mean[known].mean())
    spread = float(np.var(mean[known])) + float(noise[known].mean())
    return np.where(known, mean, centre), np.where(known, noise, spread)


def _interval(value: float, variance: float, n: int, level: float) -> Expected:
    error = float(np.sqrt(variance))
    return Expected(value, error, half_width(error, level, max(n - 1, 1)))


def _countries(rows: pl.DataFrame) -> list[tuple[str, Ints]]:
    found = rows.with_row_index("place").group_by("country", maintain_order=True).agg("place")
    return sorted((str(c), np.array(places, dtype=np.int64)) for c, places in found.iter_rows())


def _codes(strata: pl.Series) -> Ints:
    return (strata.rank("dense").cast(pl.Int64) - 1).to_numpy()
