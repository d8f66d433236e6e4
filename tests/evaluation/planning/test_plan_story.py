"""The story of arXiv 2509.03764 on a simulated population: from MDE 1.3-1.5 % to 0.25 % or less.

Queries of eight interests × three popularities; popular queries have more good Pins, rare ones vary
more and are moved more by a new ranking. Two systems rank the same Pins of a query by scores that
share most of their noise. The figure is sDCG@25 of 50 Pins, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from evaluation.metrics import parse
from evaluation.planning import Population, spread_of
from evaluation.planning.designs import Design, difference_designs
from evaluation.planning.observed import Target, plan_ranking
from evaluation.ranking import code_queries, score_queries

Floats = NDArray[np.float64]

PINS = 50
POPULARITIES = {
    "high": (0.2, 3.9, 0.6, 0.3),
    "middle": (0.3, 3.2, 0.9, 1.2),
    "low": (0.5, 2.4, 1.2, 3.0),
}
"""Share of the queries; mean and spread of their Pins' grades; own noise of each system."""


@dataclass(frozen=True, slots=True)
class Story:
    """Tables, per-query figures of both systems and strata of a population."""

    tables: dict[str, pl.DataFrame]
    values: Floats
    strata: NDArray[np.int64]
    population: Population


def story(size: int = 6_000, seed: int = 0) -> Story:
    rng = np.random.default_rng(seed)
    names = list(POPULARITIES)
    popularity = rng.choice(3, size=size, p=[share for share, *_ in POPULARITIES.values()])
    interest = rng.integers(8, size=size)
    mean, spread, own = (np.array([v[i] for v in POPULARITIES.values()]) for i in (1, 2, 3))
    level = mean[popularity] + 0.08 * (interest - 3.5) + 0.55 * rng.normal(size=size)
    pins = level[:, None] + spread[popularity][:, None] * rng.normal(size=(size, PINS))
    grades = np.clip(np.rint(pins), 1, 5)
    shared = pins + 1.0 * rng.normal(size=pins.shape)
    noise = own[popularity][:, None]
    ids = np.repeat([f"q{i:05d}" for i in range(size)], PINS)
    pins_of = np.tile([f"p{j:02d}" for j in range(PINS)], size)
    pairs = pl.DataFrame({"query_id": ids, "pin_id": pins_of})

    def run(name: str) -> pl.DataFrame:
        score = (shared + noise * rng.normal(size=pins.shape)).ravel()
        return pairs.with_columns(system=pl.lit(name), score=pl.Series(score))

    qrels = pairs.with_columns(grade=pl.Series(grades.ravel().astype(np.int64)))
    runs = [run("production"), run("candidate")]
    measure = parse("sDCG@25")
    coded = code_queries(qrels, runs)
    values = np.stack([score_queries(r, coded, [measure]).values[measure] for r in runs])
    strata = interest * 3 + popularity
    queries = pl.DataFrame({
        "query_id": coded.ids, "segment": [f"interest {i}" for i in interest],
        "popularity": [names[p] for p in popularity],
    })  # fmt: skip
    tables = {"baseline": runs[0], "candidate": runs[1], "qrels": qrels, "queries": queries}
    labels = tuple(f"{i}:{p}" for i in range(8) for p in names)
    people = Population(labels, np.bincount(strata, minlength=24))
    return Story(tables, values, strata, people)


@pytest.fixture(scope="module")
def told() -> Story:
    return story()


def designs_of(told: Story) -> dict[str, Design]:
    old, new = told.values
    spreads = [spread_of(v, told.strata, told.population) for v in (old, new, new - old)]
    return {d.name: d for d in difference_designs(*spreads, told.population)}


def shares(told: Story, n: int) -> dict[str, float]:
    """Minimum detectable effect of each design, as a share of the baseline's mean."""
    mean = float(told.values[0].mean())
    return {name: d.detectable(n) / mean for name, d in designs_of(told).items()}


def test_pairing_brings_most_strata_little_and_neyman_the_rest(told: Story) -> None:
    designs = designs_of(told)
    wanted = 0.014 * float(told.values[0].mean())
    n = designs["unpaired"].required(designs["unpaired"].detectable, wanted)
    assert n is not None
    found = shares(told, n)
    assert found["unpaired"] == pytest.approx(0.014, abs=1e-4)
    assert found["paired"] < 0.2 * found["unpaired"]  # pairing: 1.40 % → 0.24 %
    assert found["paired+strata"] == pytest.approx(found["paired"], rel=0.01)
    assert found["paired+neyman"] < 0.95 * found["paired"]  # Neyman on top: 0.22 %
    assert found["paired+neyman"] <= 0.0025
    assert found["unpaired+strata"] < 0.75 * found["unpaired"]  # strata alone: 0.97 %
    assert found["unpaired+neyman"] <= found["unpaired+strata"]


def test_the_plan_from_tables_says_the_same(told: Story) -> None:
    tables = told.tables
    results = plan_ranking(
        tables["baseline"], tables["qrels"], tables["queries"], candidate=tables["candidate"],
        metrics="sDCG@25", strata="segment:popularity", target=Target(n=3_000),
    )  # fmt: skip
    for name, share in shares(told, 3_000).items():
        row = results.find(f"mde(sDCG@25,design={name})")
        assert row is not None
        assert row.value == pytest.approx(share * told.values[0].mean(), rel=1e-6)


@pytest.mark.slow
def test_designs_scatter_as_planned(told: Story) -> None:
    """Errors of 2,000 measurements of each kind, against the planned standard error."""
    rng = np.random.default_rng(1)
    old, new = told.values
    n, by_stratum = 600, [np.flatnonzero(told.strata == h) for h in range(24)]
    for name, design in designs_of(told).items():
        kind, _, draw = name.partition("+")
        counts = design.counts(n)

        def mean(values: Floats, draw: str = draw, counts: NDArray[np.int64] = counts) -> float:
            if not draw:
                return float(rng.choice(values, n).mean())
            parts = [rng.choice(values[rows], c).mean()
                     for rows, c in zip(by_stratum, counts, strict=True)]  # fmt: skip
            return float(told.population.shares @ parts)

        found = [mean(new - old) if kind == "paired" else mean(new) - mean(old)
                 for _ in range(2_000)]  # fmt: skip
        assert np.std(found) == pytest.approx(design.error(n), rel=0.06), name
