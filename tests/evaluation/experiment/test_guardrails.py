"""Guardrails: three words, and what is told."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evaluation.experiment.guardrails import BROKEN, HOLDS, UNCLEAR, judge
from evaluation.moments import Arm, Contrast
from evaluation.outcomes import parse_guardrail


def contrast(control: float, treatment: float, se: float) -> Contrast:
    arm = se**2 / 2
    return Contrast(Arm(treatment, arm, arm**2 / 5000), Arm(control, arm, arm**2 / 5000))


@pytest.mark.parametrize(
    ("guardrail", "treatment", "word", "says", "figures"),
    [
        # control 2, standard error .01: the interval is ±.0196, about ±.98 %
        (">= -1%", 1.9, BROKEN, "fell (…), more than the accepted 1 %", "−5.00 % −5.95 % −4.04 %"),
        (
            ">= -1%",
            1.975,
            UNCLEAR,
            "may have fallen by more than the accepted 1 % (…)",
            "−1.25 % −2.22 % −0.27 %",
        ),
        (
            ">= -1%",
            2.002,
            HOLDS,
            "did not fall by more than the accepted 1 % (…)",
            "+0.10 % −0.88 % +1.09 %",
        ),
        (
            ">= -3%",
            1.97,
            HOLDS,
            "fell significantly, but within the accepted 3 % (…)",
            "−1.50 % −2.47 % −0.52 %",
        ),
        (">= -0.05", 1.9, BROKEN, "fell (…), more than the accepted 0.05", "−0.1 −0.1196 −0.0804"),
        (
            ">= 0",
            1.99,
            UNCLEAR,
            "may have fallen, and no loss is accepted (…)",
            "−0.01 −0.0296 +0.009602",
        ),
        (">= 0", 1.9, BROKEN, "fell (…), and no loss is accepted", "−0.1 −0.1196 −0.0804"),
        (">= 0", 2.1, HOLDS, "did not fall (…)", "+0.1 +0.0804 +0.1196"),
        (
            "<= 2.5%",
            2.2,
            BROKEN,
            "rose (…), more than the accepted 2.5 %",
            "+10.00 % +8.97 % +11.04 %",
        ),
        (
            "<= 2.5%",
            2.05,
            UNCLEAR,
            "may have risen by more than the accepted 2.5 % (…)",
            "+2.50 % +1.51 % +3.50 %",
        ),
        (
            "<= 0.1",
            2.05,
            HOLDS,
            "rose significantly, but within the accepted 0.1 (…)",
            "+0.05 +0.0304 +0.0696",
        ),
        (
            "<= 0.1",
            1.5,
            HOLDS,
            "did not rise by more than the accepted 0.1 (…)",
            "−0.5 −0.5196 −0.4804",
        ),
    ],
)
def test_words_and_reasons(
    guardrail: str, treatment: float, word: str, says: str, figures: str
) -> None:
    asked = parse_guardrail(f"mean(sessions) {guardrail}")
    found = judge(contrast(2.0, treatment, 0.01), asked, 0.05)
    assert (found.guardrail, found.word) == (asked, word)
    change, low, high = figures.replace(" %", "%").split()
    told = f"({change}, 95% interval {low} to {high})".replace("%", " %")
    assert found.reason == f"mean(sessions) {says}".replace("(…)", told)


def test_what_cannot_be_compared_is_unclear() -> None:
    asked = parse_guardrail("any(crash) <= 1%")
    assert judge(None, asked, 0.05).word == UNCLEAR
    assert judge(None, asked, 0.05).reason == "any(crash) cannot be compared"
    assert judge(None, asked, 0.05, constant=(0.0, 1.0)).word == UNCLEAR


def test_what_never_varies_and_is_equal_holds() -> None:
    found = judge(None, parse_guardrail("any(crash) <= 1%"), 0.05, constant=(0.0, 0.0))
    assert (found.word, found.reason) == (HOLDS, "any(crash) is 0 for every user")


@pytest.mark.parametrize("control", [0.01, 0.0, -2.0])
def test_a_relative_margin_needs_a_control_above_zero(control: float) -> None:
    found = judge(contrast(control, control, 0.01), parse_guardrail("profit >= -1%"), 0.05)
    assert found.word == UNCLEAR
    assert "has no relative interval" in found.reason
    assert found.reason.endswith("set an absolute margin")
    absolute = judge(contrast(control, control, 0.01), parse_guardrail("profit >= -0.1"), 0.05)
    assert absolute.word == HOLDS


@given(
    treatment=st.floats(1, 3),
    se=st.floats(0.0005, 0.2),
    margin=st.floats(0.0001, 0.5),
    relative=st.booleans(),
    lower_is_worse=st.booleans(),
    alpha=st.sampled_from([0.01, 0.05, 0.2]),
)
def test_the_word_is_that_of_the_interval(
    treatment: float,
    se: float,
    margin: float,
    relative: bool,
    lower_is_worse: bool,
    alpha: float,
) -> None:
    sign = -1 if lower_is_worse else 1
    number = f"{100 * margin:.9f}%" if relative else f"{margin:.9f}"
    asked = parse_guardrail(f"c {'>= -' if lower_is_worse else '<= '}{number}")
    made = contrast(2.0, treatment, se)
    interval = made.rel_interval(1 - alpha) if relative else made.interval(1 - alpha)
    assert interval is not None
    losses = sorted(sign * end for end in interval)
    assume(all(abs(loss - margin) > 1e-6 for loss in losses))
    word = judge(made, asked, alpha).word
    assert (word == BROKEN) == (losses[0] > margin)
    assert (word == HOLDS) == (losses[1] < margin)


@given(treatment=st.floats(1.5, 2.5), more=st.floats(0, 0.5), margin=st.floats(0, 0.2))
def test_a_better_figure_is_never_worse(treatment: float, more: float, margin: float) -> None:
    asked = parse_guardrail(f"c >= -{margin:.9f}")
    order = [BROKEN, UNCLEAR, HOLDS]
    words = [judge(contrast(2, t, 0.05), asked, 0.05).word for t in (treatment, treatment + more)]
    assert order.index(words[0]) <= order.index(words[1])
