"""Coefficients of agreement as functions of sums over graded pairs, and how they are spelled.

A pair that m annotators graded is a row of columns (`pair_columns`); every coefficient but κ is a
smooth function of the sums of these columns, and so also of the sums over resampled queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from relevance.errors import InputError, did_you_mean

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Coefficient = Callable[[Floats, Floats], Floats]
"""(…, m) sums of columns, (K,) levels → (…) figures."""

WEIGHTINGS = ("none", "ordinal", "linear", "quadratic")
MEASURES = (
    "alpha(nominal)",
    "alpha(ordinal)",
    "alpha(interval)",
    "kappa(weights=quadratic)",
    "AC1",
    "AC2(weights=ordinal)",
    "within1",
)
"""What is shown unless something else is asked for."""


def agreement_weights(levels: Floats, weighting: str) -> Floats:
    """(K, K) agreement weights of two levels: 1 on the diagonal, less the further apart.

    `none` is 1 for equal levels only; `ordinal` 1 - C(|k - l| + 1, 2) / C(K, 2) of their ranks;
    `linear` and `quadratic` 1 - (|a - b| / range)^1 or 2 of their values.

    References:
        Gwet, Handbook of Inter-Rater Reliability, 4th ed. 2014, ch. 3.
    """
    n_levels = len(levels)
    if weighting == "none":
        return np.eye(n_levels)
    if weighting == "ordinal":
        apart = np.abs(np.subtract.outer(np.arange(n_levels), np.arange(n_levels)))
        off = apart * (apart + 1) / max(n_levels * (n_levels - 1), 1)
        return np.asarray(1.0 - off, dtype=np.float64)
    span = max(float(np.ptp(levels)), 1e-300)
    power = {"linear": 1, "quadratic": 2}[weighting]
    return np.asarray(1.0 - (np.abs(np.subtract.outer(levels, levels)) / span) ** power)


def pair_columns(counts: Floats, levels: Floats) -> Floats:
    """(U, m) columns of pairs whose sums the coefficients are functions of.

    They are the upper triangle of the coincidence matrix, each ordered couple of grades weighing
    1 / (grades - 1) (Krippendorff 2011, step B); then, as the tail: 1 if graded twice; 1 if graded;
    the share of each level; the share of couples that agree, by each of `WEIGHTINGS`, and that are
    within 1.

    Args:
        counts: (U, K) annotators who gave each level.
        levels: (K,) values of the levels.
    """
    size = counts.sum(axis=1)
    several = (size >= 2).astype(np.float64)
    row, column = np.triu_indices(len(levels))
    together = counts[:, row] * (counts[:, column] - (row == column))
    together *= (several / np.where(size >= 2, size - 1, 1.0))[:, None]
    agreed = together @ _triangles(levels) / np.maximum(size, 1)[:, None]
    shares = counts / np.maximum(size, 1)[:, None]
    graded = (size > 0).astype(np.float64)
    return np.column_stack([together, several, graded, shares, agreed])


def against_rest(counts: Floats, own: Ints, levels: Floats) -> Floats:
    """(U, m) columns of one grade of a pair against its other grades.

    The columns of `pair_columns` for a pair with two grades: the one, and the mean of the others.

    Args:
        counts: (U, K) annotators who gave each level, the others alone.
        own: (U,) the one's index of level.
        levels: (K,) values of the levels.
    """
    one = np.eye(len(levels))[own]
    rest = counts / np.maximum(counts.sum(axis=1), 1)[:, None]
    row, column = np.triu_indices(len(levels))
    together = one[:, row] * rest[:, column] + one[:, column] * rest[:, row]
    agreed = together @ _triangles(levels) / 2
    some = (counts.sum(axis=1) > 0).astype(np.float64)
    columns = np.column_stack([together, some, some, (one + rest) / 2, agreed])
    return np.asarray(columns * some[:, None], dtype=np.float64)


def n_cells(levels: Floats) -> int:
    """Cells of the upper triangle, the columns before the tail."""
    return len(levels) * (len(levels) + 1) // 2


def columns_for(measure: str, columns: Floats, levels: Floats) -> Floats:
    """Those of `pair_columns` that a coefficient needs."""
    cells = n_cells(levels)
    return columns[:, :cells] if measure.startswith(("alpha", "specific")) else columns[:, cells:]


def alpha(sums: Floats, levels: Floats, *, metric: str) -> Floats:
    """Krippendorff's α: 1 at most, 0 for grades by chance.

    Args:
        sums: (…, m) sums of `pair_columns`.
        levels: (K,) values of the levels.
        metric: `nominal`, `ordinal`, `interval` or `ratio`.

    Returns:
        (…) α; NaN where all grades are equal (no variation to agree on).

    Raises:
        InputError: `ratio` with a negative level.

    References:
        Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011.
    """
    row, column = np.triu_indices(len(levels))
    apart = np.flatnonzero(row != column)
    low, high = row[apart], column[apart]
    totals = level_totals(sums, levels)
    distance = _distance(totals, levels, metric, low, high)
    observed = np.sum(sums[..., apart] * distance, axis=-1)
    by_chance = np.sum(totals[..., low] * totals[..., high] * distance, axis=-1)
    return _one_minus((totals.sum(axis=-1) - 1) * observed, by_chance)


def gwet(sums: Floats, levels: Floats, *, weighting: str) -> Floats:
    """Gwet's AC1 (`weighting` none) or AC2.

    Args:
        sums: (…, m) sums of the tail of `pair_columns`, or of all of them.
        levels: (K,) values of the levels.
        weighting: One of `WEIGHTINGS`.

    Returns:
        (…) coefficient, 1 at most; NaN without a pair with two grades.

    References:
        Gwet, Handbook of Inter-Rater Reliability, 4th ed. 2014, ch. 2-3. Grades by chance are
        estimated from all graded pairs, also those with one grade.
    """
    n, weights = len(levels), agreement_weights(levels, weighting)
    several, graded, shares_end = -n - 7, -n - 6, -5
    with np.errstate(invalid="ignore", divide="ignore"):
        agreed = sums[..., shares_end + WEIGHTINGS.index(weighting)] / sums[..., several]
        shares = sums[..., graded + 1 : shares_end] / sums[..., graded, None]
        spread = np.sum(shares * (1 - shares), axis=-1)
        by_chance = weights.sum() / (n * max(n - 1, 1)) * spread
        return np.asarray((agreed - by_chance) / (1 - by_chance), dtype=np.float64)


def within_one(sums: Floats, levels: Floats) -> Floats:
    """(…) mean over pairs of the share of couples of grades at most 1 apart."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., -1] / sums[..., -len(levels) - 7], dtype=np.float64)


def specific(sums: Floats, levels: Floats, *, level: int | None = None) -> Floats:
    """(…) specific agreement: how often a second annotator gives the level that a first one gave.

    Args:
        sums: (…, m) sums of `pair_columns`.
        levels: (K,) values of the levels.
        level: Index of the level; None = over all, that is how often two annotators are equal.

    References:
        Cicchetti & Feinstein, J. Clin. Epidemiol. 1990; many raters: Uebersax 1982.
    """
    return _given(sums, levels, level, np.eye(len(levels)))


def within_one_of(sums: Floats, levels: Floats, *, level: int) -> Floats:
    """(…) how often a second annotator is within 1 of a first one who gave that level."""
    return _given(sums, levels, level, _near(levels))


def alpha_of(sums: Floats, levels: Floats, *, level: int) -> Floats:
    """(…) nominal α of one level against the rest: is it told apart from the others?"""
    row, column = np.triu_indices(len(levels))
    own = int(np.flatnonzero((row == level) & (column == level))[0])
    totals = level_totals(sums, levels)
    given, n = totals[..., level], totals.sum(axis=-1)
    return _one_minus((n - 1) * (given - sums[..., own]), given * (n - given))


def level_totals(sums: Floats, levels: Floats) -> Floats:
    """(…, K) grades of each level in the coincidences: those of pairs with two or more."""
    return np.asarray(sums[..., : n_cells(levels)] @ _margins(len(levels)), dtype=np.float64)


KAPPAS: Mapping[str, str] = {
    f"kappa(weights={weighting})": weighting for weighting in ("quadratic", "linear", "none")
}
"""Spelling of Cohen's κ → how it weighs (`evaluation.agreement.couples`)."""

COEFFICIENTS: Mapping[str, Coefficient] = {
    **{
        f"alpha({metric})": partial(alpha, metric=metric)
        for metric in ("nominal", "ordinal", "interval", "ratio")
    },
    "AC1": partial(gwet, weighting="none"),
    **{
        f"AC2(weights={weighting})": partial(gwet, weighting=weighting)
        for weighting in WEIGHTINGS[1:]
    },
    "within1": within_one,
    "specific": specific,
}
"""Every other coefficient by its spelling."""

OF_LEVEL: Mapping[str, Callable[..., Floats]] = {
    "alpha(nominal)": alpha_of,
    "within1": within_one_of,
    "specific": specific,
}
"""Those that one grade alone has."""


def named(text: str | Iterable[str]) -> tuple[str, ...]:
    """Coefficients as they are spelled in the table.

    Args:
        text: Comma-separated, or one each.

    Raises:
        InputError: One is unknown.
    """
    names = text.split(",") if isinstance(text, str) else list(text)
    known = [*COEFFICIENTS, *KAPPAS]
    found = tuple("".join(name.split()) for name in names)
    for name in found:
        if name not in known:
            raise InputError(
                f"agreement {name!r} is unknown.{did_you_mean(name, known)} "
                f"Use one of {', '.join(known)}"
            )
    return tuple(dict.fromkeys(found))


def disagreement(levels: Floats, weighting: str) -> Floats:
    """(K, K) how much two levels disagree: 0 or 1 (`none`), |a - b| or (a - b)²."""
    apart = np.abs(np.subtract.outer(levels, levels))
    if weighting == "none":
        return np.asarray(apart > 0, dtype=np.float64)
    return np.asarray(apart if weighting == "linear" else apart**2, dtype=np.float64)


def _distance(totals: Floats, levels: Floats, metric: str, low: Ints, high: Ints) -> Floats:
    """(…, T) squared distance of the levels `low` and `high`."""
    if metric == "ordinal":
        place = np.cumsum(totals, axis=-1) - totals / 2
        return np.asarray((place[..., high] - place[..., low]) ** 2, dtype=np.float64)
    if metric == "nominal":
        return np.ones(len(low))
    if metric == "interval":
        return np.asarray((levels[high] - levels[low]) ** 2, dtype=np.float64)
    if np.any(levels < 0):
        raise InputError(f"alpha(ratio) needs grades from 0 on, the scale has {levels.min():g}")
    relative = (levels[high] - levels[low]) / (levels[high] + levels[low])
    return np.asarray(relative**2, dtype=np.float64)


def _given(sums: Floats, levels: Floats, level: int | None, wanted: Floats) -> Floats:
    """(…) share of coincidences with `level` (any, if None) whose other grade is wanted."""
    row, column = np.triu_indices(len(levels))
    chosen = np.ones(len(levels)) if level is None else np.eye(len(levels))[level]
    couple = wanted * (chosen[:, None] + chosen[None, :]) / np.where(np.eye(len(levels)) > 0, 2, 1)
    totals = level_totals(sums, levels) @ chosen
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., : len(row)] @ couple[row, column] / totals, dtype=np.float64)


def _one_minus(observed: Floats, by_chance: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(by_chance > 0, 1.0 - observed / by_chance, np.nan)


def _near(levels: Floats) -> Floats:
    near = np.abs(np.subtract.outer(levels, levels)) <= 1
    return np.asarray(near, dtype=np.float64)


def _triangles(levels: Floats) -> Floats:
    """(T, 5) agreement of the couples of an upper triangle, both orders: `WEIGHTINGS`, within 1."""
    row, column = np.triu_indices(len(levels))
    matrices = [agreement_weights(levels, weighting) for weighting in WEIGHTINGS]
    both = np.where(row == column, 1.0, 2.0)
    return np.stack([matrix[row, column] * both for matrix in [*matrices, _near(levels)]], axis=1)


@cache
def _margins(n_levels: int) -> Floats:
    """(T, K) what a cell of the upper triangle adds to the total of each level."""
    row, column = np.triu_indices(n_levels)
    found = np.zeros((len(row), n_levels))
    found[np.arange(len(row)), row] = 1.0
    found[np.arange(len(row)), column] = 1.0
    return found
