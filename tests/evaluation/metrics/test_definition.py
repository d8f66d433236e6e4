"""What a figure says of itself, and the page that defines all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.metrics import METRICS, parse
from evaluation.metrics.document import page
from evaluation.metrics.pointwise import NLL_FLOOR
from relevance.errors import InputError
from relevance.grades import ESCI, FIVE, TREC, GradeScale

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


@pytest.mark.parametrize(
    ("text", "scale", "expected"),
    [
        ("nDCG@20", FIVE, "scale=five gain=linear ideal=judged ties=docid empty=undefined"),
        ("nDCG", TREC, "scale=trec gain=raw ideal=judged ties=docid empty=zero"),
        ("nDCG(gain=exp)@9", TREC, "scale=trec gain=raw_exp ideal=judged ties=docid empty=zero"),
        ("nDCG@20", ESCI, "scale=esci gain=esci ideal=judged ties=docid empty=undefined"),
        ("sDCG(gain=exp)@25", FIVE, "scale=five gain=exp ideal=25_of_grade_5 ties=docid"),
        ("DCG@5", FIVE, "scale=five gain=linear ties=docid"),
        ("P@8", FIVE, "scale=five relevant_from=4 divided_by=8 ties=docid"),
        ("P(rel=3)@8", FIVE, "scale=five relevant_from=3 divided_by=8 ties=docid"),
        ("R@8", TREC, "scale=trec relevant_from=1 divided_by=relevant ties=docid empty=zero"),
        ("RR", FIVE, "scale=five relevant_from=4 ties=docid empty=undefined"),
        ("AP", FIVE, "scale=five relevant_from=4 divided_by=relevant ties=docid empty=undefined"),
        ("ERR@20", FIVE, "scale=five stop=exponential top=5 ties=docid"),
        ("RBP", FIVE, "scale=five p=0.8 relevant_from=4 ties=docid"),
        ("RBP(p=0.95,rel=5)@8", FIVE, "scale=five p=0.95 relevant_from=5 ties=docid"),
        ("Judged@20", FIVE, "scale=five divided_by=min(20,returned) ties=docid"),
        ("Judged", FIVE, "scale=five divided_by=returned ties=docid"),
        ("accuracy", FIVE, "scale=five predicted=argmax"),
        ("RPS", FIVE, "scale=five divided_by=4"),
        ("NLL", FIVE, f"scale=five log=natural floor={NLL_FLOOR:.2g}"),
        ("ECE", FIVE, "scale=five bins=15 width=equal confidence=top_grade"),
        ("ECE(bins=10)", FIVE, "scale=five bins=10 width=equal confidence=top_grade"),
        ("QWK", FIVE, "scale=five weights=quadratic predicted=argmax"),
        ("confusion(grade=4,predicted=5)", FIVE, "scale=five given=grade_4 predicted=argmax"),
        ("AUROC@4", FIVE, "scale=five threshold=4 ties=half"),
        ("AUPRC@3", FIVE, "scale=five threshold=3 ties=together"),
    ],
)
def test_a_figure_says_what_it_means(text: str, scale: GradeScale, expected: str) -> None:
    assert parse(text).definition(scale) == expected


def test_ties_and_empty_queries_are_said_as_they_were_asked_for() -> None:
    measure = parse("nDCG@20")
    assert measure.definition(FIVE, "average", "zero").endswith("ties=average empty=zero")
    assert measure.definition(TREC, empty="undefined").endswith("empty=undefined")
    assert parse("AUROC@4").definition(FIVE, "average", "zero") == parse("AUROC@4").definition(FIVE)


def test_a_scale_without_a_top_cannot_define_what_needs_one() -> None:
    with pytest.raises(InputError, match="no top grade"):
        parse("sDCG@5").definition(TREC)


def test_the_page_is_what_the_registry_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "make it anew: gradewise evaluation metrics --format markdown > docs/metrics.md"
    )


def test_the_page_defines_every_metric() -> None:
    text = page()
    for metric in METRICS.values():
        section = text.split(f"\n### {metric.name}\n")[1].split("\n### ")[0]
        for said in (metric.spelling, metric.formula, metric.source, metric.doc, "gradewise"):
            assert said in section, (metric.name, said)
        assert f"](#{metric.name.lower()})" in text
