"""One more opinion where the posterior says that it pays, instead of the same number everywhere."""

from __future__ import annotations

import numpy as np
import polars as pl

from annotation.adjudicate import Adjudication
from annotation.graders.coded import Floats, Ints
from annotation.queue.gain import expected_gain, loss_matrix
from annotation.queue.pairs import QUEUE_COLUMNS, Doubts, with_samples, within_budget

LEAST_GAIN = 0.02
"""Expected reduction of the loss by one vote below which it is not asked for."""


def extra_queue(
    found: Doubts,
    made: Adjudication,
    *,
    samples: pl.DataFrame | None = None,
    locales: pl.DataFrame | None = None,
    minutes: float | None = None,
    least: float = LEAST_GAIN,
    loss: str = "absolute",
) -> pl.DataFrame:
    """The pairs whose expected loss falls most by a second of somebody's time, those first.

    The next vote comes from one of the annotators of the pair's locale who have not judged it; how
    they err is the mean of their confusions, weighed by their number of votes there.

    Args:
        found: What is known of the pairs; settled ones are left out.
        made: The adjudication behind it, for its confusions.
        samples: Table `samples`, whose probabilities and draws go along.
        locales: query_id, locale; None if anybody may judge any pair.
        minutes: Budget in minutes of annotators; None for all that are worth `least`.
        least: Least expected reduction of the loss by the vote.
        loss: What a wrong grade costs, a key of `queue.gain.LOSSES`.

    Returns:
        `QUEUE_COLUMNS`, the most valuable first. `worth` is the expected reduction of the loss a
        minute (in grades for the absolute loss). `overlap` counts opinions beyond the first round:
        1, or more where earlier judgments have the purpose `extra…`.
    """
    home, names = _homes(found, locales)
    confusion, free = _next_voter(found, made, home, len(names))
    gain = expected_gain(found.posterior, confusion, loss_matrix(found.levels, loss))
    rows = (
        found.frame.with_columns(
            pl.Series("gain", gain),
            pl.Series("free", free),
            pl.Series("overlap", _earlier(found) + 1),
        )
        .with_columns((pl.col("gain") / pl.col("seconds") * 60).alias("worth"))
        .filter(~pl.col("settled") & pl.col("free") & (pl.col("n_votes") > 0))
        .filter(pl.col("gain") >= least)
        .with_columns(
            pl.format("one vote gains {} {}", pl.col("gain").round(3), pl.lit(_unit(loss))).alias(
                "reason"
            )
        )
        .sort([-pl.col("worth").round(9), "query_id", "pin_id"])
    )
    return with_samples(within_budget(rows, minutes), samples).select(QUEUE_COLUMNS)


def _unit(loss: str) -> str:
    return {"absolute": "grades", "quadratic": "grades²"}.get(loss, "errors")


def _homes(found: Doubts, locales: pl.DataFrame | None) -> tuple[Ints, list[str]]:
    """(U,) code of each pair's locale, and the locales."""
    if locales is None:
        return np.zeros(found.panel.n_pairs, dtype=np.int64), [""]
    known = locales.select("query_id", pl.col("locale").fill_null("")).unique(
        "query_id", keep="first", maintain_order=True
    )
    of_pair = found.panel.pairs.join(known, on="query_id", how="left", maintain_order="left")
    locale = of_pair["locale"].fill_null("")
    names = locale.unique().sort()
    codes = names.search_sorted(locale).to_numpy()
    return np.asarray(codes, dtype=np.int64), names.to_list()


def _next_voter(
    found: Doubts, made: Adjudication, home: Ints, n_homes: int
) -> tuple[Floats, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """(U, K, K) how the next voter of each pair errs; (U,) whether anybody is left."""
    panel, k = found.panel, len(found.levels)
    n = panel.n_people
    given = made.confusions or {}
    pooled = np.mean(list(given.values()), axis=0) if given else np.full((k, k), 1 / k)
    confusions = np.stack([np.asarray(given.get(name, pooled)) for name in panel.people])
    cell = home[panel.judged] * n + panel.judge
    votes = np.bincount(cell, minlength=n_homes * n).reshape(n_homes, n).astype(np.float64)
    total = votes.sum(axis=1)
    mixed = np.einsum("ha,akl->hkl", votes, confusions)
    # Without those who judged the pair already.
    own = votes[home[panel.judged], panel.judge]
    left = total[home] - np.bincount(panel.judged, own, minlength=panel.n_pairs)
    confusion = mixed[home]
    np.subtract.at(confusion, panel.judged, own[:, None, None] * confusions[panel.judge])
    free = left > 0.5
    confusion /= np.where(free, left, 1.0)[:, None, None]
    return np.maximum(confusion, 0.0), free


def _earlier(found: Doubts) -> Ints:
    """(U,) extra opinions that each pair has."""
    purpose = found.panel.column("purpose")
    if purpose is None:
        return np.zeros(found.panel.n_pairs, dtype=np.int64)
    extra = purpose.fill_null("").str.starts_with("extra").to_numpy()
    return np.bincount(found.panel.judged[extra], minlength=found.panel.n_pairs).astype(np.int64)
