"""The verdict: the table of rules gone through cell by cell, and what must never happen."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evaluation.experiment.guardrails import BROKEN, HOLDS, UNCLEAR, Finding
from evaluation.experiment.sequential import Look, Step, follow
from evaluation.experiment.verdict import VERDICTS, Evidence, Rules, decide
from evaluation.moments import Arm, Contrast
from evaluation.outcomes import parse_guardrail

USERS = 12_000


def contrast(control: float, treatment: float, se: float = 0.003) -> Contrast:
    arm = se**2 / 2
    return Contrast(Arm(treatment, arm, arm**2 / 5000), Arm(control, arm, arm**2 / 5000))


RISE, FALL, FLAT = contrast(0.4, 0.42), contrast(0.4, 0.38), contrast(0.4, 0.401)
MOVES = {1: RISE, -1: FALL, 0: FLAT}
GUARD = parse_guardrail("mean(sessions) >= -1%")
FELL = {"FR": (FALL, 0.001), "US": (RISE, 0.001)}
FINE = {"FR": (FLAT, 1.0), "US": (RISE, 0.001)}


def finding(word: str) -> Finding:
    return Finding(GUARD, word, f"mean(sessions) is {word}")


def look(made: Contrast, users: int = USERS, tightest_at: int = 20_000) -> Look:
    return follow([Step("1", (users // 2, users // 2), made)], tightest_at=tightest_at)[0]


def evidence(primary: Contrast | None = RISE, **changes: Any) -> Evidence:
    given: dict[str, Any] = {
        "rate": "the fulfillment rate",
        "primary": primary,
        "p_value": primary.p_value if primary else 1.0,
        "users": (USERS // 2, USERS // 2),
        "kind": "country",
        "groups": FINE,
        **changes,
    }
    return Evidence(**given)


def by_the_table(
    moved: int, found: tuple[str, ...], fell: bool, too_small: bool, decides: bool, rules: Rules
) -> str:
    """Rules 4 to 11 of the module's table, read out one by one."""
    if not decides:
        return "not yet"
    severe = []
    if moved < 0:
        severe.append("stop")
    if BROKEN in found:
        severe.append(rules.on_guardrail_broken)
    if fell:
        severe.append(rules.on_group_fell)
    if too_small:
        severe.append("hold")
    if severe:
        return "stop" if "stop" in severe else "hold"
    if moved == 0:
        return "not yet"
    return rules.on_guardrail_unclear if UNCLEAR in found else "ship"


TIMES = {
    # name: (planned users, somebody looked, the fixed test decides, the sequence decides)
    "no plan": (None, False, True, False),
    "no plan, looked": (None, True, False, True),
    "planned, reached": (USERS, False, True, False),
    "planned, reached, looked": (USERS, True, True, False),
    "planned, not reached": (2 * USERS, False, False, False),
    "planned, not reached, looked": (2 * USERS, True, False, True),
}
WORDS = (
    ("hold", "stop"),
    ("hold", "stop"),
    ("hold", "not yet", "ship"),
)
RULES = [Rules(on_group_fell=g, on_guardrail_broken=b, on_guardrail_unclear=u)
         for g, b, u in itertools.product(*WORDS)]  # fmt: skip
GUARDS = [(), (HOLDS,), (UNCLEAR,), (BROKEN,), (HOLDS, UNCLEAR), (UNCLEAR, BROKEN)]


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("min_lift", [0.0, 0.02, 0.2])
def test_every_cell_of_the_table(time: str, min_lift: float) -> None:
    planned, looked, fixed, sequence = TIMES[time]
    words = set()
    for moved, found, groups, words_of in itertools.product(MOVES, GUARDS, (FINE, FELL), RULES):
        made = MOVES[moved]
        rules = dataclasses.replace(words_of, min_lift=min_lift)
        case = evidence(
            made,
            guardrails=tuple(map(finding, found)),
            groups=groups,
            planned_users=planned,
            look=look(made) if looked else None,
        )
        interval = look(made).rel_sequence if sequence else made.rel_interval(0.95)
        assert interval is not None
        too_small = min_lift > 0 and interval[1] < min_lift
        decides = fixed or (sequence and (moved != 0 or too_small))
        word, sentence = decide(case, rules)
        assert word == by_the_table(moved, found, groups is FELL, too_small, decides, rules)
        assert (too_small and moved >= 0 and decides) == ("rules out the lift" in sentence)
        assert sentence.startswith("the fulfillment rate ")
        words.add(word)
    expected = {"ship", "hold", "stop", "not yet"} if fixed or sequence else {"not yet"}
    assert words == expected - ({"ship"} if min_lift > 0.1 else set()) - (
        {"not yet"} if min_lift > 0.1 and (fixed or sequence) else set()
    )


ROSE = (
    "the fulfillment rate rose from 40.00 % to 42.00 % "
    "(+5.0 %, 95 % interval +3.5 % to +6.5 %, p < .0001) over 12,000 users"
)
SEQUENCE = (
    "the fulfillment rate rose from 40.00 % to 42.00 % "
    "(+5.0 %, 95 % confidence sequence +2.7 % to +7.4 %, always-valid p < .0001)"
)
MOVED = "the fulfillment rate moved from 40.00 % to 40.10 %"
SENTENCES = {
    "invalid: users are not split as intended (in FR 60.0 % …), so none of the lifts is evidence: "
    "find out why before reading on": evidence(broken="in FR 60.0 % …"),
    "not yet: 99 users in the treatment and 4,000 in the control; "
    "a verdict needs 100 in each": evidence(users=(99, 4000)),
    "not yet: the fulfillment rate does not vary or has no values, "
    "so there is nothing to compare": evidence(None),
    f"ship: {ROSE}": evidence(groups={}),
    f"ship: {ROSE}, and no country fell significantly": evidence(),
    f"ship: {ROSE}, and no country fell significantly and both guardrails hold": evidence(
        guardrails=(finding(HOLDS), finding(HOLDS))
    ),
    f"ship: {ROSE}, and all 3 guardrails hold".replace(
        "p < .0001", "adjusted p = 0.0120"
    ): evidence(p_value=0.012, groups={}, guardrails=3 * (finding(HOLDS),)),
    f"ship: {SEQUENCE} over 12,000 of 20,000 planned users": evidence(
        look=look(RISE), groups={}, planned_users=20_000
    ),
    f"hold: {ROSE}, but it fell significantly in FR (−5.0 %): look there before shipping": evidence(
        groups=FELL
    ),
    f"stop: {ROSE}, but mean(sessions) is broken": evidence(guardrails=(finding(BROKEN),)),
    f"not yet: {MOVED} (+0.3 %, 95 % interval −1.2 % to +1.7 %, p = 0.7389) "
    "over 12,000 of 30,000 planned users; 18,000 planned users are still missing, "
    "and the test counts only once they are in": evidence(FLAT, planned_users=30_000),
    f"not yet: {MOVED} (+0.3 %, 95 % confidence sequence −2.0 % to +2.6 %, "
    "always-valid p = 1.0000) over 12,000 of 20,000 planned users, "
    "which cannot be told from no change yet; 8,000 planned users are still missing; "
    "so far mean(sessions) is broken": evidence(
        FLAT, look=look(FLAT), planned_users=20_000, guardrails=(finding(BROKEN),)
    ),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences(sentence: str) -> None:
    assert said(SENTENCES[sentence]) == sentence


def said(case: Evidence, rules: Rules | None = None) -> str:
    return ": ".join(decide(case, rules or Rules()))


def test_everything_that_speaks_against_it_is_told() -> None:
    case = evidence(FALL, groups=FELL, guardrails=(finding(BROKEN),))
    told = "over 12,000 users, and it fell significantly in FR (−5.0 %); mean(sessions) is broken"
    assert said(case).endswith(told)
    assert said(evidence(FALL, groups=FELL)).endswith("it fell significantly in FR (−5.0 %)")
    unclear = evidence(guardrails=(finding(UNCLEAR), finding(HOLDS)))
    assert said(unclear).endswith("over 12,000 users, but mean(sessions) is unclear")
    let_pass = said(unclear, Rules(on_guardrail_unclear="ship"))
    assert let_pass.startswith("ship: ")
    assert let_pass.endswith("and 1 of 2 guardrails hold; let pass: mean(sessions) is unclear")
    flat = evidence(FLAT, groups=FELL)
    assert "over 12,000 users, no clear change, and it fell significantly in FR" in said(flat)
    both = said(flat, Rules(min_lift=0.05))
    assert "rules out the lift worth having (+5.0 %), and it fell significantly in FR" in both


def test_exactly_enough_users_get_a_verdict() -> None:
    assert decide(evidence(users=(100, 100)), Rules())[0] == "ship"


def test_several_groups_are_listed() -> None:
    groups = dict.fromkeys(("BR", "FR", "MX"), (FALL, 0.001))
    assert "fell significantly in BR (−5.0 %), FR (−5.0 %) and MX (−5.0 %)" in said(
        evidence(groups=groups)
    )
    many = dict.fromkeys("ABCDEFGH", (FALL, 0.001))
    assert "E (−5.0 %) and 3 more: look there" in said(evidence(groups=many))
    assert said(evidence(FLAT)).endswith("no change; it did rise significantly in US (+5.0 %)")


def test_what_an_earlier_look_found_has_to_last() -> None:
    steps = [Step("1", (3000, 3000), RISE), Step("2", (6000, 6000), FLAT)]
    last = follow(steps, tightest_at=10_000)[-1]
    assert last.p_always_valid is not None
    assert last.p_always_valid < 0.05
    faded = evidence(FLAT, look=last)
    assert decide(faded, Rules())[0] == "not yet"
    assert said(faded).endswith("over 12,000 users, and what an earlier look found has not lasted")


def test_thin_data_decide_nothing() -> None:
    thin = follow([Step("1", (6000, 6000), RISE, thin=True)])[0]
    assert decide(evidence(look=thin), Rules())[0] == "not yet"
    assert said(evidence(look=thin)).endswith("and the data are too thin for a look")


@pytest.mark.parametrize(("first", "then"), [(RISE, FALL), (FALL, RISE)])
def test_a_look_that_found_the_opposite_decides_nothing(first: Contrast, then: Contrast) -> None:
    barely = contrast(0.4, 0.4 + 2.2 * 0.003 * (1 if then is RISE else -1))
    last = follow([Step("1", (3000, 3000), first), Step("2", (6000, 6000), barely)])[-1]
    assert barely.p_value < 0.05
    assert decide(evidence(barely, look=last), Rules())[0] == "not yet"


def test_the_sequence_may_rule_out_the_lift_worth_having_before_the_plan() -> None:
    case = evidence(FLAT, groups={}, look=look(FLAT), planned_users=2 * USERS)
    assert decide(case, Rules(min_lift=0.05))[0] == "hold"
    assert "confidence sequence" in said(case, Rules(min_lift=0.05))
    assert decide(case, Rules(min_lift=0.02))[0] == "not yet"


def test_the_level_told_is_that_of_the_sequence() -> None:
    narrow = follow([Step("1", (6000, 6000), RISE)], alpha=0.05 / 3)[0]
    assert "98.33 % confidence sequence" in said(evidence(look=narrow))


def test_with_the_plan_reached_the_fixed_test_decides() -> None:
    small = contrast(0.4, 0.4 + 2.5 * 0.003)
    case = evidence(small, groups={}, look=look(small))
    assert decide(case, Rules())[0] == "not yet"
    assert decide(dataclasses.replace(case, planned_users=USERS), Rules())[0] == "ship"


def test_figures_that_are_no_shares_are_not_told_in_percent() -> None:
    assert "rose from 0.4 to 0.42 (" in said(evidence(percent=False))
    assert "rose from 3 to 3.1 (+3.3 %" in said(evidence(contrast(3.0, 3.1, 0.01)))
    loss = said(evidence(contrast(-3.0, -2.9, 0.01)))
    assert "rose from −3 to −2.9 (+0.1000, 95 % interval +0.0804 to +0.1196, p < .0001)" in loss


def test_a_small_change_of_very_many_users_is_told_with_more_digits() -> None:
    tiny = contrast(0.4, 0.40006, 0.00001)
    assert "rose from 40.0000 % to 40.0060 % (+0.015 %, 95 % interval +0.010 %" in said(
        evidence(tiny)
    )


def test_no_figure_is_minus_zero() -> None:
    assert "(+0.0 %," in said(evidence(contrast(0.4, 0.39999)))


contrasts = st.builds(contrast, st.floats(0.05, 0.9), st.floats(0.05, 0.9), st.floats(0.0005, 0.1))
words = st.tuples(*map(st.sampled_from, WORDS))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Evidence, Rules]:
    primary = draw(st.none() | contrasts)
    groups = {
        name: (draw(contrasts), draw(st.floats(0, 1)))
        for name in draw(st.sets(st.sampled_from("ABC")))
    }
    found = draw(st.lists(st.sampled_from([HOLDS, UNCLEAR, BROKEN]), max_size=3))
    users = draw(st.tuples(st.integers(0, 9000), st.integers(0, 9000)))
    p = min(primary.p_value * draw(st.sampled_from([1, 1, 3])), 1.0) if primary else 1.0
    looks = follow([Step("1", users, primary)], tightest_at=draw(st.integers(100, 10**5)))
    case = evidence(
        primary,
        p_value=p,
        users=users,
        groups=groups,
        broken=draw(st.sampled_from(["", "", "", "in FR"])),
        guardrails=tuple(map(finding, found)),
        planned_users=draw(st.none() | st.integers(1, 20_000)),
        look=draw(st.sampled_from([None, looks[-1]])),
    )
    group, broken, unclear = draw(words)
    rules = Rules(
        min_lift=draw(st.sampled_from([0, 0.01, 0.3])),
        on_group_fell=group,
        on_guardrail_broken=broken,
        on_guardrail_unclear=unclear,
    )
    return case, rules


@given(cases())
def test_what_must_never_happen(case: tuple[Evidence, Rules]) -> None:
    known, rules = case
    word, sentence = decide(known, rules)
    assert word in VERDICTS
    assert (word == "invalid") == bool(known.broken)
    one = sentence.replace("p < .", "")
    assert one
    assert ". " not in one
    assert not one.endswith(".")
    primary = known.primary
    if word in ("ship", "stop", "hold"):
        assert primary is not None
        assert min(known.users) >= rules.min_users
        if known.missing_users:
            assert known.look is not None
    if word != "ship":
        return
    assert primary is not None
    assert known.p_value < rules.alpha
    assert primary.difference > 0
    found = {finding.word for finding in known.guardrails}
    assert BROKEN not in found
    assert UNCLEAR not in found or rules.on_guardrail_unclear == "ship"
    assert not any(p < rules.alpha and c.difference < 0 for c, p in known.groups.values())
    if known.missing_users or (known.planned_users is None and known.look is not None):
        assert known.look is not None
        assert known.look.p_always_valid is not None
        assert known.look.p_always_valid < rules.alpha


@given(case=cases(), control=st.floats(0.1, 0.6), se=st.floats(0.001, 0.05),
       lifts=st.lists(st.floats(-0.09, 0.3), min_size=2, max_size=4))  # fmt: skip
def test_a_larger_lift_never_gets_a_worse_verdict(
    case: tuple[Evidence, Rules], control: float, se: float, lifts: list[float]
) -> None:
    """All else equal: never from ship to anything else, never into stop."""
    known, rules = case
    verdicts = []
    for lift in sorted(lifts):
        made = contrast(control, control + lift, se)
        assume(made.difference != 0)
        looks = follow([Step("1", known.users, made)])
        changed = dataclasses.replace(
            known,
            primary=made,
            p_value=made.p_value,
            look=looks[-1] if known.look is not None else None,
        )
        verdicts.append(decide(changed, rules)[0])
    for before, after in itertools.pairwise(verdicts):
        if before == "ship":
            assert after == "ship"
        if after == "stop" and before != "stop":
            # Undecided before, decided now: the objection stood already.
            assert before == "not yet"
            assert BROKEN in {f.word for f in known.guardrails} or known.groups
