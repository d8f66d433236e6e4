"""The gate: users against the intended split, everywhere it may break."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from evaluation.experiment.sample_ratio import SampleRatio, split_p
from evaluation.moments import Moments
from evaluation.multiplicity import holm

EVEN = {"control": 0.5, "treatment": 0.5}
Counts = Mapping[str, tuple[int, ...]]


def moments(counts: Counts, intended: Mapping[str, float] = EVEN) -> dict[str, dict[str, Moments]]:
    """Variant → place → moments, from place → users of each variant."""
    return {
        variant: {
            place: Moments(users[i], np.zeros(4), np.zeros((4, 4)))
            for place, users in counts.items()
            if users[i]
        }
        for i, variant in enumerate(intended)
    }


def checked(
    days: Counts | None = None,
    intended: Mapping[str, float] = EVEN,
    alpha: float = 0.001,
    **groups: Counts,
) -> SampleRatio:
    by = {name: moments(counts, intended) for name, counts in groups.items()}
    return SampleRatio.of(by, moments(days or {}, intended), intended, alpha)


def log(users: int, share: float = 0.5) -> tuple[int, int]:
    """Users of control and treatment of one day or group."""
    return users - round(share * users), round(share * users)


DAYS = [f"2025-03-{day:02d}" for day in range(10, 24)]


@given(
    counts=st.lists(st.integers(8, 100_000), min_size=2, max_size=5),
    weights=st.lists(st.floats(0.2, 1), min_size=5, max_size=5),
)
def test_chi_square_is_that_of_scipy(counts: list[int], weights: list[float]) -> None:
    shares = np.array(weights[: len(counts)]) / sum(weights[: len(counts)])
    expected = sum(counts) * shares
    assume(expected.min() >= 5)
    assume(shares.min() >= 0.7 / len(shares) or expected.min() >= 100)
    ours = split_p(counts, shares.tolist(), 0.001)
    assert ours == pytest.approx(stats.chisquare(counts, expected).pvalue, rel=1e-9, abs=1e-290)


def test_the_worked_example() -> None:
    found = checked(country={"US": (2023, 1977)})
    assert found.overall.p_value == pytest.approx(0.46702758387372245, abs=1e-14)
    assert found.overall.p_adjusted == found.overall.p_value
    assert found.overall.share("treatment") == pytest.approx(1977 / 4000)
    assert found.broken == ""


@given(treated=st.integers(0, 40), control=st.integers(0, 40), share=st.floats(0.01, 0.24))
def test_few_users_of_two_variants_are_tested_by_the_exact_binomial(
    treated: int, control: int, share: float
) -> None:
    n = treated + control
    assume(n)
    ours = split_p([control, treated], [1 - share, share], 0.001)
    if share**n >= 0.001:
        assert ours is None
    else:
        theirs = stats.binomtest(treated, n, share).pvalue
        assert ours == pytest.approx(theirs, rel=1e-6)


@given(st.lists(st.integers(0, 4), min_size=3, max_size=3))
def test_few_users_of_three_variants_are_tested_by_the_exact_multinomial(counts: list[int]) -> None:
    shares, n = [0.6, 0.3, 0.1], sum(counts)
    assume(n >= 4)

    def chance(split: tuple[int, ...]) -> float:
        ways = math.factorial(n) / math.prod(math.factorial(k) for k in split)
        return ways * math.prod(s**k for s, k in zip(shares, split, strict=True))

    every = [(a, b, n - a - b) for a in range(n + 1) for b in range(n + 1 - a)]
    assert sum(map(chance, every)) == pytest.approx(1)
    bound = chance(tuple(counts)) * (1 + 1e-7)
    expected = sum(chance(split) for split in every if chance(split) <= bound)
    assert split_p(counts, shares, 0.001) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("counts", "shares", "tested"),
    [
        ((9, 0), (0.5, 0.5), False),  # 2 · .5^9 = .0039: not even 9 : 0 is below .001
        ((10, 0), (0.5, 0.5), True),  # five expected: χ²
        ((0, 3), (0.9, 0.1), False),
        ((0, 4), (0.9, 0.1), True),  # .1^4 = .0001
        ((0, 0), (0.5, 0.5), False),
        ((3, 3, 3, 3), (0.25,) * 4, True),
        ((5, 0, 0, 0), (0.25,) * 4, False),  # 4 · .25^5 = .0039
        (
            (50, 0, 0, 0, 0, 0, 0, 3),
            (0.93, *(0.01,) * 7),
            False,
        ),  # too many outcomes, too few for χ²
    ],
)
def test_what_is_tested(counts: tuple[int, ...], shares: tuple[float, ...], tested: bool) -> None:
    assert (split_p(counts, shares, 0.001) is not None) == tested


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.36, 0.3, 0.2, 0.1, 0.03])
def test_the_test_of_one_place_keeps_its_level_at_any_size(share: float) -> None:
    """Exactly: the probability of all splits that fire, for sizes around the change of test."""
    for alpha, allowed in ((0.001, 1.3), (0.001 / 20, 1.6)):
        for expected in (1, 2, 4, 6, 12, 25, 50, 95, 105, 200):
            n = math.ceil(expected / share)
            found = [(k, split_p([n - k, k], [1 - share, share], 0.001)) for k in range(n + 1)]
            fires = [k for k, p in found if p is not None and p < alpha]
            assert stats.binom.pmf(fires, n, share).sum() <= allowed * alpha


def test_a_family_is_adjusted_over_what_can_be_tested_in_it() -> None:
    found = checked(country={"FR": (530, 470), "JP": (5020, 4980), "US": (300, 310), "IS": (1, 0)})
    family = found.groups["country"]
    p = [family[name].p_value for name in ("FR", "JP", "US")]
    assert [family[name].p_adjusted for name in ("FR", "JP", "US")] == pytest.approx(
        holm([value for value in p if value is not None]).tolist()
    )
    assert family["IS"].p_value is family["IS"].p_adjusted is None
    assert family["IS"].share("control") == 1.0


def test_one_of_many_groups_is_not_taken_at_its_own_p() -> None:
    found = checked(country={"FR": (556, 444), **{str(i): (1000, 1000) for i in range(19)}})
    split = found.groups["country"]["FR"]
    assert split.p_value is not None
    assert split.p_value < 0.001
    assert found.broken == ""


def test_users_add_up_in_every_family() -> None:
    days = {DAYS[0]: (400, 410), DAYS[1]: (100, 90), DAYS[2]: (0, 7)}
    found = checked(days, country={"FR": (300, 300), "US": (200, 207)}, device={"app": (500, 507)})
    assert found.overall.counts == {"control": 500, "treatment": 507}
    for family in found.groups.values():
        assert sum(split.users for split in family.values()) == 1007
    assert [split.users for split in found.days.values()] == [810, 190, 7]
    assert {day: split.users for day, split in found.since.items()} == {DAYS[1]: 197, DAYS[2]: 7}
    assert found.broken == ""


def test_without_groups_the_days_give_the_whole() -> None:
    found = checked({DAYS[0]: (600, 400)})
    assert found.overall.counts == {"control": 600, "treatment": 400}
    assert found.broken == "40.0 % in treatment instead of 50.0 %, p < .0001"


def test_no_users_at_all() -> None:
    found = checked()
    assert (found.overall.users, found.overall.share("control"), found.broken) == (0, None, "")


def steady(counts: Counts | None = None, users: int = 1000) -> Counts:
    return {**{day: log(users) for day in DAYS}, **(counts or {})}


def off(share: float, wanted: str = "50.0") -> str:
    return f"{share:.1f} % in treatment instead of {wanted} %, p < .0001"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (checked(steady(), country={"FR": (7000, 7000)}), ""),
        (
            checked(country={"FR": log(10_000, 0.47), "US": log(10_000)}),
            f"{off(48.5)}; in FR {off(47)}",
        ),
        (
            checked(country={"FR": log(1000, 0.4), "JP": log(1000, 0.6), "US": log(5000)}),
            f"in FR and 1 more {off(40)}",
        ),
        (
            checked(country={name: log(9000, 0.47) for name in ("FR", "JP", "US")}),
            f"{off(47)}; in all 3 groups of country",
        ),
        (
            checked(country={"US": log(9000)}, device={"app": (2000, 2500), "web": (2500, 2000)}),
            f"in device app and 1 more {off(55.6)}",
        ),
        (checked(steady({DAYS[2]: log(600, 0.4)})), f"on 2025-03-12 {off(40)}"),
        (
            checked(steady({day: log(1000, 0.53) for day in DAYS[6:]})),
            f"{off(51.7)}; since 2025-03-16 {off(53)}",
        ),
        (
            checked(steady({day: log(700, 0.56) for day in DAYS[9:]}, users=20_000)),
            f"since 2025-03-19 {off(56)}",
        ),
        (
            checked(steady({DAYS[1]: (350, 650), **dict.fromkeys(DAYS[5:], (470, 530))})),
            f"{off(53)}; on 2025-03-11 {off(65)}",
        ),
        (
            checked(steady({day: log(1000, 0.4) for day in DAYS[6:]})),
            f"{off(44.3)}; since 2025-03-16 {off(40)}",
        ),
        # A little clearer without the first day, as it may be by chance.
        (
            checked({day: log(1000, 0.45 if day > DAYS[0] else 0.485) for day in DAYS}),
            off(45.2),
        ),
        (checked({day: log(1000, 0.43) for day in DAYS}), f"{off(43)}; on all 14 days"),
        (
            checked(country={"US": (1000, 1100, 1800)}, intended={"c": 0.25, "a": 0.25, "b": 0.5}),
            "46.2 % in b instead of 50.0 %, p < .0001",
        ),
        (
            checked(country={"US": (50_030_000, 49_970_000)}),
            "49.97 % in treatment instead of 50.00 %, p < .0001",
        ),
    ],
)
def test_where_it_breaks_in_words(found: SampleRatio, said: str) -> None:
    assert found.broken == said


def test_the_threshold_is_the_given_one() -> None:
    counts = {"US": (540, 460)}
    assert checked(country=counts).broken == ""
    assert checked(country=counts, alpha=0.02).broken == (
        "46.0 % in treatment instead of 50.0 %, p = 0.0114"
    )


def test_a_split_that_breaks_on_the_way_is_found_where_nothing_else_shows_it() -> None:
    found = checked(steady({day: log(250, 0.555) for day in DAYS[7:]}, users=4000))
    assert found.overall.p_adjusted is not None
    assert found.overall.p_adjusted > 0.001
    assert all((split.p_adjusted or 0) > 0.001 for split in found.days.values())
    assert found.broken == f"since {DAYS[7]} {off(55.6)}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "intended",
    [
        EVEN,  # .0029 of 8,000 sound experiments fire
        {"control": 0.9, "treatment": 0.1},  # .0027 of 3,000
        {"control": 0.34, "a": 0.33, "b": 0.33},  # .0037 of 3,000
    ],
)
def test_the_whole_gate_fires_in_few_sound_experiments(intended: dict[str, float]) -> None:
    """All families together: overall, 20 countries, 14 days, since each day."""
    rng = np.random.default_rng(5)
    runs, users = 3000, 6000
    countries = rng.dirichlet(np.full(20, 0.5))
    days = np.arange(14, 0, -1) / 105
    fired = 0
    for _ in range(runs):
        cells = rng.multinomial(users, np.multiply.outer(countries, days).ravel())
        table = rng.multinomial(cells, list(intended.values())).reshape(20, 14, -1)
        by_country = {str(i): tuple(map(int, n)) for i, n in enumerate(table.sum(axis=1))}
        by_day = {DAYS[i]: tuple(map(int, n)) for i, n in enumerate(table.sum(axis=0))}
        fired += bool(checked(by_day, intended, country=by_country).broken)
    assert 0.001 <= fired / runs <= 0.005
