"""What must hold of every metric: a new one is put through all of it by being listed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics import METRICS, PAIRS, RANKING, SUMS, THRESHOLD, Measure, Metric, parse
from evaluation.metrics.declaration import OPTIONS
from evaluation.metrics.lists import Floats, pack
from evaluation.metrics.threshold import at_least
from evaluation.ranking import code_queries, score_queries
from relevance.grades import FIVE, GradeScale, scale_from

ZERO_TO_FOUR = scale_from({"levels": [0, 1, 2, 3, 4]})
FEW = settings(deadline=None, max_examples=12)


def spellings(metric: Metric) -> list[str]:
    """The metric at two cutoffs or none, plain and with each of its options."""
    cutoffs = {"required": ["@4", "@2"], "optional": ["", "@3"], "none": [""]}[metric.cutoff]
    texts = [f"{metric.name}{cutoff}" for cutoff in cutoffs]
    if metric.name == "confusion":  # needs both of its options
        return ["confusion(grade=4,predicted=5)", "confusion(grade=3,predicted=3)"]
    options = [f"{name}={OPTIONS[name].example}" for name in metric.options]
    return [*texts, *(f"{metric.name}({option}){cutoffs[0]}" for option in options)]


RANKED = [text for m in METRICS.values() if m.family == RANKING for text in spellings(m)]
PREDICTED = [text for m in METRICS.values() if m.family != RANKING for text in spellings(m)]


def test_every_metric_is_put_through() -> None:
    assert {parse(text).metric.name for text in RANKED + PREDICTED} == set(METRICS)
    assert {parse(text).metric.family for text in PREDICTED} == {PAIRS, SUMS, THRESHOLD}


# ranked lists --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A run and the grades to hold it against."""

    run: dict[str, dict[str, float]]
    qrels: dict[str, dict[str, int]]

    def scored(self, ties: str = "docid") -> dict[str, dict[str, float]]:
        """Query → measure → value; NaN as None, so that equal is equal."""
        run = frame(self.run, "score").with_columns(system=pl.lit("s"))
        coded = code_queries(frame(self.qrels, "grade"), [run])
        measures = [parse(text) for text in RANKED]
        values = score_queries(run, coded, measures, scale=FIVE, ties=ties).values
        return {
            str(name): {m.text: none_if_nan(values[m][i]) for m in measures}
            for i, name in enumerate(coded.ids)
        }


def frame(
    nested: dict[str, dict[str, float]] | dict[str, dict[str, int]], value: str
) -> pl.DataFrame:
    rows = [(query, pin, x) for query, pins in nested.items() for pin, x in pins.items()]
    return pl.DataFrame(rows, schema=["query_id", "pin_id", value], orient="row")


def none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


PINS = ["a", "b", "B", "ä", "p10", "p9", "p1", "zz", "é", "日"]
SCORES = st.sampled_from([0.0, 1.0, 1.0 + 1e-9, 2.5, -3.0]) | st.floats(-5, 5, width=32)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = [f"q{i}" for i in range(4)]
    grades = st.dictionaries(st.sampled_from(PINS), st.integers(1, 5), min_size=1)
    returned = st.dictionaries(st.sampled_from(PINS), SCORES, min_size=1)
    qrels = {name: draw(grades) for name in names[: draw(st.integers(1, 4))]}
    run = {name: draw(returned) for name in [*names, "unjudged"] if draw(st.booleans())}
    run["q0"] = run.get("q0") or draw(returned)
    return Case(run, qrels)


TIES = pytest.mark.parametrize("ties", ["docid", "average"])


@TIES
@FEW
@given(case=cases(), random=st.randoms(use_true_random=False))
def test_row_order_never_matters(case: Case, random: Random, ties: str) -> None:
    shuffled = Case(
        {q: dict(sorted(p.items(), key=lambda _: random.random())) for q, p in case.run.items()},
        dict(reversed(case.qrels.items())),
    )
    assert shuffled.scored(ties) == case.scored(ties)


def renamed(case: Case, name: dict[str, str]) -> Case:
    return Case(
        {q: {name[p]: x for p, x in pins.items()} for q, pins in case.run.items()},
        {q: {name[p]: g for p, g in pins.items()} for q, pins in case.qrels.items()},
    )


@FEW
@given(case=cases())
def test_averaged_ties_do_not_depend_on_the_ids(case: Case) -> None:
    turned = {pin: "".join(chr(0x10FFFF - ord(c)) for c in pin) for pin in PINS}
    theirs = renamed(case, turned).scored("average")
    for query, values in case.scored("average").items():
        assert theirs[query] == {text: pytest.approx(x, abs=1e-12) for text, x in values.items()}


@TIES
@FEW
@given(case=cases())
def test_new_ids_in_the_same_order_change_nothing(case: Case, ties: str) -> None:
    names = dict(zip(sorted(PINS, key=str.encode), "ABCDEFGHIJ", strict=True))
    assert renamed(case, names).scored(ties) == case.scored(ties)


@TIES
@FEW
@given(case=cases())
def test_doubled_queries_have_the_values_of_the_first_and_leave_the_mean(
    case: Case, ties: str
) -> None:
    twice = Case(
        case.run | {f"{q} again": pins for q, pins in case.run.items()},
        case.qrels | {f"{q} again": pins for q, pins in case.qrels.items()},
    ).scored(ties)
    once = case.scored(ties)
    for query in once:
        assert twice[query] == twice[f"{query} again"] == once[query]
    for text in RANKED:
        judged = [q for q in twice if q.removesuffix(" again") in case.qrels]
        both = [x for q in judged if (x := twice[q][text]) is not None]
        first = [x for q in case.qrels if (x := once[q][text]) is not None]
        assert (np.mean(both) if both else None) == (
            pytest.approx(np.mean(first), abs=1e-12) if first else None
        )


@TIES
@FEW
@given(case=cases(), grade=st.integers(1, 5))
def test_another_query_changes_no_other(case: Case, grade: int, ties: str) -> None:
    more = Case(case.run | {"a new": {"a": 1.0, "b": 2.0}}, case.qrels | {"a new": {"b": grade}})
    before, after = case.scored(ties), more.scored(ties)
    assert {query: after[query] for query in before} == before


@TIES
@FEW
@given(case=cases())
def test_scores_count_by_their_order_only(case: Case, ties: str) -> None:
    doubled = {q: {p: 2 * x for p, x in pins.items()} for q, pins in case.run.items()}
    assert Case(doubled, case.qrels).scored(ties) == case.scored(ties)


@TIES
@FEW
@given(case=cases())
def test_unjudged_pins_behind_the_list_touch_judged_only(case: Case, ties: str) -> None:
    longer = {q: pins | {"unjudged tail": -9.0} for q, pins in case.run.items()}
    before, after = case.scored(ties), Case(longer, case.qrels).scored(ties)
    for query, values in before.items():
        for text, value in values.items():
            if not text.startswith("Judged"):
                assert after[query][text] == value, (query, text)


def ranked_value(text: str, grades: list[float], scale: GradeScale = FIVE) -> float:
    """Of one list, everything judged having been returned."""
    measure, zeros = parse(text), np.zeros(len(grades), dtype=np.int64)
    lists = pack(1, zeros, np.array(grades), zeros, np.array(grades))
    return float(measure.metric.function(lists, scale, **measure.arguments)[0])


GRADES = st.lists(st.integers(1, 5).map(float), min_size=4, max_size=12)


@pytest.mark.parametrize("text", RANKED)
@given(grades=GRADES)
@FEW
def test_bounds_and_perfection(text: str, grades: list[float]) -> None:
    metric = parse(text).metric
    best, found = ranked_value(text, sorted(grades, reverse=True)), ranked_value(text, grades)
    if math.isnan(best):
        assert metric.undefined == "no_relevant"
        assert math.isnan(found)
        return
    assert metric.low <= found <= best + 1e-12
    assert metric.high is None or best <= metric.high + 1e-12
    if metric.perfect is not None:
        assert best == pytest.approx(metric.perfect, abs=1e-12)


@pytest.mark.parametrize("text", [t for t in RANKED if not t.startswith("Judged")])
@given(grades=GRADES, place=st.integers(0, 10))
@FEW
def test_moving_a_better_pin_up_never_hurts(text: str, grades: list[float], place: int) -> None:
    place %= len(grades) - 1
    low, high = sorted(grades[place : place + 2])
    worse = [*grades[:place], low, high, *grades[place + 2 :]]
    better = [*grades[:place], high, low, *grades[place + 2 :]]
    before, after = ranked_value(text, worse), ranked_value(text, better)
    assert math.isnan(before) or after >= before - 1e-12


@pytest.mark.parametrize("text", [t for t in RANKED if "rel=" not in t and "gain=" not in t])
@given(grades=GRADES)
@FEW
def test_a_scale_from_zero_gives_what_the_same_scale_from_one_does(
    text: str, grades: list[float]
) -> None:
    shifted = ranked_value(text, [grade - 1 for grade in grades], ZERO_TO_FOUR)
    assert shifted == pytest.approx(ranked_value(text, grades), abs=1e-12, nan_ok=True)


# predicted grades ----------------------------------------------------------------------------


def predictions(seed: int, n: int) -> tuple[Floats, Floats]:
    """Human grades and probabilities in steps of 1/16, so that there are ties."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(16, rng.dirichlet(np.full(5, 0.5)), size=n)
    return rng.integers(1, 6, n).astype(np.float64), counts / 16


def predicted_value(text: str, grades: Floats, probabilities: Floats) -> float:
    measure: Measure = parse(text)
    metric = measure.metric
    if metric.family == PAIRS:
        return float(np.mean(metric.function(grades, probabilities)))
    if metric.family == SUMS:
        columns = metric.function(grades, probabilities, **measure.arguments)
        assert metric.finish is not None
        return float(metric.finish(columns.sum(axis=0), **measure.arguments))
    threshold = measure.cutoff or 0
    return float(metric.function(grades >= threshold, at_least(probabilities, threshold))[0])


SEEDS = st.integers(0, 100_000)
SIZES = st.integers(1, 30)


@pytest.mark.parametrize("text", PREDICTED)
@given(seed=SEEDS, n=SIZES)
@FEW
def test_order_of_pairs_never_matters(text: str, seed: int, n: int) -> None:
    grades, p = predictions(seed, n)
    order = np.random.default_rng(seed).permutation(n)
    assert predicted_value(text, grades[order], p[order]) == pytest.approx(
        predicted_value(text, grades, p), abs=1e-12, nan_ok=True
    )


@pytest.mark.parametrize("text", PREDICTED)
@given(seed=SEEDS, n=SIZES, times=st.integers(2, 4))
@FEW
def test_every_pair_several_times_over_leaves_the_figure(
    text: str, seed: int, n: int, times: int
) -> None:
    grades, p = predictions(seed, n)
    assert predicted_value(text, np.tile(grades, times), np.tile(p, (times, 1))) == pytest.approx(
        predicted_value(text, grades, p), abs=1e-12, nan_ok=True
    )


@pytest.mark.parametrize("text", PREDICTED)
@given(seed=SEEDS, n=SIZES)
@FEW
def test_bounds_of_predicted_grades(text: str, seed: int, n: int) -> None:
    metric = parse(text).metric
    grades, p = predictions(seed, n)
    found = predicted_value(text, grades, p)
    if math.isnan(found):
        assert metric.undefined
        return
    assert metric.high is not None
    assert metric.low - 1e-12 <= found <= metric.high + 1e-12


@pytest.mark.parametrize("text", PREDICTED)
@given(seed=SEEDS, n=SIZES)
@FEW
def test_certain_and_right_is_perfect(text: str, seed: int, n: int) -> None:
    metric = parse(text).metric
    grades, _ = predictions(seed, n)
    found = predicted_value(text, grades, np.eye(5)[grades.astype(int) - 1])
    if metric.perfect is None:
        assert metric.name == "confusion"
        return
    assert found == pytest.approx(metric.perfect, abs=1e-12) or (
        math.isnan(found) and metric.undefined in ("one_class", "no_variation")
    )


TRUTHWARD = [text for text in PREDICTED if parse(text).metric.family in (PAIRS, THRESHOLD)]


@pytest.mark.parametrize("text", TRUTHWARD)
@given(seed=SEEDS, n=SIZES, share=st.sampled_from([0.25, 0.5, 0.75]))
@FEW
def test_probability_moved_to_the_human_grade_never_hurts(
    text: str, seed: int, n: int, share: float
) -> None:
    grades, p = predictions(seed, n)
    nearer = (1 - share) * p + share * np.eye(5)[grades.astype(int) - 1]
    before, after = predicted_value(text, grades, p), predicted_value(text, grades, nearer)
    if math.isnan(before):
        assert math.isnan(after)
        return
    gained = after - before
    assert (gained if parse(text).metric.higher_is_better else -gained) >= -1e-12
