from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import jensenshannon

from annotation.sampling.active import (
    disagreement,
    draw_training,
    pair_vectors,
    spread_out,
    worth,
)
from annotation.sampling.allotment import Amount
from annotation.sampling.costs import Costs
from annotation.sampling.drawing import Design
from annotation.sampling.frame import make_frame
from annotation.sampling.overlap import Overlap
from annotation.sampling.pace import Pace
from relevance.errors import InputError

QUERIES = pl.DataFrame(
    {"query_id": ["a", "b", "c"], "country": ["US", "US", "FR"], "language": ["en", "en", "fr"]}
)
PAIRS = QUERIES.select("query_id").join(
    pl.DataFrame({"pin_id": [f"p{i}" for i in range(20)]}), how="cross"
)
DESIGN = Design(draw="training", amount=Amount("units", 6))


def predictions(p: np.ndarray, pairs: pl.DataFrame = PAIRS) -> pl.DataFrame:
    columns = {f"p{k + 1}": pl.Series(p[:, k]) for k in range(5)}
    return pairs.select("query_id", "pin_id").with_columns(**columns)


def beliefs(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(5, 0.4), PAIRS.height)


def test_disagreement_is_jensen_shannon():
    p, q = beliefs(0), beliefs(1)
    expected = [jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, q, strict=True)]
    assert disagreement(p, q) == pytest.approx(expected)
    apart = disagreement(np.eye(5)[:1], np.eye(5)[1:2])
    assert apart == pytest.approx([1.0])


def test_worth_is_uncertainty_and_disagreement():
    flat, sure = np.full((PAIRS.height, 5), 0.2), np.tile(np.eye(5)[0], (PAIRS.height, 1))
    assert worth(PAIRS, predictions(flat)) == pytest.approx(1)
    assert worth(PAIRS, predictions(sure)) == pytest.approx(0)
    other = predictions(np.tile(np.eye(5)[4], (PAIRS.height, 1)))
    assert worth(PAIRS, predictions(sure), other) == pytest.approx(0.5)
    some = worth(PAIRS, predictions(flat)[1:], other[:5])
    assert np.isnan(some[0])
    assert some[9] == pytest.approx(1)  # the student has not seen it


def test_the_most_unsure_are_chosen_country_by_country():
    teacher = predictions(beliefs())
    drawn = draw_training(make_frame(PAIRS, QUERIES), DESIGN, teacher)
    counts = drawn.group_by("stratum").len()
    assert dict(counts.iter_rows()) == {"US": 6, "FR": 6}
    values = PAIRS.with_columns(worth=pl.Series(worth(PAIRS, teacher)))
    best = values.filter(query_id="c").sort("worth", descending=True)["pin_id"][:6]
    assert set(drawn.filter(query_id="c")["pin_id"]) == set(best)
    assert set(drawn["draw"]) == {"training"}
    alone = make_frame(PAIRS, QUERIES.filter(country="FR"))
    assert draw_training(alone, DESIGN, teacher).equals(drawn.filter(stratum="FR"))


def test_graded_and_drawn_pairs_are_not_chosen_and_minutes_are_kept():
    teacher = predictions(beliefs())
    first = draw_training(make_frame(PAIRS, QUERIES), DESIGN, teacher)
    known = PAIRS.filter(query_id="a")
    frame = make_frame(PAIRS, QUERIES, judged=known, asked=first)
    costs = Costs(Overlap(2), Pace(30))
    design = Design(draw="training", amount=Amount("minutes", 5), costs=costs)
    then = draw_training(frame, design, teacher)
    assert dict(then.group_by("stratum").len().iter_rows()) == {"US": 5, "FR": 5}
    assert set(then["overlap"]) == {2}
    assert then.join(first, on=["query_id", "pin_id"]).is_empty()
    assert "a" not in set(then["query_id"])


def test_chosen_pairs_are_unlike_each_other():
    """Three tight clusters of equal worth: three choices are one of each."""
    rng = np.random.default_rng(0)
    centres = np.eye(3)[np.repeat([0, 1, 2], [50, 8, 2])]
    vectors = (centres + rng.normal(0, 1e-3, centres.shape)).astype(np.float32)
    for seed in range(20):
        chosen = spread_out(np.ones(60), vectors, 3, np.random.default_rng(seed))
        assert len(set(centres[chosen].argmax(axis=1))) == 3
    everything = spread_out(np.ones(60), np.zeros((60, 3), np.float32), 60, rng)
    assert sorted(everything) == list(range(60))
    first = spread_out(np.arange(60.0), vectors, 1, rng)
    assert first.tolist() == [59]


def test_embeddings_stand_side_by_side_at_length_one():
    queries = pl.DataFrame({"query_id": ["a", "b"], "search": [[3.0, 4.0], [0.0, 2.0]]})
    pins = pl.DataFrame({"pin_id": ["p0"], "search": [[5.0, 0.0]]})
    pairs = pl.DataFrame({"query_id": ["a", "z"], "pin_id": ["p0", "p1"]})
    found = pair_vectors(pairs, queries, pins)
    assert found == pytest.approx(np.array([[0.6, 0.8, 1, 0], [0, 0, 0, 0]]))


def test_a_diverse_draw_follows_the_seed_and_spreads_over_queries():
    rng = np.random.default_rng(3)
    queries = pl.DataFrame(
        {"query_id": ["a", "b", "c"], "search": rng.normal(size=(3, 4)).tolist()}
    )
    pins = pl.DataFrame({"pin_id": [f"p{i}" for i in range(20)],
                         "search": rng.normal(size=(20, 4)).tolist()})  # fmt: skip
    teacher = predictions(np.full((PAIRS.height, 5), 0.2))
    frame = make_frame(PAIRS, QUERIES)
    drawn = draw_training(frame, DESIGN, teacher, None, (queries, pins))
    assert drawn.equals(draw_training(frame, DESIGN, teacher, None, (queries, pins)))
    assert set(drawn.filter(stratum="US")["query_id"]) == {"a", "b"}
    assert drawn.filter(stratum="FR").height == 6


def test_mistakes_are_told():
    frame = make_frame(PAIRS, QUERIES)
    with pytest.raises(InputError, match="no measure sample can be made of them"):
        draw_training(frame, Design(amount=Amount("units", 6)), predictions(beliefs()))
    with pytest.raises(InputError, match="no candidate pair has a prediction"):
        draw_training(frame, Design(draw="training"), predictions(beliefs())[:0])
