"""Ours against trec_eval, scikit-learn and scipy: equal on everything, and a difference is seen."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import verify
from evaluation.metrics import METRICS, RANKING, parse
from evaluation.verify import Check, verify_grades, verify_ranking
from evaluation.verify.oracles import Data, NotComparableError, trec_eval
from relevance.errors import InputError, MissingExtraError
from relevance.grades import ESCI, FIVE, TREC, GradeScale, scale_from

PINS = ["a", "b", "B", "ä", "p10", "p9", "p1", "zz", "é", "日"]
SCORES = st.sampled_from([0.0, -0.0, 1.0, 1.0 + 1e-9, 2.5, -3.0]) | st.floats(-5, 5, width=32)
TOML = scale_from({"levels": [1, 2, 3, 4, 5], "gain": "esci", "relevant_from": 3})
LEVELS = {"five": range(1, 6), "trec": range(-2, 5), "esci": (1, 2, 4, 5), "custom": range(1, 6)}


def runs_of(nested: dict[str, dict[str, float]]) -> pl.DataFrame:
    rows = [("s", q, p, x) for q, pins in nested.items() for p, x in pins.items()]
    return pl.DataFrame(
        rows,
        schema={"system": str, "query_id": str, "pin_id": str, "score": float},
        orient="row",
    )


def qrels_of(nested: dict[str, dict[str, int]]) -> pl.DataFrame:
    rows = [(q, p, g) for q, pins in nested.items() for p, g in pins.items()]
    return pl.DataFrame(
        rows, schema={"query_id": str, "pin_id": str, "grade": pl.Int64}, orient="row"
    )


@st.composite
def cases(draw: st.DrawFn, scale: GradeScale) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Ties, missing queries, unjudged queries and Pins, queries with nothing to find."""
    names = [f"q{i}" for i in range(4)]
    levels = st.sampled_from(list(LEVELS[scale.name]))
    grades = st.dictionaries(st.sampled_from(PINS), levels, min_size=1)
    returned = st.dictionaries(st.sampled_from(PINS), SCORES, min_size=1)
    qrels = {name: draw(grades) for name in names[: draw(st.integers(1, 4))]}
    run = {name: draw(returned) for name in [*names, "unjudged"] if draw(st.booleans())}
    run["q0"] = run.get("q0") or draw(returned)
    return runs_of(run), qrels_of(qrels)


def text(measure: str, checks: list[Check]) -> Check:
    return next(check for check in checks if check.metric == measure)


@pytest.mark.parametrize("scale", [FIVE, TREC, ESCI, TOML], ids=lambda scale: scale.name)
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_rankings_are_those_of_trec_eval(scale: GradeScale, data: st.DataObject) -> None:
    runs, qrels = data.draw(cases(scale))
    checks = verify_ranking(runs, qrels, scale=scale)
    assert len(checks) == 12 + bool(scale.levels)
    for check in checks:
        assert check.ok, check
        assert check.difference is not None
        assert check.difference <= 1e-12 * max(1, check.theirs or 0), check


def test_everything_trec_eval_can_say_is_compared_without_being_asked_for() -> None:
    asked = {parse(t).metric.name for t in f"{verify.RANKED},sDCG@5".replace(" ", "").split(",")}
    assert {m.name for m in METRICS.values() if m.family == RANKING} - asked == {"ERR", "RBP"}
    predicted = {parse(t).metric.name for t in verify.PREDICTED.split(",")}
    assert {m.name for m in METRICS.values() if m.family != RANKING} - predicted == {"confusion"}


def test_options_are_passed_to_trec_eval_through_the_grades() -> None:
    runs = runs_of({"q": {"a": 3.0, "b": 2.0, "c": 1.0, "d": 1.0}})
    qrels = qrels_of({"q": {"a": 3, "b": 5, "c": 4, "x": 5}})
    metrics = "P(rel=3)@2,R(rel=5),AP(rel=5)@3,RR(rel=4)@1,nDCG(gain=raw)@3,DCG(gain=exp),Judged"
    checks = verify_ranking(runs, qrels, metrics=metrics)
    assert all(check.ok for check in checks)
    assert [check.ours for check in checks][:4] == [1, 0.5, 0.25, 0]
    assert text("P(rel=3)@2", checks).note == "P.2 of grades ≥ 3"
    assert text("DCG(gain=exp)", checks).theirs == pytest.approx(
        3 + 15 / math.log2(3) + 7 / math.log2(5), abs=1e-12
    )
    assert text("Judged", checks).theirs == 0.75


def test_means_are_those_of_trec_eval_c_and_say_what_counts_zero() -> None:
    runs = runs_of({"q1": {"a": 1.0}, "q2": {"a": 1.0}, "unjudged": {"a": 1.0}})
    qrels = qrels_of({"q1": {"a": 5}, "q2": {"a": 1}, "q3": {"a": 5}})
    check = verify_ranking(runs, qrels, metrics="nDCG@5")[0]
    assert (check.ours, check.n) == (pytest.approx(1 / 3), 3)
    assert check.note == (
        "ndcg_cut.5 of gains; nothing to find, so 0 as in trec_eval -c: 1 queries; "
        "missed by the run, so 0: 1 queries"
    )
    judged = verify_ranking(runs, qrels, metrics="Judged@5")[0]
    assert (judged.ours, judged.theirs, judged.n) == (1, 1, 2)


def test_ranks_stand_in_for_scores_and_systems_are_told_apart() -> None:
    runs = pl.DataFrame(
        {
            "system": ["x", "x", "y", "y"],
            "query_id": ["q"] * 4,
            "pin_id": ["a", "b", "a", "b"],
            "rank": [2, 1, 1, 2],
            "score": pl.Series([None] * 4, dtype=pl.Float64),
        }
    )
    checks = verify_ranking(runs, qrels_of({"q": {"a": 1, "b": 5}}), metrics="RR")
    assert [(c.system, c.ours, c.theirs, c.ok) for c in checks] == [
        ("x", 1, 1, True),
        ("y", 0.5, 0.5, True),
    ]


def test_what_trec_eval_has_not_is_said_and_not_counted_as_equal() -> None:
    runs, qrels = runs_of({"q": {"a": 1.0}}), qrels_of({"q": {"a": 5}})
    checks = verify_ranking(runs, qrels, metrics="ERR@5,RBP")
    assert [(c.theirs, c.difference, c.ok) for c in checks] == [(None, None, None)] * 2
    assert checks[0].note == "not compared: pytrec_eval has no ERR"
    huge = Data({"q": {"a": 1.0}}, {"q": {"a": 40}}, TREC)
    with pytest.raises(NotComparableError, match="up to a million only"):
        trec_eval(parse("nDCG(gain=exp)"), huge)


def test_a_difference_is_seen_in_one_query_even_where_the_mean_is_equal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = runs_of({"q1": {"a": 1.0}, "q2": {"a": 1.0}})
    qrels = qrels_of({"q1": {"a": 5, "b": 5}, "q2": {"a": 5, "b": 5}})

    def swapped(measure: object, data: Data) -> tuple[dict[str, float], str]:
        return {"q1": 0.5 + 1e-6, "q2": 0.5 - 1e-6}, "made up"

    monkeypatch.setattr(verify, "trec_eval", swapped)
    check = verify_ranking(runs, qrels, metrics="R@5")[0]
    assert check.ours == pytest.approx(check.theirs)
    assert check.difference == pytest.approx(1e-6)
    assert check.ok is False


def predictions_of(seed: int, n: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    p = rng.multinomial(16, rng.dirichlet(np.full(5, 0.5)), size=n) / 16
    p[rng.random(n) < 0.5] = rng.dirichlet(np.full(5, 0.5))
    keys = {"query_id": [f"q{i % 3}" for i in range(n)], "pin_id": [f"p{i}" for i in range(n)]}
    frame = pl.DataFrame({**keys, **{f"p{k + 1}": p[:, k] for k in range(5)}})
    graded = pl.DataFrame({**keys, "grade": rng.integers(1, rng.integers(2, 6), n, endpoint=True)})
    return frame, graded


@given(st.integers(0, 10_000), st.integers(1, 40))
@settings(deadline=None, max_examples=10)
def test_predicted_grades_are_those_of_scikit_learn(seed: int, n: int) -> None:
    predictions, qrels = predictions_of(seed, n)
    more = "ECE(bins=4),confusion(grade=4)"
    checks = verify_grades(predictions, qrels, metrics=f"{verify.PREDICTED},{more}")
    assert len(checks) == 16 + 1 + 5
    for check in checks:
        assert check.ok, check
        assert check.n == n
        assert (check.ours is None) == (check.theirs is None) == ("undefined" in check.note)


def test_the_posterior_of_the_qrels_is_not_taken_for_the_prediction() -> None:
    predictions, qrels = predictions_of(3, 20)
    posterior = qrels.with_columns(
        **{f"p{k}": (pl.col("grade") == k).cast(float) for k in range(1, 6)}
    )
    checks = verify_grades(predictions, posterior, metrics="accuracy,RPS,ECE")
    assert [c.ours for c in checks] == [
        c.ours for c in verify_grades(predictions, qrels, metrics="accuracy,RPS,ECE")
    ]
    assert all(c.ok for c in checks)


def test_models_are_told_apart_and_a_wrong_figure_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions, qrels = predictions_of(1, 12)
    both = pl.concat(
        [
            predictions.with_columns(model=pl.lit("one")),
            predictions.with_columns(model=pl.lit("two"), p1=pl.col("p5"), p5=pl.col("p1")),
        ]
    )
    checks = verify_grades(both, qrels, metrics="MAE,AUROC@3")
    assert [c.system for c in checks] == ["one", "one", "two", "two"]
    assert all(c.ok for c in checks)
    assert checks[0].ours != checks[2].ours
    monkeypatch.setattr(verify, "scikit_learn", lambda *_: (math.nan, "made up"))
    undefined = verify_grades(predictions, qrels, metrics="MAE")[0]
    assert (undefined.theirs, undefined.difference, undefined.ok) == (None, math.inf, False)


@pytest.mark.parametrize("missing", ["pytrec_eval", "sklearn"])
def test_a_missing_oracle_names_the_line_that_installs_it(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == missing else found(name, *a)
    )
    message = rf"{missing} is not installed\. Install it with: pip install .*'gradewise\[verify\]'"
    predictions, qrels = predictions_of(0, 5)
    run = predictions.select("query_id", "pin_id", score="p5")
    check, frame = (verify_grades, predictions) if missing == "sklearn" else (verify_ranking, run)
    with pytest.raises(MissingExtraError, match=message):
        check(frame, qrels)


def test_metrics_of_the_other_kind_do_not_fit() -> None:
    with pytest.raises(InputError, match="MAE does not fit here"):
        verify_ranking(runs_of({"q": {"a": 1.0}}), qrels_of({"q": {"a": 5}}), metrics="MAE")
    with pytest.raises(InputError, match="P@8 does not fit here"):
        verify_grades(*predictions_of(0, 5), metrics="P@8")
