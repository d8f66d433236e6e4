"""The verdict of an experiment: five words, the rules that choose between them, one sentence.

invalid   the split of users is not the intended one: no figure is evidence
not yet   too few users, or the effect cannot be told from none
stop      the primary fell significantly
hold      a group fell significantly, or the interval rules out the lift worth having
ship      the primary rose significantly and no group fell significantly
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.moments import Contrast

VERDICTS = ("ship", "hold", "stop", "invalid", "not yet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a verdict takes.

    Attributes:
        alpha: Significance level.
        min_users: Users in each arm below which there is no verdict.
        min_lift: Relative lift worth having, 0 for any.
    """

    alpha: float = 0.05
    min_users: int = 100
    min_lift: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict rests on.

    Attributes:
        rate: What the outcome is called in a sentence: `the fulfillment rate`.
        primary: The global comparison; None if it could not be made.
        p_value: Of the primary, adjusted if there are several treatments.
        users: Users of treatment and of control.
        kind: What the groups are: `country`.
        groups: Group → its comparison and its adjusted p-value.
        broken: Where the sample ratio is broken, in words; empty if nowhere.
    """

    rate: str
    primary: Contrast | None
    p_value: float
    users: tuple[int, int]
    kind: str
    groups: Mapping[str, tuple[Contrast, float]]
    broken: str = ""


def decide(evidence: Evidence, rules: Rules) -> tuple[str, str]:
    """The verdict's word, and its reason as one sentence for a product manager."""
    if evidence.broken:
        return "invalid", (
            f"users are not split as intended ({evidence.broken}), so none of the lifts is "
            "evidence: find out why before reading on"
        )
    if min(evidence.users) < rules.min_users:
        return "not yet", (
            f"{evidence.users[0]:,} users in the treatment and {evidence.users[1]:,} in the "
            f"control; a verdict needs {rules.min_users:,} in each"
        )
    primary = evidence.primary
    if primary is None:
        return "not yet", f"{evidence.rate} does not vary, so there is nothing to compare"
    return _judge(evidence, primary, rules)


def _judge(evidence: Evidence, primary: Contrast, rules: Rules) -> tuple[str, str]:
    what = _in_words(evidence, primary, rules)
    worse = _groups(evidence, rules, -1)
    better = _groups(evidence, rules, +1)
    if evidence.p_value < rules.alpha and primary.difference < 0:
        return "stop", f"{evidence.rate} fell {what}"
    if worse:
        rose = "rose" if evidence.p_value < rules.alpha else "shows no clear change"
        return "hold", (
            f"{evidence.rate} {rose} {what}, but it fell significantly in {worse}: look there "
            "before shipping"
        )
    interval = primary.rel_interval(1 - rules.alpha)
    if rules.min_lift and interval and interval[1] < rules.min_lift:
        return "hold", (
            f"{evidence.rate} moved {what}, which rules out the lift worth having "
            f"({_percent(rules.min_lift)})"
        )
    if evidence.p_value < rules.alpha:
        safe = f", and no {evidence.kind} fell significantly" if len(evidence.groups) > 1 else ""
        return "ship", f"{evidence.rate} rose {what}{safe}"
    hint = f"; it did rise significantly in {better}" if better else ""
    return "not yet", (f"{evidence.rate} moved {what}, which cannot be told from no change{hint}")


def _in_words(evidence: Evidence, primary: Contrast, rules: Rules) -> str:
    """`from 40.10 % to 40.90 % (+2.0 %, 95 % interval +0.9 % to +3.1 %, p = .0003) over …`."""
    level = f"{100 * (1 - rules.alpha):g} % interval"
    interval = primary.rel_interval(1 - rules.alpha)
    if interval is not None and primary.rel_difference is not None:
        change = f"{_percent(primary.rel_difference)}, {level} {_range(interval)}"
    else:
        low, high = primary.interval(1 - rules.alpha)
        change = f"{primary.difference:+.4f}, {level} {low:+.4f} to {high:+.4f}"
    p = "p < .0001" if evidence.p_value < 1e-4 else f"p = {evidence.p_value:.4f}"
    rates = f"from {_rate(primary.control.value)} to {_rate(primary.treatment.value)}"
    return f"{rates} ({change}, {p}) over {sum(evidence.users):,} users"


def _groups(evidence: Evidence, rules: Rules, sign: int) -> str:
    """The groups that moved significantly that way, in words; empty if none did."""
    moved = [
        f"{name} ({_percent(contrast.rel_difference)})"
        if contrast.rel_difference is not None
        else name
        for name, (contrast, p_value) in evidence.groups.items()
        if p_value < rules.alpha and contrast.difference * sign > 0
    ]
    return " and ".join([", ".join(moved[:-1]), moved[-1]] if len(moved) > 1 else moved)


def _rate(value: float) -> str:
    return f"{100 * value:.2f} %" if 0 <= value <= 1 else f"{value:.4g}"


def _percent(value: float) -> str:
    return f"{100 * value:+.1f} %".replace("-", "−")


def _range(interval: tuple[float, float]) -> str:
    return " to ".join(_percent(end) for end in interval)
