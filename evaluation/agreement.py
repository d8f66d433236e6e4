"""Agreement between annotators: Krippendorff's α, weighted κ, Gwet's AC1/AC2, share within one.

Everything is a function of sums over graded pairs (coincidences, shares, pairwise moments), so an
interval is those sums over resampled queries, put through the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.intervals import REPLICATES, Estimate, combine, estimate_function
from evaluation.slices import Group, groups_of, note_of, total_weights
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale
from relevance.results import Results, Row

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_QUERIES = 30  # below, pairs are resampled instead of queries
MEASURES = (
    "alpha(nominal)",
    "alpha(ordinal)",
    "alpha(interval)",
    "kappa(weights=quadratic)",
    "AC1",
    "AC2(weights=ordinal)",
    "within1",
)


@dataclass(frozen=True, slots=True)
class Graded:
    """Grades of U pairs, coded.

    Attributes:
        query: (U,) code of each pair's query.
        counts: (U, K) annotators who gave each level.
        levels: (K,) the levels, ascending.
        moments: (U, 6 A) for each of A couples of annotators who both graded the pair: 1, x, y, x²,
            y², xy; 0 where they did not. Sparse.
    """

    query: Ints
    counts: Floats
    levels: Floats
    moments: csr_array


def agreement(
    judgments: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    by: str | Sequence[str] | None = None,
    scale: GradeScale = FIVE,
    level: float = 0.95,
    seed: int = 0,
    reps: int = REPLICATES,
) -> Results:
    """How far annotators agree on the grades of the same pairs.

    Args:
        judgments: A `judgments` table; empty grades are left out, of an annotator's several grades
            of one pair the latest counts.
        queries: A `queries` table, for `by` and traffic.
        by: Column or columns of `queries` to split by.
        scale: Scale of the grades; its levels are the categories (those found, if it has none).
        level: Confidence level.
        seed: Seed of the resampling.
        reps: Number of resamplings.

    Returns:
        A block a coefficient: all, groups, (mean), (traffic). `n` counts pairs with two grades or
        more, `n_undefined` pairs with fewer. Intervals resample queries; below 30 queries they
        resample pairs, with the note `resampled_pairs`.

    Raises:
        InputError: No judgment has a grade, or one is off the scale.
    """
    latest = _latest(judgments)
    ids = latest["query_id"].unique().sort()
    groups = groups_of(ids, queries, by)
    graded = _coded(latest, ids, scale)
    blocks: dict[str, list[Row]] = {measure: [] for measure in MEASURES}
    for name in dict.fromkeys(group.slice for group in groups):
        members = [group for group in groups if group.slice == name]
        found = {g.key: _group_estimates(graded, g, seed=seed, reps=reps) for g in members}
        for measure in MEASURES:
            cells = {g.key: found[g.key].cells[measure] for g in members}
            for g in members:
                blocks[measure].append(_row(measure, g, found[g.key], cells[g.key], level))
            if name != "all":
                blocks[measure] += _totals(measure, members, found, level)
    return Results(tuple(row for rows in blocks.values() for row in rows))


def krippendorff_alpha(coincidences: Floats, levels: Floats, metric: str) -> Floats:
    """Krippendorff's α from coincidence matrices.

    Args:
        coincidences: (…, K, K) symmetric coincidence matrices (Krippendorff 2011, step B).
        levels: (K,) values of the levels.
        metric: `nominal`, `ordinal` or `interval`.

    Returns:
        (…) α, 1 at most; NaN where all grades are equal (no variation to agree on).
    """
    totals = coincidences.sum(axis=-1)
    n = totals.sum(axis=-1)
    distance = _distance(totals, levels, metric)
    observed = np.sum(coincidences * distance, axis=(-2, -1))
    by_chance = np.sum(totals[..., :, None] * totals[..., None, :] * distance, axis=(-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(by_chance > 0, 1.0 - (n - 1) * observed / by_chance, np.nan)


def gwet(sums: Floats, weights: Floats) -> Floats:
    """Gwet's AC1 (identity weights) or AC2 from sums over pairs.

    Args:
        sums: (…, 3 + K): weighted agreement and number of pairs with two grades or more, number of
            pairs with a grade, and the sum over them of the share of each level.
        weights: (K, K) agreement weights, 1 on the diagonal.

    Returns:
        (…) coefficient, 1 at most; NaN without a pair with two grades.

    References:
        Gwet, Handbook of Inter-Rater Reliability, 4th ed. 2014, ch. 2-3.
    """
    n_levels = len(weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        agreed = sums[..., 0] / sums[..., 1]
        shares = sums[..., 3:] / sums[..., 2:3]
        spread = np.sum(shares * (1 - shares), axis=-1)
        by_chance = weights.sum() / (n_levels * max(n_levels - 1, 1)) * spread
        return np.asarray((agreed - by_chance) / (1 - by_chance), dtype=np.float64)


def ordinal_weights(n_levels: int) -> Floats:
    """(K, K) Gwet's ordinal agreement weights: 1 - C(|k - l| + 1, 2) / C(K, 2)."""
    apart = np.abs(np.subtract.outer(np.arange(n_levels), np.arange(n_levels)))
    off = apart * (apart + 1) / max(n_levels * (n_levels - 1), 1)
    return np.asarray(1.0 - off, dtype=np.float64)


def quadratic_kappa(moments: Floats) -> Floats:
    """Mean of Cohen's quadratic κ over couples of annotators, weighted by the pairs they share.

    Args:
        moments: (…, A, 6) sums of 1, x, y, x², y², xy over the pairs that each couple shares.

    Returns:
        (…) κ; couples whose grades do not vary have none and are left out; NaN if none has one.
    """
    n, x, y, xx, yy, xy = np.moveaxis(moments, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_chance = xx + yy - 2 * x * y / n
        kappa = 1.0 - (xx + yy - 2 * xy) / by_chance
        varies = (n > 0) & (by_chance > 1e-9)
        weight = np.where(varies, n, 0.0)
        mean = np.sum(np.where(varies, kappa, 0.0) * weight, axis=-1) / weight.sum(axis=-1)
    return np.asarray(mean, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Found:
    """A group's estimates by measure, and its counts."""

    cells: Mapping[str, Estimate | None]
    n: int
    n_single: int
    notes: Mapping[str, int | None]


def _latest(judgments: pl.DataFrame) -> pl.DataFrame:
    """The judgments that count: graded, and the latest of an annotator on a pair."""
    key = ["query_id", "pin_id", "annotator"]
    if "created_at" in judgments.columns:
        judgments = judgments.sort("created_at", nulls_last=False, maintain_order=True)
    latest = judgments.unique(key, keep="last", maintain_order=True)
    latest = latest.filter(pl.col("grade").is_not_null()).select(*key, "grade")
    if latest.is_empty():
        raise InputError(
            "the judgments have no grade. Give a file with query_id, pin_id, annotator, grade"
        )
    return latest.sort(key)


def _coded(latest: pl.DataFrame, ids: pl.Series, scale: GradeScale) -> Graded:
    levels = np.array(scale.levels or sorted(latest["grade"].unique().to_list()), dtype=np.float64)
    off = latest.filter(~pl.col("grade").cast(pl.Float64).is_in(levels.tolist()))
    if not off.is_empty():
        first = off.row(0, named=True)
        raise InputError(
            f"grade must be {scale.describe()}, got {first['grade']} for query "
            f"{first['query_id']!r}, pin {first['pin_id']!r}. Name the scale with --scale"
        )
    index = ids.to_frame("query_id").with_row_index("code")
    pairs = latest.select("query_id", "pin_id").unique().sort("query_id", "pin_id")
    pairs = pairs.with_row_index("pair").join(index, on="query_id", maintain_order="left")
    rows = latest.join(pairs, on=["query_id", "pin_id"]).sort("pair", "annotator")
    pair = rows["pair"].to_numpy().astype(np.int64)
    level = np.searchsorted(levels, rows["grade"].to_numpy())
    counts = np.bincount(pair * len(levels) + level, minlength=len(pairs) * len(levels))
    return Graded(
        query=pairs["code"].to_numpy().astype(np.int64),
        counts=counts.reshape(len(pairs), len(levels)).astype(np.float64),
        levels=levels,
        moments=_moments(rows, len(pairs)),
    )


def _moments(rows: pl.DataFrame, n_pairs: int) -> csr_array:
    """(U, 6 A) sparse moments of the grades of every couple of annotators on each pair."""
    from scipy.sparse import csr_array

    one = rows.select("pair", "annotator", grade=pl.col("grade").cast(pl.Float64))
    couples = one.join(one, on="pair", suffix="_b").filter(
        pl.col("annotator") < pl.col("annotator_b")
    )
    names = couples.select("annotator", "annotator_b").unique().sort("annotator", "annotator_b")
    couples = couples.join(names.with_row_index("couple"), on=["annotator", "annotator_b"])
    x, y = couples["grade"].to_numpy(), couples["grade_b"].to_numpy()
    values = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)
    pair = np.repeat(couples["pair"].to_numpy().astype(np.int64), 6)
    column = couples["couple"].to_numpy().astype(np.int64)[:, None] * 6 + np.arange(6)
    return csr_array(
        (values.ravel(), (pair, column.ravel())), shape=(n_pairs, 6 * max(len(names), 1))
    )


def _group_estimates(graded: Graded, group: Group, *, seed: int, reps: int) -> _Found:
    from scipy.sparse import csr_array

    inside = np.isin(graded.query, group.queries)
    counts, query = graded.counts[inside], graded.query[inside]
    several = counts.sum(axis=1) >= 2
    n_queries = len(np.unique(query[several]))
    notes: dict[str, int | None] = {}
    unit = np.unique(query, return_inverse=True)[1]
    if n_queries < MIN_QUERIES:
        notes["resampled_pairs"] = None
        unit = np.arange(len(query))
    n, n_single = int(several.sum()), int((~several).sum())
    if n == 0:
        return _Found(dict.fromkeys(MEASURES), 0, n_single, {"no_pair_graded_twice": None})
    into = csr_array((np.ones(len(unit)), (unit, np.arange(len(unit)))))
    columns = into @ _columns(counts, graded.levels)
    function = _coefficients(graded.levels)
    found = estimate_function(columns, function, seed=seed, key=group.key, reps=reps)
    moments = into @ graded.moments[np.flatnonzero(inside)]
    kappa = estimate_function(moments, _kappa, seed=seed, key=group.key, reps=reps)
    alphas, gwets = found[:3], found[3:]
    cells = dict(zip(MEASURES, [*alphas, *kappa, *gwets], strict=True))
    return _Found(cells, n, n_single, notes)


def _columns(counts: Floats, levels: Floats) -> Floats:
    """(U, K² + 5 + K) per pair: coincidences; agreement under each weighting; counts; shares."""
    size = counts.sum(axis=1)
    several = (size >= 2).astype(np.float64)
    others = np.where(size >= 2, size - 1, 1.0)
    together = counts[:, :, None] * counts[:, None, :]
    together -= np.eye(len(levels)) * counts[:, None, :]
    together *= (several / others)[:, None, None]
    flat = together.reshape(len(counts), -1)
    agreed = [flat @ weights.ravel() / np.maximum(size, 1) for weights in _weightings(levels)]
    shares = counts / np.maximum(size, 1)[:, None]
    graded = (size > 0).astype(np.float64)
    return np.column_stack([flat, *agreed, several, graded, shares])


def _weightings(levels: Floats) -> tuple[Floats, Floats, Floats]:
    near = (np.abs(np.subtract.outer(levels, levels)) <= 1).astype(np.float64)
    return np.eye(len(levels)), ordinal_weights(len(levels)), near


def _coefficients(levels: Floats) -> Callable[[Floats], Floats]:
    """The function from sums of `_columns` to α nominal, ordinal, interval, AC1, AC2, within1."""
    n = len(levels)
    identity, ordinal, _ = _weightings(levels)

    def coefficients(sums: Floats) -> Floats:
        matrix = sums[..., : n * n].reshape(*sums.shape[:-1], n, n)
        first, second, near, several = np.moveaxis(sums[..., n * n : n * n + 4], -1, 0)
        rest = sums[..., n * n + 3 :]  # pairs with two grades, with a grade, shares
        alphas = [krippendorff_alpha(matrix, levels, m) for m in ("nominal", "ordinal", "interval")]
        ac1 = gwet(np.concatenate([first[..., None], rest], axis=-1), identity)
        ac2 = gwet(np.concatenate([second[..., None], rest], axis=-1), ordinal)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack([*alphas, ac1, ac2, near / several], axis=-1)

    return coefficients


def _kappa(sums: Floats) -> Floats:
    return quadratic_kappa(sums.reshape(*sums.shape[:-1], -1, 6))[..., None]


def _distance(totals: Floats, levels: Floats, metric: str) -> Floats:
    """(…, K, K) squared distance of two levels."""
    if metric == "nominal":
        return np.broadcast_to(1.0 - np.eye(len(levels)), (*totals.shape, len(levels)))
    if metric == "interval":
        place = np.broadcast_to(levels, totals.shape)
    elif metric == "ordinal":
        place = np.cumsum(totals, axis=-1) - totals / 2
    else:
        raise InputError(f"α metric must be nominal, ordinal or interval, got {metric!r}")
    return (place[..., :, None] - place[..., None, :]) ** 2


def _row(measure: str, group: Group, found: _Found, estimate: Estimate | None, level: float) -> Row:
    value = None if estimate is None or np.isnan(estimate.value) else estimate.value
    ends = estimate.interval(level) if estimate is not None else None
    notes = dict(found.notes)
    if estimate is not None and value is None:
        notes["no_variation"] = None
    return Row(
        metric=measure,
        slice=group.slice,
        group=group.name,
        value=value,
        ci_low=ends[0] if ends else None,
        ci_high=ends[1] if ends else None,
        n=found.n,
        n_undefined=found.n_single,
        note=note_of(notes),
    )


def _totals(
    measure: str, groups: Sequence[Group], found: Mapping[str, _Found], level: float
) -> list[Row]:
    known = [
        (group, estimate)
        for group in groups
        if (estimate := found[group.key].cells[measure]) is not None
        and not np.isnan(estimate.value)
    ]
    rows = []
    for name, weights in total_weights([group for group, _ in known]).items():
        estimate = combine([e for _, e in known], weights) if known else None
        counts: dict[str, int | None] = {
            "groups": len(known),
            "undefined_groups": len(groups) - len(known),
        }
        total = _Found(
            cells={},
            n=sum(found[group.key].n for group, _ in known),
            n_single=sum(found[group.key].n_single for group in groups),
            notes=counts if known else {**counts, "no_group": None},
        )
        block = Group(groups[0].slice, name, np.zeros(0, dtype=np.int64))
        rows.append(_row(measure, block, total, estimate, level))
    return rows
