"""How many queries a wanted interval or detectable difference takes, under each design.

Designs: the queries are drawn at random from all (`srs`), from each stratum in proportion to its
share (`strata`), or where they vary most (`neyman`); for a difference both systems are graded on
the same queries (`paired`) or each on its own (`unpaired`). The level of one system gains from
strata; a difference gains mostly from pairing, because what queries have in common cancels.

References:
    Neyman, JRSS 1934 (n_h ∝ W_h·σ_h); Cochran, Sampling Techniques, 1977, chapter 5; Smyth, 2004,
    Linear models and empirical Bayes methods, section 3 (variances of few values, moderated).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evaluation.intervals import t_quantile
from evaluation.planning.allocation import MINIMUM, Floats, Ints, allocate
from relevance.errors import InputError

SRS, STRATA, NEYMAN = "srs", "strata", "neyman"
DRAWS = (SRS, STRATA, NEYMAN)
"""How queries are drawn, from the plainest to the most careful."""

MOST = 100_000_000
"""Queries beyond which nothing is planned."""


@dataclass(frozen=True, slots=True)
class Population:
    """The queries that there are, in strata.

    Attributes:
        names: Of the strata.
        available: (H,) queries of each stratum.
        finite: Whether the figure wanted is that of these queries and no others: then no more can
            be drawn, and drawing a large share of them narrows the interval.
    """

    names: tuple[str, ...]
    available: Ints
    finite: bool = False

    @property
    def shares(self) -> Floats:
        """(H,) share of the queries."""
        return np.asarray(self.available / self.available.sum())

    @property
    def caps(self) -> Ints | None:
        """(H,) the most that can be drawn; None = any number."""
        return self.available if self.finite else None


@dataclass(frozen=True, slots=True)
class Spread:
    """How a per-query figure varies.

    Attributes:
        mean: Over all queries.
        total: Standard deviation of a query drawn from all.
        within: (H,) standard deviation within each stratum.
        n: Queries that were observed.
    """

    mean: float
    total: float
    within: Floats
    n: int

    def scaled(self, factor: float) -> Spread:
        """The same with every variance times `factor`."""
        root = float(np.sqrt(max(factor, 0.0)))
        return Spread(self.mean, self.total * root, self.within * root, self.n)


def spread_of(values: Floats, strata: Ints, population: Population) -> Spread:
    """How observed per-query values vary, each stratum weighted by its share of the queries.

    Few values tell a variance badly, and Neyman's allocation would chase their noise; so strata's
    variances are moderated towards their common one, the more the less they really differ. What
    strata's means differ by is freed of what chance alone would make of it.

    Args:
        values: (n,) values; NaN ones are left out.
        strata: (n,) stratum of each, 0 … H - 1.
        population: The strata; one without observed values gets the common variance.

    Raises:
        InputError: Fewer than 2 values.
    """
    defined = ~np.isnan(values)
    values, strata = values[defined], strata[defined]
    if len(values) < 2:
        raise InputError(
            f"{len(values)} graded queries have a value; a plan needs at least 2 to see how "
            "queries vary. Grade more, or use another metric"
        )
    count = len(population.names)
    n = np.bincount(strata, minlength=count)
    sums = np.bincount(strata, weights=values, minlength=count)
    means = np.divide(sums, n, out=np.zeros(count), where=n > 0)
    squares = np.bincount(strata, weights=(values - means[strata]) ** 2.0, minlength=count)
    whole = float(np.var(values, ddof=1))
    df = np.maximum(n - 1, 0).astype(np.float64)
    within = moderated(np.asarray(squares, dtype=np.float64), df, fallback=whole)
    shares = np.where(n > 0, population.shares, 0.0)
    shares = shares / shares.sum()
    mean = float(shares @ means)
    noise = np.divide(shares * (1 - shares) * within, n, out=np.zeros(count), where=n > 0)
    between = max(float(shares @ (means - mean) ** 2 - noise.sum()), 0.0)
    return Spread(
        mean=mean,
        total=float(np.sqrt(population.shares @ within + between)),
        within=np.sqrt(within),
        n=len(values),
    )


def moderated(squares: Floats, df: Floats, *, fallback: float) -> Floats:
    """(H,) variances of groups, moderated towards their common one.

    Args:
        squares: (H,) sum of squared deviations from the group's mean.
        df: (H,) their degrees of freedom; 0 where nothing is known.
        fallback: The common variance where no group has any.
    """
    if df.sum() == 0:
        return np.full(len(df), fallback)
    common = float(squares.sum() / df.sum())
    known = df > 0
    variances = np.divide(squares, df, out=np.full(len(df), common), where=known)
    prior = _prior_df(variances[known], df[known], common)
    if np.isinf(prior):
        return np.full(len(df), common)
    return np.asarray((prior * common + df * variances) / (prior + df), dtype=np.float64)


def standard_error(spread: Spread, population: Population, n: int, draw: str) -> float:
    """Standard error of the mean over n queries drawn so."""
    if draw == SRS:
        left = 1 - n / population.available.sum() if population.finite else 1.0
        return float(spread.total * np.sqrt(max(left, 0.0) / n))
    counts = allocation(spread, population, n, draw)
    shares = population.shares
    variance = shares**2 * spread.within**2 / counts
    if population.finite:
        variance = variance * (1 - counts / population.available)
    return float(np.sqrt(max(variance.sum(), 0.0)))


def allocation(spread: Spread, population: Population, n: int, draw: str) -> Ints:
    """(H,) queries of each stratum; of a random sample those that are expected of it.

    Raises:
        InputError: n is too small for the strata, or more than there are.
    """
    sizes = population.shares * (spread.within if draw == NEYMAN else 1.0)
    if not sizes.any():
        sizes = population.shares
    minimum = 0 if draw == SRS else MINIMUM
    return allocate(n, sizes, minimum=minimum, caps=population.caps)


def detectable(error: float, level: float = 0.95, power: float = 0.8, df: float = 1e9) -> float:
    """Smallest true difference that a two-sided t test at `level` finds with `power`."""
    return (t_quantile(level, df) + t_quantile(2 * power - 1, df)) * error


def half_width(error: float, level: float = 0.95, df: float = 1e9) -> float:
    """Half the width of a t interval."""
    return t_quantile(level, df) * error


def required(
    figure_of: Callable[[int], float], target: float, *, least: int = 2, most: int = MOST
) -> int | None:
    """The fewest queries whose figure is at most `target`; None if `most` do not do.

    Args:
        figure_of: Figure of n queries, such as their standard error; must not grow with n.
        target: Figure wanted.
        least: Queries needed in any case.
        most: Queries that can be had.
    """
    if least > most or figure_of(most) > target:
        return None
    low, high = least, least
    while figure_of(high) > target:
        low, high = high, min(2 * high, most)
    while low < high:
        middle = (low + high) // 2
        if figure_of(middle) > target:
            low = middle + 1
        else:
            high = middle
    return high


def _prior_df(variances: Floats, df: Floats, common: float) -> float:
    """Degrees of freedom that the common variance is worth; infinite if the groups do not differ.

    From the spread of the logarithms of the groups' variances beyond what their degrees of freedom
    explain (Smyth 2004, equation 10).
    """
    if len(variances) < 2 or common == 0:
        return float("inf")
    from scipy.special import digamma, polygamma

    floored = np.maximum(variances, 1e-4 * common)
    logs = np.log(floored) - digamma(df / 2) + np.log(df / 2)
    beyond = float(np.var(logs, ddof=1) - polygamma(1, df / 2).mean())
    return 2 * _inverse_trigamma(beyond) if beyond > 0 else float("inf")


def _inverse_trigamma(value: float) -> float:
    """X with trigamma(x) = value, by Newton's steps on 1 / trigamma."""
    from scipy.special import polygamma

    x = 0.5 + 1 / value
    for _ in range(50):
        now = float(polygamma(1, x))
        step = now * (1 - now / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x
