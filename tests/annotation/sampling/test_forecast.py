from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import t

from annotation.sampling.allotment import Amount
from annotation.sampling.drawing import QUERIES, Design, draw
from annotation.sampling.forecast import expected, expected_of_queries
from annotation.sampling.frame import make_frame
from annotation.sampling.moments import moments, split_measure, systems_of
from annotation.sampling.pooling import ranked_pool
from annotation.sampling.uncertainty import sizes_of
from relevance.errors import InputError

COUNT, DEPTH, K = 30, 10, 8
KEY = ["query_id", "pin_id"]


def beliefs(seed=1):
    """(N, 5) a teacher's probabilities, and grades drawn from them."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(5, 0.5), COUNT * DEPTH)
    return p, 1 + (rng.random((len(p), 1)) > p.cumsum(axis=1)[:, :-1]).sum(axis=1)


QUERIES_TABLE = pl.DataFrame({"query_id": [f"q{i:02}" for i in range(COUNT)]}).with_columns(
    country=pl.lit("US"), language=pl.lit("en")
)
PLACES = pl.DataFrame({"pin_id": [f"p{i}" for i in range(DEPTH)], "score": range(DEPTH, 0, -1)})
RUN = QUERIES_TABLE.select("query_id").join(PLACES, how="cross").with_columns(system=pl.lit("old"))
P, GRADES = beliefs()
PAST = RUN.select(KEY).with_columns(pl.Series("grade", GRADES))
TEACHER = RUN.select(KEY).with_columns(**{f"p{k + 1}": pl.Series(P[:, k]) for k in range(5)})
FRAME = make_frame(ranked_pool([RUN], DEPTH), QUERIES_TABLE)
ROWS = FRAME.rows


def relevant_at_8() -> np.ndarray:
    own = ROWS.join(PAST, on=KEY, how="left", maintain_order="left")
    return ((own["grade"] >= 4) & (own["rank"] <= K)).to_numpy().astype(float) / K


def test_whole_queries_have_the_textbook_interval():
    y = relevant_at_8().reshape(COUNT, DEPTH).sum(axis=1)
    drawn = draw(FRAME, Design(unit=QUERIES, amount=Amount("units", 6)))
    found = expected(drawn, moments(ROWS, "P@8", "old", past=PAST))["US"]
    assert found.value == pytest.approx(y.mean())
    assert found.error == pytest.approx(y.std(ddof=1) / np.sqrt(6))
    assert found.half_width == pytest.approx(t.ppf(0.975, 5) * found.error)
    figures = pl.DataFrame({"query_id": QUERIES_TABLE["query_id"], "mean": y, "noise": 0.0})
    same = expected_of_queries(drawn, figures)["US"]
    assert same.error == pytest.approx(found.error)
    some = expected_of_queries(drawn, figures[:9])["US"]
    assert some.error == pytest.approx(y[:9].std(ddof=1) / np.sqrt(6), rel=0.02)


def test_random_pairs_have_the_textbook_interval():
    z = relevant_at_8() / COUNT
    size, n = len(z), 60
    within = size**2 * (1 - n / size) * z.var(ddof=1) / n
    between = COUNT * z.reshape(COUNT, DEPTH).sum(axis=1).var(ddof=1)
    drawn = draw(FRAME, Design(amount=Amount("units", n)))
    found = expected(drawn, moments(ROWS, "P@8", past=PAST))["US"]
    assert found.error == pytest.approx(np.sqrt(within + between))
    whole = expected(draw(FRAME, Design()), moments(ROWS, "P@8", past=PAST))["US"]
    assert whole.error == pytest.approx(np.sqrt(between))


@pytest.mark.parametrize(("measure", "size"), [("P@8", "relevance"), ("accuracy", "loss")])
def test_what_a_teacher_expects_is_what_draws_give(measure, size):
    """Grades drawn from the teacher's probabilities, weighted estimates of many draws."""
    sizes = sizes_of(ROWS.drop("size"), size, predictions=TEACHER)
    frame = replace(FRAME, rows=ROWS.with_columns(pl.Series("size", sizes)))
    drawn = draw(frame, Design(amount=Amount("units", 70)))
    known = moments(ROWS, measure, predictions=TEACHER)
    between = expected(draw(FRAME, Design()), known)["US"].error ** 2
    within = expected(drawn, known)["US"].error ** 2 - between
    p = TEACHER.join(ROWS.select(KEY), on=KEY).select(f"p{k}" for k in range(1, 6)).to_numpy()
    rng = np.random.default_rng(0)
    chance = drawn.frame.rows["probability"].to_numpy()
    found = []
    for _ in range(1500):
        grade = 1 + (rng.random((len(p), 1)) > p.cumsum(axis=1)[:, :-1]).sum(axis=1)
        own = (p.argmax(axis=1) + 1 == grade) if measure == "accuracy" else (grade >= 4)
        y = own * known.weight / (known.weight.sum() if measure == "accuracy" else COUNT)
        at = np.flatnonzero(_drawn(chance, rng))
        if measure == "accuracy":  # a ratio of two weighted totals
            found.append((y[at] / chance[at]).sum() / (1 / chance[at] / len(p)).sum() - y.sum())
        else:
            found.append((y[at] / chance[at]).sum() - y.sum())
    assert np.sqrt(within) == pytest.approx(np.std(found), rel=0.08)
    assert expected(drawn, known)["US"].value == pytest.approx(
        (p.max(axis=1) if measure == "accuracy" else p[:, 3:].sum(axis=1) * known.weight * DEPTH)
        .mean()
    )  # fmt: skip


def _drawn(chance, rng):
    from annotation.sampling.unequal import systematic

    hit = np.zeros(len(chance), dtype=bool)
    hit[systematic(chance, rng)] = True
    return hit


def test_unknown_values_vary_like_the_known_ones():
    some = PAST.filter(pl.col("query_id") < "q15")
    drawn = draw(FRAME, Design(unit=QUERIES, amount=Amount("units", 6)))
    part = expected(drawn, moments(ROWS, "P@8", past=some))["US"]
    y = relevant_at_8().reshape(COUNT, DEPTH).sum(axis=1)[:15]
    assert part.error == pytest.approx(y.std(ddof=1) / np.sqrt(6), rel=0.05)
    assert expected(drawn, moments(ROWS, "P@8")) == {}
    assert expected_of_queries(drawn, pl.DataFrame({"query_id": ["q01"], "mean": [1.0],
                                                    "noise": [0.0]})) == {}  # fmt: skip


def test_nothing_is_told_of_a_country_without_a_draw():
    drawn = draw(FRAME, Design(amount=Amount("units", named={"FR": 3})))
    assert expected(drawn, moments(ROWS, "P@8", past=PAST)) == {}


def test_moments_are_those_of_the_figure():
    assert systems_of(ROWS) == ["old"]
    dcg = moments(ROWS, "DCG@3", past=PAST)
    ranks = ROWS["rank"].to_numpy()
    assert dcg.weight == pytest.approx(np.where(ranks <= 3, 1 / np.log2(1 + ranks), 0))
    own = ROWS.join(PAST, on=KEY, how="left", maintain_order="left")["grade"].to_numpy()
    assert dcg.mean == pytest.approx(own - 1.0)
    both = moments(ROWS, "accuracy", past=PAST[:5], predictions=TEACHER[:100])
    assert (both.weight > 0).sum() == 100
    assert set(both.mean[:5]) <= {0.0, 1.0}
    assert (both.noise[:5] == 0).all()
    best = TEACHER.select(f"p{k}" for k in range(1, 6)).to_numpy().max(axis=1)
    assert both.mean[5:100] == pytest.approx(best[5:100])
    assert moments(ROWS, "P@8").known is False


def test_figures_that_are_no_sums_are_told():
    assert split_measure("DCG@20") == ("DCG", 20)
    for wrong in ("nDCG@20", "P", "P@0", "accuracy@3"):
        with pytest.raises(InputError, match="is no sum over single pairs"):
            split_measure(wrong)
    with pytest.raises(InputError, match="accuracy is that of a teacher"):
        moments(ROWS, "accuracy")
    with pytest.raises(InputError, match="needs the ranks of a run"):
        moments(ROWS.drop("rank"), "P@8")
