"""The verdict of an experiment: five words, the rules that choose between them, one sentence.

The rules in order; what a rule may say is set by the field of `Rules` in the last column:

| | if | the verdict is | set by |
|---|---|---|---|
| 1 | the sample ratio is broken | invalid | `srm_alpha` of the gate |
| 2 | an arm has fewer users than it takes | not yet | `min_users` |
| 3 | the primary cannot be compared | not yet | |
| 4 | nothing may be decided yet (below) | not yet | `planned_users` of the evidence |
| 5 | the primary fell significantly | stop | `alpha` |
| 6 | a guardrail is broken | stop | `on_guardrail_broken` |
| 7 | the primary fell significantly in a group | hold | `on_group_fell` |
| 8 | the interval rules out the lift worth having | hold | `min_lift` |
| 9 | the primary did not rise significantly | not yet | `alpha` |
| 10 | it is unclear whether a guardrail holds | hold | `on_guardrail_unclear` |
| 11 | otherwise | ship | |

Of rules 5 to 8 the most severe word wins (stop before hold), and all that apply are told.

Who decides what is significant, and what the interval is:

| planned users | looking at every day | decides |
|---|---|---|
| reached | yes or no | the fixed-horizon test |
| not reached | yes | the confidence sequence and its always-valid p |
| not reached | no | nobody: rule 4 |
| no plan | yes | the confidence sequence and its always-valid p |
| no plan | no | the fixed-horizon test |

While the sequence decides, a rise or a fall needs the always-valid p and the present test to agree
(an effect may fade after a look that found it), and as long as neither it nor the lift worth having
is decided, rule 4 holds. Looking on the way to a plan and testing at its end costs little: both
together err in 5.4 % of experiments without an effect, at alpha .05 and 28 looks. Groups and
guardrails are always judged by the fixed-horizon test: they may only stand in the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.experiment.guardrails import BROKEN, HOLDS, UNCLEAR, Finding
from evaluation.experiment.sequential import Look
from evaluation.moments import Contrast

SHIP, HOLD, STOP, INVALID, NOT_YET = VERDICTS = ("ship", "hold", "stop", "invalid", "not yet")

MOST_GROUPS = 6
"""Groups that a sentence names at most, the last then being "… more"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a verdict takes.

    Attributes:
        alpha: Significance level.
        min_users: Users in each arm below which there is no verdict.
        min_lift: Relative lift worth having, 0 for any.
        on_group_fell: Verdict when the primary fell significantly in a group.
        on_guardrail_broken: Verdict when a guardrail is worse than its margin.
        on_guardrail_unclear: Verdict when a guardrail may be worse than its margin and nothing
            else is in the way; `ship` takes no notice.
    """

    alpha: float = 0.05
    min_users: int = 100
    min_lift: float = 0.0
    on_group_fell: str = HOLD
    on_guardrail_broken: str = STOP
    on_guardrail_unclear: str = HOLD


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
        guardrails: What became of each guardrail.
        planned_users: Users of both arms that were planned for; None if unplanned.
        look: What the confidence sequence says by now, its p adjusted if there are several
            treatments; None if nobody looked on the way.
        percent: Whether values of the outcome are shares, told in percent.
    """

    rate: str
    primary: Contrast | None
    p_value: float
    users: tuple[int, int]
    kind: str
    groups: Mapping[str, tuple[Contrast, float]]
    broken: str = ""
    guardrails: tuple[Finding, ...] = ()
    planned_users: int | None = None
    look: Look | None = None
    percent: bool = True

    @property
    def missing_users(self) -> int:
        """Users still to come until the plan is reached; 0 without a plan."""
        return max((self.planned_users or 0) - sum(self.users), 0)


def decide(evidence: Evidence, rules: Rules) -> tuple[str, str]:
    """The verdict's word, and its reason as one sentence for a product manager."""
    if evidence.broken:
        return INVALID, (
            f"users are not split as intended ({evidence.broken}), so none of the lifts is "
            "evidence: find out why before reading on"
        )
    if min(evidence.users) < rules.min_users:
        return NOT_YET, (
            f"{evidence.users[0]:,} users in the treatment and {evidence.users[1]:,} in the "
            f"control; a verdict needs {rules.min_users:,} in each"
        )
    if evidence.primary is None:
        return NOT_YET, (
            f"{evidence.rate} does not vary or has no values, so there is nothing to compare"
        )
    return _judge(evidence, _read(evidence, evidence.primary, rules), rules)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The primary as the test that decides reads it.

    Attributes:
        contrast: The primary.
        moved: 1 if it rose significantly, -1 if it fell, 0 if neither.
        too_small: Whether the interval rules out the lift worth having.
        always_valid: Whether the confidence sequence decides.
        decides: Whether the test may decide, and does.
        told: The change with its interval and p, in words.
    """

    contrast: Contrast
    moved: int
    too_small: bool
    always_valid: bool
    decides: bool
    told: str


def _read(evidence: Evidence, primary: Contrast, rules: Rules) -> _Reading:
    early = evidence.missing_users > 0
    look = evidence.look if early or evidence.planned_users is None else None
    sign = (primary.difference > 0) - (primary.difference < 0)
    significant = evidence.p_value < rules.alpha
    relative = primary.rel_interval(1 - rules.alpha)
    if look is not None:
        significant = significant and _found(look, rules) and look.crossed in (0, sign)
        relative = look.rel_sequence
    if primary.control.value < 0:  # a share of a negative value turns directions round
        relative = None
    too_small = bool(rules.min_lift and relative and relative[1] < rules.min_lift)
    return _Reading(
        contrast=primary,
        moved=sign if significant else 0,
        too_small=too_small,
        always_valid=look is not None,
        decides=significant or too_small if look is not None else not early,
        told=_told(evidence, primary, rules, look, relative),
    )


def _found(look: Look, rules: Rules) -> bool:
    """Whether the sequence has excluded 0, now or earlier."""
    return look.p_always_valid is not None and look.p_always_valid < rules.alpha


def _judge(evidence: Evidence, reading: _Reading, rules: Rules) -> tuple[str, str]:
    """Rules 4 to 11."""
    broken = _reasons(evidence, BROKEN)
    worse = _groups(evidence, rules, -1)
    clauses = [f"it fell significantly in {worse}"] * bool(worse) + broken
    if not reading.decides:
        return NOT_YET, _undecided(evidence, reading, clauses, rules)
    words = {
        *([STOP] * (reading.moved < 0)),
        *([rules.on_guardrail_broken] * bool(broken)),
        *([rules.on_group_fell] * bool(worse)),
        *([HOLD] * reading.too_small),
    }
    told = _sentence(evidence, reading)
    if words:
        if reading.too_small and reading.moved >= 0:
            told += f", which rules out the lift worth having ({_percent(rules.min_lift)})"
        look_there = ": look there before shipping" if worse and not broken else ""
        word = STOP if STOP in words else HOLD
        return word, told + _but(clauses, reading) + look_there * (word == HOLD)
    if not reading.moved:
        better = _groups(evidence, rules, +1)
        hint = f"; it did rise significantly in {better}" if better else ""
        return NOT_YET, f"{told}, which cannot be told from no change{hint}"
    unclear = _reasons(evidence, UNCLEAR)
    if unclear and rules.on_guardrail_unclear != SHIP:
        return rules.on_guardrail_unclear, told + _but(unclear, reading)
    return SHIP, told + _safe(evidence)


def _undecided(evidence: Evidence, reading: _Reading, clauses: list[str], rules: Rules) -> str:
    """Rule 4 in words: what is known, what is missing, what already looks bad."""
    said = [_sentence(evidence, reading)]
    if evidence.look is not None and reading.always_valid:
        if evidence.look.p_always_valid is None:
            said[0] += ", and the data are too thin for a look"
        elif _found(evidence.look, rules):
            said[0] += ", and what an earlier look found has not lasted"
        else:
            said[0] += ", which cannot be told from no change yet"
    if evidence.missing_users:
        until = "" if reading.always_valid else ", and the test counts only once they are in"
        said.append(f"{evidence.missing_users:,} planned users are still missing{until}")
    if clauses:
        said.append(f"so far {clauses[0]}")
    return "; ".join([*said, *clauses[1:]])


def _sentence(evidence: Evidence, reading: _Reading) -> str:
    """`the fulfillment rate rose from 40.10 % to 40.90 % (…) over 3,000 users`."""
    moved = {1: "rose", -1: "fell", 0: "moved"}[reading.moved if reading.decides else 0]
    control, treatment = reading.contrast.control.value, reading.contrast.treatment.value
    users = f"{sum(evidence.users):,}"
    if evidence.missing_users:
        users += f" of {evidence.planned_users:,} planned"
    # Enough digits to see a difference, where large numbers of users show a small one.
    digits = 2 if abs(treatment - control) >= 0.0002 else 4
    rates = f"from {_rate(control, evidence, digits)} to {_rate(treatment, evidence, digits)}"
    return f"{evidence.rate} {moved} {rates} ({reading.told}) over {users} users"


def _told(
    evidence: Evidence,
    primary: Contrast,
    rules: Rules,
    look: Look | None,
    relative: tuple[float, float] | None,
) -> str:
    """`+2.0 %, 95 % interval +0.9 % to +3.1 %, p = 0.0003`."""
    absolute, p = primary.interval(1 - rules.alpha), evidence.p_value
    level, interval, p_name = (
        1 - rules.alpha,
        "interval",
        "adjusted p" if p > 1.0001 * primary.p_value else "p",
    )
    if look is not None and look.sequence is not None and look.p_always_valid is not None:
        absolute, p = look.sequence, look.p_always_valid
        level, interval, p_name = look.level, "confidence sequence", "always-valid p"
    if relative is not None and primary.rel_difference is not None:
        digits = 1 if relative[1] - relative[0] >= 0.004 else 3
        change = _percent(primary.rel_difference, digits)
        ends = [_percent(end, digits) for end in relative]
    else:
        change, ends = _signed(primary.difference), [_signed(end) for end in absolute]
    p_text = "< .0001" if p < 1e-4 else f"= {p:.4f}"
    return f"{change}, {100 * level:.4g} % {interval} {' to '.join(ends)}, {p_name} {p_text}"


def _but(clauses: list[str], reading: _Reading) -> str:
    """Objections behind a sentence, with the conjunction that fits it."""
    if not clauses:
        return ""
    joint = ", but " if reading.moved > 0 and not reading.too_small else ", and "
    flat = ", no clear change" if not reading.moved and not reading.too_small else ""
    return flat + joint + "; ".join(clauses)


def _safe(evidence: Evidence) -> str:
    """What was looked at and found in order; guardrails that the rules let pass unclear."""
    said = [f"no {evidence.kind} fell significantly"] * (len(evidence.groups) > 1)
    holds, unclear = len(_reasons(evidence, HOLDS)), _reasons(evidence, UNCLEAR)
    if holds:
        every = {1: "the guardrail holds", 2: "both guardrails hold"}
        some = f"{holds} of {holds + len(unclear)} guardrails hold"
        said.append(some if unclear else every.get(holds, f"all {holds} guardrails hold"))
    passed = f"; let pass: {'; '.join(unclear)}" if unclear else ""
    return (", and " + " and ".join(said) if said else "") + passed


def _reasons(evidence: Evidence, word: str) -> list[str]:
    return [finding.reason for finding in evidence.guardrails if finding.word == word]


def _groups(evidence: Evidence, rules: Rules, sign: int) -> str:
    """The groups that moved significantly that way, in words; empty if none did."""
    moved = [
        f"{name} ({_percent(contrast.rel_difference)})"
        if contrast.rel_difference is not None
        else name
        for name, (contrast, p_value) in evidence.groups.items()
        if p_value < rules.alpha and contrast.difference * sign > 0
    ]
    if len(moved) > MOST_GROUPS:
        moved = [*moved[: MOST_GROUPS - 1], f"{len(moved) - MOST_GROUPS + 1} more"]
    return " and ".join([", ".join(moved[:-1]), moved[-1]] if len(moved) > 1 else moved)


def _rate(value: float, evidence: Evidence, digits: int) -> str:
    share = evidence.percent and 0 <= value <= 1
    return f"{100 * value:.{digits}f} %" if share else f"{value:.{digits + 2}g}".replace("-", "−")


def _percent(value: float, digits: int = 1) -> str:
    # Adding 0 after rounding turns −0.0 into +0.0.
    return f"{round(100 * value, digits) + 0.0:+.{digits}f} %".replace("-", "−")


def _signed(value: float) -> str:
    return f"{round(value, 4) + 0.0:+.4f}".replace("-", "−")
