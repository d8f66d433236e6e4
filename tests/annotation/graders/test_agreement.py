from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from annotation.graders.agreement import with_and_without
from annotation.graders.coded import code
from evaluation.agreement import agreement
from relevance.grades import FIVE


def alpha_of(judgments, measure="alpha(ordinal)"):
    return agreement(judgments, measures=measure, reps=0).find(measure).value


@pytest.mark.parametrize("ordered", [True, False])
def test_alphas_are_those_of_the_filtered_judgments(crowd, ordered):
    judgments = crowd(1, people=6, queries=15, guessers=1).judgments
    measure = "alpha(ordinal)" if ordered else "alpha(nominal)"
    found = with_and_without(code(judgments, FIVE), ordered=ordered)
    assert found.whole == pytest.approx(alpha_of(judgments, measure))
    for who in range(6):
        rest = judgments.filter(pl.col("annotator") != f"a{who:03}")
        assert found.without[who] == pytest.approx(alpha_of(rest, measure))
    assert np.argmax(found.gain) == 0
    assert found.gain == pytest.approx(found.without - found.whole)


def test_the_error_of_the_gain_is_that_of_resampled_queries(crowd):
    judgments = crowd(2, people=6, queries=80, pins=3, guessers=1).judgments
    found = with_and_without(code(judgments, FIVE), ordered=True)
    parts = judgments.partition_by("query_id")
    rng, drawn = np.random.default_rng(0), []
    for _ in range(150):
        again = pl.concat(
            parts[at].with_columns(query_id=pl.lit(f"d{place:03}"))
            for place, at in enumerate(rng.integers(0, len(parts), len(parts)))
        )
        drawn.append(with_and_without(code(again, FIVE), ordered=True).gain)
    assert found.error == pytest.approx(np.std(drawn, axis=0, ddof=1), rel=0.2)


def test_alpha_is_undefined_without_a_second_opinion():
    rows = [("q", "p", "a", 1), ("r", "p", "b", 2)]
    frame = pl.DataFrame(rows, schema=["query_id", "pin_id", "annotator", "grade"], orient="row")
    found = with_and_without(code(frame, FIVE), ordered=True)
    assert np.isnan(found.whole)
    assert np.isnan(found.gain).all()
    assert np.isnan(found.error).all()
