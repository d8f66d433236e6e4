"""Uniform overlap against one more opinion where it pays, on the built-in world."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl

from annotation.adjudicate import adjudicated
from annotation.queue import doubts, extra_queue
from relevance.grades import FIVE
from relevance.world import GRADERS, grade_pairs, make_world, true_grades_of

MOST = 7


def votes_in_turn(n_pairs: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Judgments with `turn` (the n-th opinion on the pair), and the truth."""
    world = make_world()
    everybody = tuple(dict.fromkeys(language for who in GRADERS for language in who.languages))
    graders = [dataclasses.replace(who, languages=everybody, abstains=0.0) for who in GRADERS]
    pairs = world.pairs.select("query_id", "pin_id").sample(n_pairs, seed=seed)
    so_far, parts = None, []
    for turn in range(1, MOST + 1):
        drawn = grade_pairs(world, pairs, n_graders=turn, seed=seed, graders=graders)
        key = ["query_id", "pin_id", "annotator"]
        new = drawn if so_far is None else drawn.join(so_far, on=key, how="anti")
        parts.append(new.with_columns(turn=pl.lit(turn)))
        so_far = drawn
    return pl.concat(parts), true_grades_of(world, pairs)


def quality(judgments: pl.DataFrame, truth: pl.DataFrame, method: str) -> tuple[float, float]:
    """Accuracy and mean absolute error of the adjudicated grades."""
    made = adjudicated(judgments, method, FIVE)
    found = made.pairs.with_columns(pl.Series("found", made.grades)).join(
        truth, on=["query_id", "pin_id"]
    )
    off = np.abs((found["found"] - found["grade"]).to_numpy())
    return float((off == 0).mean()), float(off.mean())


def adaptive(
    votes: pl.DataFrame, truth: pl.DataFrame, labels: list[int], method: str, loss: str, batch: int
) -> list[tuple[int, float, float]]:
    """(labels, accuracy, error) when every further opinion goes where it gains most."""
    key = ["query_id", "pin_id"]
    wanted = truth.select(key).with_columns(n=pl.lit(2))
    curve, goals = [], sorted(labels)
    while goals:
        have = votes.join(wanted, on=key).filter(pl.col("turn") <= pl.col("n"))
        if have.height >= goals[0]:
            curve.append((have.height, *quality(have, truth, method)))
            goals.pop(0)
            continue
        made = adjudicated(have, method, FIVE)
        found = doubts(have.drop("turn", "n", "seconds"), made, FIVE)
        queue = extra_queue(found, made, least=0.0, loss=loss)
        open_ = queue.join(wanted.filter(pl.col("n") < MOST), on=key, how="semi")
        chosen = open_.head(min(batch, goals[0] - have.height))
        more = pl.col("asked").fill_null(value=False).cast(pl.Int32)
        wanted = wanted.join(chosen.select(*key, asked=True), on=key, how="left").select(
            *key, (pl.col("n") + more).alias("n")
        )
    return curve
