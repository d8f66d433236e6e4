"""How metrics are spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics import METRICS, Measure, Metric, parse, parse_all
from evaluation.metrics.declaration import FAMILIES, OPTIONS, SUMS, read_option
from relevance.errors import InputError
from relevance.grades import GAINS


@st.composite
def measures(draw: st.DrawFn) -> Measure:
    metric: Metric = draw(st.sampled_from(list(METRICS.values())))
    values: dict[str, st.SearchStrategy[str | int | float]] = {
        "gain": st.sampled_from(list(GAINS)),
        "rel": st.integers(-2, 9),
        "p": st.floats(0, 1, exclude_min=True, exclude_max=True),
        "bins": st.integers(1, 1000),
        "grade": st.integers(-2, 9),
        "predicted": st.integers(1, 5),
    }
    options = {name: draw(values[name]) for name in metric.options if draw(st.booleans())}
    with_cutoff = {"required": True, "none": False, "optional": draw(st.booleans())}[metric.cutoff]
    cutoff = draw(st.integers(1, 1000)) if with_cutoff else None
    return Measure(metric, cutoff, tuple(sorted(options.items())))


@given(measures())
def test_a_printed_measure_parses_back_to_itself(measure: Measure) -> None:
    assert parse(repr(measure)) == measure
    assert repr(parse(repr(measure))) == repr(measure)


def test_every_option_is_drawn_and_read_from_its_own_example() -> None:
    for metric in METRICS.values():
        for name in metric.options:
            key, value = read_option(metric, f"{name}={OPTIONS[name].example}")
            assert f"{key}={value}" == f"{name}={OPTIONS[name].example}"
    assert {name for m in METRICS.values() for name in m.options} == set(OPTIONS)


def test_confusion_alone_stands_for_the_whole_matrix() -> None:
    cells = parse_all("confusion, accuracy")
    assert len(cells) == 26
    assert repr(cells[0]) == cells[0].text == "confusion(grade=1,predicted=1)"
    assert repr(cells[24]) == "confusion(grade=5,predicted=5)"
    assert all(parse(cell.text) == cell for cell in cells)
    assert [m.text for m in parse_all("confusion", levels=(1, 5))] == [
        f"confusion(grade={g},predicted={p})" for g in (1, 5) for p in (1, 5)
    ]


def test_confusion_of_one_grade_is_a_row_or_a_column_of_it() -> None:
    row = [m.arguments for m in parse_all("confusion(grade=4)", levels=(3, 4))]
    assert row == [{"grade": 4, "predicted": 3}, {"grade": 4, "predicted": 4}]
    column = [m.arguments for m in parse_all([parse("confusion(predicted=5)")], levels=(3, 4))]
    assert column == [{"grade": 3, "predicted": 5}, {"grade": 4, "predicted": 5}]
    assert parse_all("confusion(grade=4,predicted=5)")[0].text == "confusion(grade=4,predicted=5)"


def test_blanks_are_ignored_and_the_text_is_kept_without_them() -> None:
    measure = parse(" P( rel = 3 ) @8 ")
    assert repr(measure) == measure.text == "P(rel=3)@8"
    assert measure.arguments == {"k": 8, "rel": 3}


def test_a_list_splits_outside_parentheses_and_drops_repeats() -> None:
    assert [repr(m) for m in parse_all("nDCG(gain=exp)@20, P(rel=4)@8,nDCG(gain=exp)@20")] == [
        "nDCG(gain=exp)@20",
        "P(rel=4)@8",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ndcg@20", r"metric 'ndcg' is unknown\. Did you mean 'nDCG'\?"),
        ("nDCD@20", r"Did you mean 'nDCG'\?"),
        ("P", r"metric 'P' needs a cutoff\. Write it like P@20"),
        ("AUROC", r"needs a cutoff\. Write it like AUROC@4"),
        ("P@99999999999999999999", r"must be at most 1,000,000,000\. Write it like P@20"),
        ("accuracy@4", r"takes no cutoff\. Write accuracy"),
        ("P@0", r"must be at least 1"),
        ("nDCG(rel=3)@20", r"option 'rel=3' of metric nDCG is unknown\. It takes: gain"),
        (
            "nDCG(gain=square)@20",
            r"must be one of linear, exp, raw, raw_exp, esci, such as gain=exp",
        ),
        ("P(rel=high)@8", r"must be a grade, such as rel=3"),
        ("RBP(p=1)", r"option 'p=1' of metric RBP must be a number between 0 and 1, such as p=0.8"),
        ("RBP(p=nan)", r"must be a number between 0 and 1"),
        ("RBP(p=high)@5", r"must be a number between 0 and 1"),
        ("ECE(bins=0)", r"must be a count from 1, such as bins=15"),
        ("P(rel=3,rel=4)@8", r"gives an option twice\. Keep one of them"),
        ("nDCG@٣", r"not understood"),
        ("nDCG@", r"not understood\. Write it like nDCG@20"),
        ("", r"not understood"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text)


def test_a_metric_of_another_family_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"accuracy does not fit here\. Use one of nDCG"):
        parse_all("accuracy", families=("ranking",))
    with pytest.raises(InputError, match="no metric was given"):
        parse_all("")


def test_every_declaration_is_complete() -> None:
    for name, metric in METRICS.items():
        assert name == metric.name
        assert metric.family in FAMILIES
        assert metric.doc.endswith(".")
        assert metric.formula
        assert metric.source
        assert metric.cutoff in ("required", "optional", "none")
        assert bool(metric.undefined) == bool(metric.undefined_when)
        assert (metric.finish is not None) == (metric.family == SUMS)
        assert parse(metric.example).metric is metric


def test_the_names_that_the_field_uses_are_all_there() -> None:
    wanted = (
        "accuracy,within1,MAE,RPS,Brier,NLL,ECE,ECE(bins=10),QWK,confusion,"
        "confusion(grade=4,predicted=5),AUROC@3,AUROC@4,AUROC@5,AUPRC@4,nDCG@20,nDCG(gain=exp)@20,"
        "sDCG@25,DCG@20,P@8,P(rel=3)@8,R@20,RR@10,AP,AP@20,ERR@20,RBP(p=0.95),"
        "RBP(p=0.8,rel=4)@10,Judged@20"
    )
    parts = wanted.replace("confusion,", "").replace(",pred", ";pred").replace(",rel", ";rel")
    for text in [part.replace(";", ",") for part in parts.split(",")]:
        assert repr(parse(text)) == text
    assert {m.metric.name for m in parse_all(wanted)} == set(METRICS)
