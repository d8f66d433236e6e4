"""The computed bootstrap distribution: against drawing it, and where it must be drawn."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.intervals import (
    CLOSED_FORM_FROM,
    Estimate,
    Linear,
    Ratio,
    Smooth,
    Statistic,
    estimate_all,
    estimate_function,
    influences,
)
from evaluation.intervals.closed_form import gradient, ratio_quantiles, scores, sum_quantiles
from evaluation.intervals.statistic import derivatives

N = CLOSED_FORM_FROM


def skewed() -> dict[str, Statistic]:
    """Figures over skewed queries: some huge, sizes that differ and go with the values."""
    rng = np.random.default_rng(3)
    values, size = rng.lognormal(0, 1, N), rng.integers(1, 30, N).astype(float)
    influence = rng.lognormal(0, 1, N)
    columns = np.column_stack([values * size, size, rng.random(N) * size])
    return {
        "mean": Ratio(values, np.ones(N)),
        "rare": Ratio((rng.random(N) < 0.02).astype(float), np.ones(N)),
        "ratio": Ratio(values * size**1.5, size**2),
        "auroc": Linear(0.9, (influence - influence.mean()) / N * 0.1),
        "smooth": Smooth(columns, lambda s: (s[..., 0] / s[..., 1]) ** 2 - s[..., 2] / s[..., 1]),
    }


@pytest.fixture(scope="module")
def drawn() -> dict[str, Estimate]:
    """The same figures, from 20,000 resamplings."""
    found = estimate_all(list(skewed().values()), reps=20_000, resample=True, seed=1)
    return dict(zip(skewed(), found, strict=True))


@pytest.mark.parametrize("name", skewed())
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_ends_are_those_of_20_000_resamplings_within_their_error(
    name: str, level: float, drawn: dict[str, Estimate]
) -> None:
    computed = estimate_all([skewed()[name]])[0]
    assert not drawn[name].exact
    errors = drawn[name].mc_error(level)
    low, high = computed.interval(level)
    assert low == pytest.approx(drawn[name].interval(level)[0], abs=3.5 * errors[0])
    assert high == pytest.approx(drawn[name].interval(level)[1], abs=3.5 * errors[1])
    assert 0 < max(errors) < 0.08 * (high - low)


def test_the_whole_distribution_is_right_where_a_symmetric_one_is_not(
    drawn: dict[str, Estimate],
) -> None:
    """The largest gap between the distribution functions is that of chance (Kolmogorov)."""
    from scipy import stats

    computed = estimate_all([skewed()["ratio"]])[0]
    chance = 1.63 / np.sqrt(20_000) + 1 / len(computed.replicates)
    gap = stats.ks_2samp(computed.replicates, drawn["ratio"].replicates).statistic
    normal = computed.value + np.sqrt(computed.variance) * scores(2_000)
    assert gap < chance < stats.ks_2samp(normal, drawn["ratio"].replicates).statistic


def test_replicates_are_shuffled_by_group_and_carry_no_chance() -> None:
    mean = skewed()["mean"]
    first, other = (estimate_all([mean], key=key)[0] for key in ("country=US", "country=FR"))
    assert np.array_equal(np.sort(first.replicates), np.sort(other.replicates))
    assert abs(np.corrcoef(first.replicates, other.replicates)[0, 1]) < 0.1
    assert first.mc_error() == (0.0, 0.0)


def test_few_queries_that_carry_a_figure_are_drawn() -> None:
    """Three hits in 2,000 queries are not nearly normal, whatever the number of queries."""
    hits = np.zeros(N)
    hits[:3] = 1.0
    estimate = estimate_all([Ratio(hits, np.ones(N))], resample=False, reps=300)[0]
    assert not estimate.exact
    assert set(np.round(estimate.replicates * N)) <= set(range(15))
    assert sum_quantiles(hits - hits.mean(), 100) is None
    sizes = np.ones(N)
    sizes[0] = 1_000.0
    spread = np.random.default_rng(0).normal(size=N)
    spread[0] = 0.0
    assert ratio_quantiles((spread - spread.mean()) / N, sizes / sizes.sum(), 100) is None


def test_the_number_of_queries_chooses_and_the_user_overrules() -> None:
    few, many = (Ratio(np.arange(n) % 7.0, np.ones(n)) for n in (N - 1, N))
    assert not estimate_all([few], reps=50)[0].exact
    assert estimate_all([many], reps=50)[0].exact
    assert not estimate_all([many], reps=50, resample=True)[0].exact
    assert estimate_all([few], reps=50, resample=False)[0].exact


def test_queries_without_units_do_not_count_as_many() -> None:
    used = (np.arange(N) % 2).astype(float)
    assert not estimate_all([Ratio(used * 0.5, used)], reps=50)[0].exact


def test_drawn_and_computed_figures_stand_side_by_side() -> None:
    hits = np.zeros(N)
    hits[:3] = 1.0
    statistics = [skewed()["mean"], Ratio(hits, np.ones(N)), skewed()["auroc"]]
    together = estimate_all(statistics, reps=100)
    apart = [estimate_all([s], reps=100)[0] for s in statistics]
    assert [e.exact for e in together] == [True, False, True]
    assert all(
        np.allclose(a.replicates, b.replicates) for a, b in zip(together, apart, strict=True)
    )


def test_nothing_varies_and_nothing_is_there() -> None:
    same = estimate_all([Ratio(np.full(N, 0.5), np.ones(N)), Linear(1.0, np.zeros(N))])
    assert [e.interval() for e in same] == [(0.5, 0.5), (1.0, 1.0)]
    empty = Smooth(np.zeros((N, 2)), lambda s: s[..., 0] / s[..., 1])
    nothing = [Ratio(np.zeros(N), np.zeros(N)), empty, Linear(float("nan"), np.zeros(0))]
    for estimate in [estimate_all([statistic], resample=False)[0] for statistic in nothing]:
        assert np.isnan(estimate.value)
        assert estimate.interval() is None


def test_a_smooth_ratio_is_the_ratio() -> None:
    ratio = skewed()["ratio"]
    smooth = Smooth(ratio.columns, lambda s: s[..., 0] / s[..., 1])
    exact, general = estimate_all([ratio, smooth])
    assert general.value == pytest.approx(exact.value, rel=1e-12)
    assert general.influence == pytest.approx(exact.influence, abs=1e-9 * np.ptp(exact.influence))
    width = np.ptp(exact.interval())
    assert general.interval() == pytest.approx(exact.interval(), abs=0.01 * width)


@pytest.mark.parametrize("n", [300, 1_999])
def test_the_derivative_is_the_jackknife_but_for_small_terms(n: int) -> None:
    rng = np.random.default_rng(n)
    columns = rng.gamma(1.0, size=(n, 4))

    def function(sums: np.ndarray) -> np.ndarray:
        a, b, c, d = np.moveaxis(sums, -1, 0)
        return np.stack([a * d / (b * c), np.sqrt(a / b), np.ones_like(a)], axis=-1)

    jackknife = influences(columns, function)
    slope = columns @ derivatives(columns, function).T
    size = np.abs(jackknife).max(axis=0)
    assert size[2] == 0
    assert np.abs(jackknife - (slope - slope.mean(axis=0))).max() < 20 / n * size.max()
    assert jackknife.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)


def test_gradient_is_exact_on_a_quadratic() -> None:
    total = np.array([3.0, -2.0, 0.0])
    found = gradient(lambda s: (s**2).sum(axis=-1, keepdims=True), total, np.array([1.0, 1.0, 0.0]))
    assert found == pytest.approx(np.array([[6.0, -4.0, 0.0]]), abs=1e-9)


def test_several_figures_of_the_same_sums() -> None:
    columns = skewed()["smooth"].columns

    def both(sums: np.ndarray) -> np.ndarray:
        return sums[..., [0, 2]] / sums[..., 1:2]

    computed = estimate_function(columns, both)
    for index, column in enumerate((0, 2)):
        alone = estimate_all([Ratio(columns[:, column], columns[:, 1])])[0]
        assert computed[index].value == pytest.approx(alone.value)
        width = np.ptp(alone.interval())
        assert computed[index].interval() == pytest.approx(alone.interval(), abs=0.02 * width)


def test_sparse_columns_are_drawn_and_give_the_same() -> None:
    from scipy.sparse import csr_array

    columns = np.random.default_rng(0).poisson(0.3, size=(400, 3)).astype(float)

    def share(sums: np.ndarray) -> np.ndarray:
        return sums[..., :1] / sums.sum(axis=-1, keepdims=True)

    dense = estimate_function(columns, share, reps=50)[0]
    sparse = estimate_function(csr_array(columns), share, reps=50)[0]
    assert sparse.value == dense.value
    assert sparse.replicates == pytest.approx(dense.replicates)
    assert sparse.influence == pytest.approx(dense.influence)
