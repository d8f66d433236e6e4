"""How metrics are spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics import METRICS, Measure, Metric, parse, parse_all
from relevance.errors import InputError
from relevance.grades import GAINS


@st.composite
def measures(draw: st.DrawFn) -> Measure:
    metric: Metric = draw(st.sampled_from(list(METRICS.values())))
    values = {"gain": st.sampled_from(list(GAINS)), "rel": st.integers(-2, 9)}
    options = {name: draw(values[name]) for name in metric.options if draw(st.booleans())}
    with_cutoff = {"required": True, "none": False, "optional": draw(st.booleans())}[metric.cutoff]
    cutoff = draw(st.integers(1, 1000)) if with_cutoff else None
    return Measure(metric, cutoff, tuple(sorted(options.items())))


@given(measures())
def test_a_printed_measure_parses_back_to_itself(measure: Measure) -> None:
    assert parse(repr(measure)) == measure
    assert repr(parse(repr(measure))) == repr(measure)


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
        ("accuracy@4", r"takes no cutoff\. Write accuracy"),
        ("P@0", r"must be at least 1"),
        ("nDCG(rel=3)@20", r"option 'rel=3' of metric nDCG is unknown\. It takes: gain"),
        ("nDCG(gain=square)@20", r"gain 'square' is unknown\. Use one of linear, exp"),
        ("P(rel=high)@8", r"must be a grade, such as rel=3"),
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
        assert metric.doc.endswith(".")
        assert metric.cutoff in ("required", "optional", "none")
