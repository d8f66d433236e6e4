"""Two systems on the same queries: paired differences with intervals and honest p-values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from evaluation.intervals import Estimate, Ratio, combine, estimate_all, generator, t_quantile
from evaluation.metrics import RANKING, Measure, parse_all
from evaluation.metrics.lists import Floats
from evaluation.multiplicity import holm
from evaluation.ranking import (
    Coded,
    Scored,
    code_queries,
    empty_is_zero,
    exclusions,
    named,
    score_queries,
    with_judged,
)
from evaluation.slices import Group, groups_of, note_of, total_weights
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale
from relevance.results import ComparisonRow, Results

FLIPS = 10_000
_CELLS = 4_000_000  # signs held at once


@dataclass(frozen=True, slots=True)
class Paired:
    """A measure of both systems on the same queries of one group.

    Attributes:
        baseline: (n,) values of the queries for which both are defined.
        candidate: (n,) likewise.
        n_undefined: Queries for which either is undefined.
        notes: Counts of what is to be known.
    """

    baseline: Floats
    candidate: Floats
    n_undefined: int
    notes: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Stratum:
    """Paired values of one group and the group's share in a total."""

    baseline: Floats
    candidate: Floats
    share: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference; `None` where it cannot be told.

    Attributes:
        value: candidate - baseline.
        interval: Its t interval over queries.
        relative: value / baseline.
        relative_interval: Fieller's; None also where the baseline is not clearly above 0.
        p_value: Sign-flip permutation test of no difference.
    """

    value: float | None = None
    interval: tuple[float, float] | None = None
    relative: float | None = None
    relative_interval: tuple[float, float] | None = None
    p_value: float | None = None


def compare_runs(
    baseline: pl.DataFrame,
    candidate: pl.DataFrame,
    qrels: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    metrics: str | Sequence[str | Measure] = ("nDCG@20", "P@8"),
    by: str | Sequence[str] | None = None,
    scale: GradeScale = FIVE,
    ties: str = "docid",
    empty: str | None = None,
    level: float = 0.95,
    seed: int = 0,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
    flips: int = FLIPS,
) -> Results:
    """Candidate against baseline, paired by query.

    `p_value` is the two-sided sign-flip permutation test on the per-query differences. `p_adjusted`
    is Holm's over a family: all groups of a column × all metrics asked for; the overall rows, the
    `(mean)` rows and the `(traffic)` rows are families of their own. A Judged that nobody asked
    for is shown but not tested.

    Args:
        baseline: A `runs` table of one system.
        candidate: A `runs` table of one system.
        qrels: A `qrels` table.
        queries: A `queries` table, for `by` and traffic.
        metrics: Measures, or how they are spelled.
        by: Column or columns of `queries` to split by.
        scale: Scale of the grades.
        ties: As in `evaluate_ranking`.
        empty: As in `evaluate_ranking`.
        level: Confidence level.
        seed: Seed of resampling and sign flips.
        seen: Hashed ids of queries that a model has seen; left out and counted.
        allow_seen: Keep them, and mark every figure.
        flips: Number of sign flips.

    Returns:
        A block a metric: all, groups, (mean), (traffic). `system` is the candidate, `n` counts
        queries for which both systems have a value.

    Raises:
        InputError: As `evaluate_ranking`; a table with several systems.
    """
    asked = parse_all(metrics, families=(RANKING,))
    measures = with_judged(asked)
    old, new = _one_system(baseline, "baseline"), _one_system(candidate, "candidate")
    coded = code_queries(qrels, [old, new], seen=seen, allow_seen=allow_seen)
    groups = groups_of(coded.ids, queries, by, judged=coded.judged)
    scored = [score_queries(run, coded, measures, scale=scale, ties=ties) for run in (old, new)]
    zero = empty_is_zero(empty, scale)
    name = str(new["system"][0])
    rows = []
    for measure in measures:
        pairs = {g.key: _paired(measure, g, scored, coded, zero=zero) for g in groups}
        block = _Block(measure, name, str(old["system"][0]), pairs, level, seed, flips)
        rows += block.rows(groups, tested=measure in asked)
    return Results(tuple(_adjusted(rows)))


def paired_difference(
    strata: Sequence[Stratum],
    *,
    level: float = 0.95,
    seed: int = 0,
    key: str = "",
    flips: int = FLIPS,
) -> Difference:
    """Difference of two systems' means over paired queries, in one group or a weighted total.

    Args:
        strata: One, or the groups of a total, with shares that sum to 1.
        level: Confidence level.
        seed: Seed of the sign flips.
        key: Name of the group, which also seeds them.
        flips: Number of sign flips.

    Returns:
        The difference; only values without intervals where a stratum has under 2 queries.

    References:
        Fieller, JRSS B 1954, on the paired means; Satterthwaite's degrees of freedom for totals.
    """
    if not strata or any(len(s.baseline) == 0 for s in strata):
        return Difference()
    old = sum(s.share * float(s.baseline.mean()) for s in strata)
    value = sum(s.share * float((s.candidate - s.baseline).mean()) for s in strata)
    relative = value / old if old > 0 else None
    if any(len(s.baseline) < 2 for s in strata):
        return Difference(value=value, relative=relative)
    moments = [_moments(s) for s in strata]
    v_old, v_both, v_new = (float(v) for v in np.sum(moments, axis=0))
    t = t_quantile(level, _degrees_of_freedom(strata, moments))
    variance = max(v_old - 2 * v_both + v_new, 0.0)
    half = t * float(np.sqrt(variance))
    shares = [s.share / len(s.baseline) * (s.candidate - s.baseline) for s in strata]
    return Difference(
        value=value,
        interval=(value - half, value + half),
        relative=relative,
        relative_interval=fieller(old, old + value, v_old=v_old, v_both=v_both, v_new=v_new, t=t),
        p_value=sign_flip(np.concatenate(shares), seed=seed, key=key, flips=flips),
    )


def fieller(
    old: float, new: float, *, v_old: float, v_both: float, v_new: float, t: float
) -> tuple[float, float] | None:
    """Interval of new / old - 1 that inverts the t test of new - (1 + δ) old = 0.

    Args:
        old: Baseline's mean.
        new: Candidate's mean.
        v_old: Variance of the baseline's mean.
        v_both: Covariance of the two means.
        v_new: Variance of the candidate's mean.
        t: Half-width in standard errors.

    Returns:
        Its ends; None where it is unbounded, because the baseline is not clearly above 0.
    """
    a = old**2 - t**2 * v_old
    if old <= 0 or a <= 0:
        return None
    b = old * new - t**2 * v_both
    c = new**2 - t**2 * v_new
    root = float(np.sqrt(max(b**2 - a * c, 0.0)))
    return (b - root) / a - 1.0, (b + root) / a - 1.0


def sign_flip(differences: Floats, *, seed: int = 0, key: str = "", flips: int = FLIPS) -> float:
    """Two-sided p-value of no difference: how often random signs give as large a sum.

    Args:
        differences: (n,) weighted per-query differences.
        seed: Seed of the flips.
        key: Name of the group.
        flips: Number of flips; the smallest possible value is 1 / (flips + 1).
    """
    moved = differences[differences != 0]  # flipping a zero changes nothing
    if len(moved) == 0:
        return 1.0
    rng = generator(seed, f"flip {key}")
    observed = abs(float(moved.sum())) - 1e-12 * float(np.abs(moved).sum())
    chunk = max(1, min(flips, _CELLS // len(moved)))
    extreme = 0
    for start in range(0, flips, chunk):
        size = min(chunk, flips - start)
        signs = rng.integers(2, size=(size, len(moved)), dtype=np.int8) * 2.0 - 1.0
        extreme += int(np.sum(np.abs(signs @ moved) >= observed))
    return (extreme + 1) / (flips + 1)


@dataclass(frozen=True, slots=True)
class _Block:
    """All rows of one measure."""

    measure: Measure
    system: str
    baseline: str
    pairs: Mapping[str, Paired]
    level: float
    seed: int
    flips: int

    def rows(self, groups: Sequence[Group], *, tested: bool) -> list[ComparisonRow]:
        rows: list[ComparisonRow] = []
        estimates = {group.key: self._estimate(group) for group in groups}
        for name in dict.fromkeys(group.slice for group in groups):
            block = [group for group in groups if group.slice == name]
            for group in block:
                pair = self.pairs[group.key]
                strata = [Stratum(pair.baseline, pair.candidate, 1.0)]
                rows.append(self._row(group, strata, estimates[group.key], pair, tested))
            if name != "all":
                rows += self._totals(block, estimates, tested)
        return rows

    def _estimate(self, group: Group) -> Estimate:
        values = self.pairs[group.key].candidate
        statistic = Ratio(values, np.ones(len(values)))
        return estimate_all([statistic], seed=self.seed, key=group.key)[0]

    def _totals(
        self, groups: Sequence[Group], estimates: Mapping[str, Estimate], tested: bool
    ) -> list[ComparisonRow]:
        known = [g for g in groups if len(self.pairs[g.key].candidate)]
        lost = sum(self.pairs[g.key].n_undefined for g in groups)
        rows = []
        for name, weights in total_weights(known).items():
            counts = {"groups": len(known), "undefined_groups": len(groups) - len(known)}
            pair = Paired(np.zeros(0), np.zeros(0), lost, counts)
            strata = [
                Stratum(self.pairs[g.key].baseline, self.pairs[g.key].candidate, w / sum(weights))
                for g, w in zip(known, weights, strict=True)
            ]
            estimate = combine([estimates[g.key] for g in known], weights) if known else None
            total = Group(groups[0].slice, name, np.zeros(0, dtype=np.int64))
            rows.append(self._row(total, strata, estimate, pair, tested))
        return rows

    def _row(
        self,
        group: Group,
        strata: Sequence[Stratum],
        estimate: Estimate | None,
        pair: Paired,
        tested: bool,
    ) -> ComparisonRow:
        d = paired_difference(
            strata, level=self.level, seed=self.seed, key=group.key, flips=self.flips
        )
        ends = estimate.interval(self.level) if estimate else None
        value = estimate.value if estimate and d.value is not None else None
        notes = {f"baseline {self.baseline}": None, **pair.notes}
        if d.relative is not None and d.interval is not None and d.relative_interval is None:
            notes["rel_unbounded"] = None
        if not tested:
            notes["not_tested"] = None
        return ComparisonRow(
            metric=self.measure.text or repr(self.measure),
            slice=group.slice,
            group=group.name,
            system=self.system,
            value=value,
            ci_low=ends[0] if ends else None,
            ci_high=ends[1] if ends else None,
            n=sum(len(s.candidate) for s in strata),
            n_undefined=pair.n_undefined,
            note=note_of(notes),
            baseline=None if value is None or d.value is None else value - d.value,
            difference=d.value,
            difference_ci_low=d.interval[0] if d.interval else None,
            difference_ci_high=d.interval[1] if d.interval else None,
            rel_difference=d.relative,
            rel_difference_ci_low=d.relative_interval[0] if d.relative_interval else None,
            rel_difference_ci_high=d.relative_interval[1] if d.relative_interval else None,
            p_value=d.p_value if tested else None,
        )


def _one_system(runs: pl.DataFrame, what: str) -> pl.DataFrame:
    runs = named(runs, default=what)
    systems = runs["system"].unique().sort().to_list()
    if len(systems) != 1:
        found = ", ".join(map(repr, systems)) or "none"
        raise InputError(f"the {what} must be one system, got {found}. Keep the rows of one system")
    return runs


def _paired(
    measure: Measure, group: Group, scored: Sequence[Scored], coded: Coded, *, zero: bool
) -> Paired:
    kept = group.queries[coded.kept[group.queries]]
    nothing = scored[0].no_relevant[measure][kept]
    both = np.stack([s.values[measure][kept] for s in scored])
    if zero:
        both = np.where(nothing, 0.0, both)
    defined = ~np.isnan(both).any(axis=0)
    old, new = scored
    returned = (old.returned | new.returned)[group.queries]
    notes: dict[str, int | None] = {
        "no_relevant": int(nothing.sum()),
        "missing_baseline": int((~old.returned[kept] & ~nothing).sum()),
        "missing_candidate": int((~new.returned[kept] & ~nothing).sum()),
        "not_judged": int((returned & ~coded.judged[group.queries]).sum()),
        **exclusions(group, coded),
        "rank_disagrees": int((old.rank_disagrees | new.rank_disagrees)[kept].sum()),
    }
    return Paired(both[0, defined], both[1, defined], int((~defined).sum()), notes)


def _moments(stratum: Stratum) -> Floats:
    """Variance of the baseline's mean, covariance, variance of the candidate's, times share²."""
    covariance = np.cov(np.stack([stratum.baseline, stratum.candidate]))
    weight = stratum.share**2 / len(stratum.baseline)
    return np.array([covariance[0, 0], covariance[0, 1], covariance[1, 1]]) * weight


def _degrees_of_freedom(strata: Sequence[Stratum], moments: Sequence[Floats]) -> float:
    """Satterthwaite's; n - 1 for one stratum."""
    parts = np.array([m[0] - 2 * m[1] + m[2] for m in moments])
    free = np.array([len(s.baseline) - 1 for s in strata])
    spread = float(np.sum(parts**2 / free))
    return float(parts.sum() ** 2 / spread) if spread > 0 else float(free.sum())


def _adjusted(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """The rows with Holm's p-values within each family."""
    families: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        if row.p_value is not None:
            kind = row.group if row.group.startswith("(") and row.group != "(unknown)" else "groups"
            families.setdefault((row.slice, kind), []).append(index)
    out = list(rows)
    for members in families.values():
        adjusted = holm([rows[i].p_value or 0.0 for i in members])
        for i, p in zip(members, adjusted, strict=True):
            out[i] = replace(out[i], p_adjusted=float(p))
    return out
