"""A plan from tables: observed variances in; queries, pairs, hours and cost out, as long rows.

Rows of a measure M: `mean(M)`; `half_width(M,design=…)` of the baseline's level and
`mde(M,design=…)` of the difference at the number of queries looked at; `gain(M,from=…)`, the share
of the variance that pairing, strata and Neyman's allocation take away one after the other;
`queries(M,design=…)` that the target needs; and, of the best design, the budget: `queries(M)`,
`pairs(M)`, `judgments(M)`, `hours(M)`, `cost(M)` in all and for each group, `queries(M)` for each
stratum, and `queries(M,graders=…)`, `judgments(M,graders=…)` with other numbers of graders a pair.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from evaluation.metrics import RANKING, Measure, parse_all
from evaluation.planning import spread_of
from evaluation.planning.budget import Costs, budget_rows
from evaluation.planning.designs import Design, difference_designs, level_designs
from evaluation.planning.inputs import Observed, observe, seconds_of
from evaluation.planning.noise import Noise
from evaluation.ranking import empty_is_zero, named
from relevance.errors import InputError
from relevance.grades import FIVE, GradeScale
from relevance.results import Results, Row

GRADERS = (1, 2, 3, 5)
"""Numbers of graders a pair that are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is wanted; without any, the plan says what the number of queries at hand can do.

    Attributes:
        mde: True difference to be found with `power`.
        half_width: Half the width of the interval of the baseline's level.
        relative: Whether these are shares of the baseline's mean.
        n: Queries to look at; None = as many as are graded.
        level: Confidence level.
        power: Chance to find the difference.
    """

    mde: float | None = None
    half_width: float | None = None
    relative: bool = False
    n: int | None = None
    level: float = 0.95
    power: float = 0.8

    def wanted(self, mean: float) -> float | None:
        """The difference or half-width wanted, absolute; None without a target."""
        amount = self.half_width if self.mde is None else self.mde
        return None if amount is None else amount * (mean if self.relative else 1.0)

    def figure(self, what: str, design: Design, n: int) -> float:
        """The `mde` or `half_width` of n queries a system."""
        if what == "mde":
            return design.detectable(n, self.level, self.power)
        return design.half_width(n, self.level)


def plan_ranking(
    baseline: pl.DataFrame,
    qrels: pl.DataFrame,
    queries: pl.DataFrame | None = None,
    *,
    candidate: pl.DataFrame | None = None,
    judgments: pl.DataFrame | None = None,
    metrics: str | Sequence[str | Measure] = ("nDCG@20",),
    by: str | Sequence[str] | None = None,
    strata: str | Sequence[str] | None = None,
    target: Target | None = None,
    costs: Costs | None = None,
    correlation: float | None = None,
    finite: bool = False,
    scale: GradeScale = FIVE,
    ties: str = "docid",
    empty: str | None = None,
    seed: int = 0,
    seen: Collection[str] = frozenset(),
    allow_seen: bool = False,
) -> Results:
    """What a wanted interval or detectable difference takes, from graded queries at hand.

    Args:
        baseline: A `runs` table of one system.
        qrels: Grades of some queries: they show how queries vary.
        queries: A `queries` table; needed for `by` and `strata`.
        candidate: A `runs` table of the other system; None = only the baseline's level is planned,
            unless `correlation` is given.
        judgments: Single grades: how graders differ, and how long they take.
        metrics: Measures, or how they are spelled.
        by: Columns to show the budget by; they are strata too.
        strata: Further columns to draw by; `popularity` is thirds of traffic.
        target: What is wanted; None = nothing.
        costs: Graders, pace and pay; None = 3 graders, 15 seconds a judgment, no pay.
        correlation: Of the two systems' values over queries, *assumed* in place of a candidate that
            varies like the baseline.
        finite: As in `planning.Population`.
        scale: Scale of the grades.
        ties: As in `evaluate_ranking`.
        empty: As in `evaluate_ranking`.
        seed: Seed of the draws of grades that tell the graders' noise.
        seen: Hashed ids of queries that a model has seen; left out.
        allow_seen: Keep them.

    Returns:
        Rows as the module says; n = queries that the figure rests on or is planned for.

    Raises:
        InputError: A target for a difference with neither candidate nor correlation; a setting out
            of its range; and as `evaluate_ranking`.
    """
    target, costs = target or Target(), costs or Costs()
    _check(target, candidate, correlation)
    measures = parse_all(metrics, families=(RANKING,))
    runs = [
        _one(baseline, "baseline"),
        *([] if candidate is None else [_one(candidate, "candidate")]),
    ]
    by, strata = _columns(by), _columns(strata)
    observed = observe(
        runs, qrels, queries, measures=measures, depths={costs.depth_of(m) for m in measures},
        by=by, strata=strata, judgments=judgments, scale=scale, ties=ties,
        zero=empty_is_zero(empty, scale), finite=finite, seed=seed, seen=seen,
        allow_seen=allow_seen,
    )  # fmt: skip
    pace = seconds_of(judgments, queries, by)
    names = (str(runs[0]["system"][0]), str(runs[-1]["system"][0]))
    rows: list[Row] = []
    for measure in measures:
        one = _Plan(measure, observed, target, costs, correlation, names, scale, ties, empty)
        rows += one.rows(pace, by)
    return Results(tuple(rows))


@dataclass(frozen=True, slots=True)
class _Plan:
    """The plan of one measure."""

    measure: Measure
    observed: Observed
    target: Target
    costs: Costs
    correlation: float | None
    systems: tuple[str, str]
    scale: GradeScale
    ties: str
    empty: str | None

    def rows(self, pace: Mapping[str, float], by: Sequence[str]) -> Iterator[Row]:
        level, difference = self.designs(self.costs.graders)
        mean, observed = level[0].spreads[0].mean, level[0].spreads[0].n
        n = self.target.n or observed
        yield self.row("mean", mean, observed, self._about(level[0]))
        for what, designs in (("half_width", level), ("mde", difference)):
            for design in designs:
                yield self._at(what, design, designs[0], n)
        yield from self._gains(difference, n)
        wanted = self.target.wanted(mean)
        what, designs = self._kind(level, difference)
        if wanted is not None:
            for design in designs:
                yield self._needed(what, design, wanted)
        planned = n if wanted is None else self._required(what, designs[-1], wanted)
        possible = [d for d in designs if planned is not None and d.possible(planned)]
        if planned is None or not possible:
            return
        yield from budget_rows(
            self.row, possible[-1], planned, measure=self.measure, observed=self.observed,
            costs=self.costs, pace=pace, by=by,
        )  # fmt: skip
        if wanted is not None:
            yield from self._graders(wanted)

    def designs(self, graders: int) -> tuple[list[Design], list[Design]]:
        """Designs of the level and of the difference with so many graders a pair."""
        place = self.observed.graded
        values = self.observed.values[self.measure][:, place]
        strata, population = self.observed.strata[place], self.observed.population
        of_level, of_difference = self.observed.noise[self.measure]
        spreads = [
            spread_of(v, strata, population).scaled(of_level.factor(graders)) for v in values
        ]
        if len(values) > 1:
            between = spread_of(values[1] - values[0], strata, population)
            between = between.scaled(of_difference.factor(graders))
        elif self.correlation is not None:
            between = spreads[0].scaled(2 * (1 - self.correlation))
        else:
            return level_designs(spreads[0], population), []
        both = (spreads[0], spreads[-1], between)
        return level_designs(spreads[0], population), difference_designs(*both, population)

    def row(
        self,
        what: str,
        value: float | None,
        n: int,
        note: str = "",
        *,
        option: str = "",
        place: tuple[str, str] = ("all", "all"),
    ) -> Row:
        """A row of the plan; `option` stands after the measure in the name."""
        text = self.measure.text or repr(self.measure)
        return Row(
            metric=f"{what}({text}{',' if option else ''}{option})",
            slice=place[0],
            group=place[1],
            system=self.systems[0] if what in ("mean", "half_width") else self.systems[1],
            value=value,
            n=n,
            note=note,
            definition=self.measure.definition(self.scale, self.ties, self.empty),
        )

    def _kind(self, level: list[Design], difference: list[Design]) -> tuple[str, list[Design]]:
        """What is planned for: the difference where it can be and is not told otherwise."""
        if difference and self.target.half_width is None:
            return "mde", difference
        return "half_width", level

    def _required(self, what: str, design: Design, wanted: float) -> int | None:
        return design.required(lambda n: self.target.figure(what, design, n), wanted)

    def _about(self, design: Design) -> str:
        population = self.observed.population
        parts = [
            f"sd: {design.spreads[0].total:.4f}",
            f"available: {int(population.available.sum())}",
            f"strata: {len(population.names)}",
        ]
        for name, noise in zip(("level", "difference"), self._noise(), strict=False):
            parts.append(
                f"noise_of_{name}: {noise.share:.3f} at {noise.graders:.1f} graders"
                if noise.known
                else f"noise_of_{name}: unknown"
            )
        if self.correlation is not None and self.systems[0] == self.systems[1]:
            parts.append(f"assumed_correlation: {self.correlation:g}")
        return "; ".join(parts)

    def _noise(self) -> tuple[Noise, ...]:
        several = len(self.observed.values[self.measure]) > 1
        return self.observed.noise[self.measure][: 2 if several else 1]

    def _at(self, what: str, design: Design, plain: Design, n: int) -> Row:
        """What n queries can do, beside the plainest design."""
        option = f"design={design.name}"
        if not design.possible(n):
            few = f"too_few: needs {design.least}"
            note = few if n < design.least else f"too_many: {design.most} queries there are"
            return self.row(what, None, n, note, option=option)
        value, mean = self.target.figure(what, design, n), plain.spreads[0].mean
        parts = [] if mean == 0 else [f"relative: {value / mean:.5f}"]
        if not design.varies:
            parts.append("no_variation")
        elif plain.error(n) > 0:
            share = (design.error(n) / plain.error(n)) ** 2
            parts.append(f"variance: {share:.4f} of {plain.name}")
        return self.row(what, value, n, "; ".join(parts), option=option)

    def _gains(self, designs: Sequence[Design], n: int) -> Iterator[Row]:
        """Share of the difference's variance that pairing, strata and Neyman each take away."""
        errors = {d.name: d.error(n) for d in designs if d.possible(n)}
        steps = ("unpaired", "paired", "paired+strata", "paired+neyman")
        for before, after in itertools.pairwise(steps):
            if errors.get(before, 0.0) > 0 and after in errors:
                gain = 1 - (errors[after] / errors[before]) ** 2
                name = after.split("+")[-1] if "+" in after else "pairing"
                yield self.row("gain", gain, n, f"of the variance {before}", option=f"from={name}")

    def _needed(self, what: str, design: Design, wanted: float) -> Row:
        n = self._required(what, design, wanted)
        there = design.population.available
        notes = ["per_system"] if len(design.spreads) > 1 else []
        if not design.varies:
            notes.append("no_variation")
        elif n is None:
            notes.append(f"not_reachable: {there.sum()} queries there are")
        elif (design.counts(n) > there).any():
            notes.append(f"exceeds_available: {there.sum()}")
        return self.row("queries", n, n or 0, "; ".join(notes), option=f"design={design.name}")

    def _graders(self, wanted: float) -> Iterator[Row]:
        """The same target with other numbers of graders, where their noise is known."""
        if not self._noise()[-1].known:
            return
        pairs = self.observed.pairs[self.costs.depth_of(self.measure)]
        for graders in sorted({*GRADERS, self.costs.graders}):
            what, designs = self._kind(*self.designs(graders))
            n = self._required(what, designs[-1], wanted)
            if n is None:
                continue
            judgments = float(designs[-1].counts(n) @ pairs) * graders
            yield self.row("queries", n, n, option=f"graders={graders}")
            yield self.row("judgments", round(judgments), n, option=f"graders={graders}")


def _check(target: Target, candidate: pl.DataFrame | None, correlation: float | None) -> None:
    for name, share in (("level", target.level), ("power", target.power)):
        if not 0 < share < 1:
            raise InputError(f"{name} must be between 0 and 1, got {share:g}")
    for name, wanted in (("mde", target.mde), ("half-width", target.half_width)):
        if wanted is not None and not wanted > 0:
            raise InputError(f"the wanted {name} must be above 0, got {wanted:g}")
    if target.n is not None and target.n < 2:
        raise InputError(f"a plan needs at least 2 queries to look at, got {target.n}")
    if target.mde is not None and target.half_width is not None:
        raise InputError("mde and half-width are two targets. Give one of them")
    if correlation is not None and not -1 <= correlation < 1:
        raise InputError(f"correlation must be at least -1 and below 1, got {correlation:g}")
    if candidate is not None and correlation is not None:
        raise InputError("the candidate shows the correlation itself. Give one of them")
    if target.mde is not None and candidate is None and correlation is None:
        raise InputError(
            "how differences vary cannot be seen in one system. Give a candidate run, or assume "
            "the correlation of the two systems over queries (--correlation 0.9)"
        )


def _one(runs: pl.DataFrame, what: str) -> pl.DataFrame:
    runs = named(runs, default=what)
    systems = runs["system"].unique().sort().to_list()
    if len(systems) != 1:
        found = ", ".join(map(repr, systems)) or "none"
        raise InputError(f"the {what} must be one system, got {found}. Keep the rows of one system")
    return runs


def _columns(names: str | Sequence[str] | None) -> list[str]:
    """`["segment:popularity", "language"]` → the three columns."""
    texts = [names] if isinstance(names, str) else list(names or ())
    return [part for text in texts for part in text.replace(",", ":").split(":") if part]
