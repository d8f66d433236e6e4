"""Outcomes and guardrails, as they are spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.outcomes import KINDS, Guardrail, Outcome, parse_guardrail, parse_outcome
from relevance.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("fulfilled", Outcome("fulfilled", "rate", ("fulfilled",))),
        ("rate(fulfilled)", Outcome("rate(fulfilled)", "rate", ("fulfilled",))),
        ("mean(sessions)", Outcome("mean(sessions)", "mean", ("sessions",))),
        ("any( purchase )", Outcome("any(purchase)", "any", ("purchase",))),
        ("user(age)", Outcome("user(age)", "user", ("age",))),
        (" ratio (a,\n b)", Outcome("ratio(a,b)", "ratio", ("a", "b"))),
        ("mean(time on site)", Outcome("mean(timeonsite)", "mean", ("time on site",))),
        ("Erfüllt in %", Outcome("Erfülltin%", "rate", ("Erfüllt in %",))),
    ],
)
def test_each_spelling(text: str, outcome: Outcome) -> None:
    assert parse_outcome(text) == outcome


def test_one_user_counts_once_where_the_denominator_is_users() -> None:
    per_user = {kind for kind in KINDS if Outcome("", kind, ()).per_user}
    assert per_user == {"mean", "any", "user"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not an outcome. Write fulfilled, mean"),
        ("   ", "is not an outcome"),
        ("mean()", r"'mean\(\)' is not an outcome"),
        ("mean(clicks", "is not an outcome"),
        ("mean(clicks))", "is not an outcome"),
        ("mean(sum(clicks))", "is not an outcome"),
        ("clicks, views", "is not an outcome"),
        ("clicks >= -1%", "is not an outcome"),
        ("maen(clicks)", "'maen' is unknown.*Did you mean 'mean'"),
        ("mean(a, b)", r"mean takes 1 column\(s\), got 2"),
        ("ratio(a)", r"ratio takes 2 column\(s\), got 1"),
        ("ratio(a,)", r"ratio takes 2 column\(s\), got 2"),
    ],
)
def test_other_spellings_are_told(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_outcome(text)


@pytest.mark.parametrize(
    ("text", "outcome", "margin", "relative", "lower_is_worse", "again"),
    [
        ("mean(sessions) >= -1%", "mean(sessions)", -0.01, True, True, "mean(sessions) >= -1%"),
        ("rate(abandoned)<=0.02", "rate(abandoned)", 0.02, False, False, "rate(abandoned) <= 0.02"),
        ("any(buy) >= 0", "any(buy)", 0.0, False, True, "any(buy) >= 0"),
        ("any(buy) >= -0 %", "any(buy)", 0.0, True, True, "any(buy) >= 0%"),
        ("any(buy) >= − .5 %", "any(buy)", -0.005, True, True, "any(buy) >= -0.5%"),
        ("a >= -1.23456789%", "a", -1.23456789 / 100, True, True, "a >= -1.23456789%"),
        ("latency <= +2.5e1", "latency", 25.0, False, False, "latency <= 25"),
    ],
)
def test_guardrails(
    text: str, outcome: str, margin: float, relative: bool, lower_is_worse: bool, again: str
) -> None:
    found = parse_guardrail(text)
    assert found == Guardrail(parse_outcome(outcome), margin, relative, lower_is_worse)
    assert found.text == again


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mean(sessions)", r"has no margin. Write 'mean\(sessions\) >= -1%'"),
        ("mean(sessions) > -1%", "has no margin"),
        ("mean(sessions) >= much", "has no margin"),
        (">= -1%", "has no margin"),
        ("mean(sessions) >= -1.2.3", "'-1.2.3' is not a number"),
        ("latency <= 1e999", "'1e999' is not a number"),
        ("mean(sessions) >= 1%", "is a loss that is accepted: at most 0 after >="),
        ("latency <= -1", "at least 0 after <="),
        ("maen(sessions) >= -1%", "Did you mean 'mean'"),
    ],
)
def test_wrong_guardrails_are_told(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_guardrail(text)


@given(
    margin=st.decimals(0, 99, places=4),
    relative=st.booleans(),
    lower_is_worse=st.booleans(),
    kind=st.sampled_from(["rate", "mean", "any", "user"]),
)
def test_a_guardrail_is_read_back_from_its_own_text(
    margin: float, relative: bool, lower_is_worse: bool, kind: str
) -> None:
    signed = float(margin) * (-1 if lower_is_worse else 1)
    outcome = Outcome(f"{kind}(c)", kind, ("c",))
    made = Guardrail(outcome, signed, relative, lower_is_worse)
    again = parse_guardrail(made.text)
    assert (again.outcome, again.relative) == (outcome, relative)
    assert again.margin == pytest.approx(signed, abs=1e-12)
    assert again.lower_is_worse == lower_is_worse
