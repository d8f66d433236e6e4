"""Weighted estimates from our draws, on the built-in world: unbiased, or nearly so."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest

from annotation.sampling import ranked_pool
from annotation.sampling.allotment import Amount
from annotation.sampling.drawing import QUERIES, Design, draw
from annotation.sampling.forecast import expected
from annotation.sampling.frame import Frame, make_frame
from annotation.sampling.moments import moments
from annotation.sampling.uncertainty import sizes_of
from evaluation.pointwise import evaluate_grades
from evaluation.ranking import evaluate_ranking
from evaluation.sampled import evaluate_sampled_grades, evaluate_sampled_ranking
from relevance.world import WorldConfig, make_world

KEY = ["query_id", "pin_id"]
BUDGET = Amount("minutes", 300.0)
"""The default: 300 minutes, three opinions of 15 s a pair: about 400 pairs of 2,500."""

LINEAR, RATIOS = ("P@8", "DCG@20", "accuracy"), ("nDCG@20", "AUROC@4")


@cache
def population():
    """Frame, runs, true grades and an honest but noisy teacher of a world of 110 queries."""
    world = make_world(WorldConfig(seed=3, queries={"US": 110}, users=400))
    runs = [world.runs_production, world.runs_candidate]
    frame = make_frame(ranked_pool(runs, 20), world.queries, ("country", "segment"))
    truth = frame.rows.select(KEY).join(world.truth.select(*KEY, "grade"), on=KEY)
    rng = np.random.default_rng(0)
    grades = truth["grade"].to_numpy()
    seen = grades + rng.normal(0, 0.9, len(grades))
    p = np.exp(-((np.arange(1, 6) - seen[:, None]) ** 2) / 1.2)
    columns = {f"p{k + 1}": pl.Series((p / p.sum(axis=1, keepdims=True))[:, k]) for k in range(5)}
    teacher = truth.select(KEY).with_columns(**columns)
    return frame, pl.concat(runs), truth, teacher


@cache
def true_values(metrics: tuple[str, ...]) -> dict[tuple[str, str], float]:
    _, runs, truth, teacher = population()
    rows = [
        *(evaluate_ranking(runs, truth, metrics=ranked(metrics), reps=0)),
        *(evaluate_grades(teacher, truth, metrics=pointwise(metrics), reps=0)),
    ]
    return values_of(rows, metrics)


def ranked(metrics):
    return [name for name in metrics if name not in ("accuracy", "AUROC@4")]


def pointwise(metrics):
    return [name for name in metrics if name in ("accuracy", "AUROC@4")]


def values_of(rows, metrics) -> dict[tuple[str, str], float]:
    return {
        (row.system, row.metric): row.value
        for row in rows
        if row.slice == "all" and row.metric in metrics
    }


def estimates(frame: Frame, design: Design, reps: int, metrics: tuple[str, ...]):
    """(figures, reps) estimates of every figure, and the figures' names."""
    _, runs, truth, teacher = population()
    candidates = frame.rows.select(KEY)
    out: dict[tuple[str, str], list[float]] = {name: [] for name in true_values(metrics)}
    for seed in range(reps):
        samples = draw(frame, replace(design, seed=seed)).samples
        graded = truth.join(samples.select(KEY), on=KEY)
        given = {"samples": samples, "reps": 0}
        rows = [
            *evaluate_sampled_ranking(
                runs, graded, candidates=candidates, metrics=ranked(metrics), **given
            ),
            *evaluate_sampled_grades(teacher, graded, metrics=pointwise(metrics), **given),
        ]
        for name, value in values_of(rows, metrics).items():
            out[name].append(value)
    return out


def check(found, metrics) -> None:
    """Linear figures: no bias beyond chance; the others: less than a quarter of their error."""
    for name, values in found.items():
        error = np.std(values, ddof=1)
        bias = np.mean(values) - true_values(metrics)[name]
        chance = 3.5 / np.sqrt(len(values))
        allowed = chance if name[1] in LINEAR else 0.25
        print(f"{name[0]:<12} {name[1]:<9} bias {bias:+.4f}  se {error:.4f}  {bias / error:+.3f}")
        assert abs(bias) < allowed * error, (name, bias, error)


@pytest.mark.slow
def test_whole_queries_give_every_figure():
    frame = population()[0]
    metrics = (*LINEAR, *RATIOS)
    design = Design(unit=QUERIES, amount=BUDGET)
    drawn = draw(frame, design)
    assert 350 < drawn.samples.height < 450
    found = estimates(frame, design, 220, metrics)
    check(found, metrics)
    for system in ("production", "candidate"):
        told = expected(drawn, moments(frame.rows, "P@8", system, predictions=population()[3]))
        realised = np.std(found[system, "P@8"])  # of one list of queries, so a bit less
        assert 0.7 * told["US"].error < realised < 1.1 * told["US"].error


@pytest.mark.slow
def test_single_pairs_give_every_figure():
    metrics = (*LINEAR, *RATIOS)
    check(estimates(population()[0], Design(amount=BUDGET), 200, metrics), metrics)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "rank_weight"), [("entropy", "none"), ("relevance", "p@8"), ("gain", "dcg@20")]
)
def test_pairs_drawn_by_size_give_what_is_linear(size, rank_weight):
    frame, _, _, teacher = population()
    sizes = sizes_of(frame.rows.drop("size"), size, predictions=teacher, rank_weight=rank_weight)
    sized = replace(frame, rows=frame.rows.with_columns(pl.Series("size", sizes)))
    check(estimates(sized, Design(amount=BUDGET), 100, LINEAR), LINEAR)


@pytest.mark.slow
def test_pairs_known_before_leave_no_bias():
    """The production system's first Pins were graded before: certain, and far from random."""
    frame, _, _, _ = population()
    known = frame.rows.filter(pl.col("rank of production") <= 4)
    marked = replace(frame, rows=frame.rows.with_columns(judged=pl.col("rank of production") <= 4))
    marked = replace(marked, rows=marked.rows.with_columns(pl.col("judged").fill_null(value=False)))
    drawn = draw(marked, Design(amount=BUDGET))
    assert drawn.samples.filter("judged").height == known.height
    check(estimates(marked, Design(amount=BUDGET), 80, LINEAR), LINEAR)
