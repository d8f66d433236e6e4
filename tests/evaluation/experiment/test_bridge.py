"""The bridge from offline to online on constructed results with known answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from evaluation.experiment.association import Floats
from evaluation.experiment.bridge import METRICS, bridge
from evaluation.experiment.bridge_points import PastExperiment
from relevance.errors import InputError, SettingsError
from relevance.results import ExperimentRow, PairedRow, Results, Row

COUNTRIES = ("FR", "JP", "US")


def offline_rows(moved: Sequence[float], *, system: str = "candidate") -> list[PairedRow]:
    """Rows of `compare`: overall = the mean of the countries; P@8 moves half as much."""
    rows = []
    for metric, factor in zip(METRICS, (1.0, 0.5), strict=True):
        mean = float(np.mean(moved))
        places = [("all", "all", mean), ("country", "(mean)", mean)]
        places += [("country", group, value) for group, value in zip(COUNTRIES, moved, strict=True)]
        for name, group, value in places:
            change = factor * value
            rows.append(
                PairedRow(
                    metric=metric, slice=name, group=group, system=system, baseline=0.5,
                    value=0.5 * (1 + change), difference=0.5 * change, rel_difference=change,
                    rel_difference_ci_low=change - 0.0196, rel_difference_ci_high=change + 0.0196,
                    p_value_t=0.5,
                )
            )  # fmt: skip
    return rows


def online_rows(
    moved: Sequence[float], *, system: str = "treatment", verdict: str = "ship: it rose"
) -> list[Row]:
    """Rows of `analyze`; countries at another level, so with wider intervals of the same error."""

    def row(name: str, group: str, value: float, reach: float, level: float) -> ExperimentRow:
        return ExperimentRow(
            metric="fulfilled", slice=name, group=group, system=system, role="primary",
            baseline=0.4, value=0.4 * (1 + value), difference=0.4 * value, rel_difference=value,
            rel_difference_ci_low=value - reach * 0.01, rel_difference_ci_high=value + reach * 0.01,
            ci_level=level,
        )  # fmt: skip

    wide = float(stats.norm.ppf(1 - 0.05 / 6))
    whole = row("all", "all", float(np.mean(moved)), 1.959963985, 0.95)
    rows: list[Row] = [whole]
    rows += [
        row("country", group, value, wide, 1 - 0.05 / 3)
        for group, value in zip(COUNTRIES, moved, strict=True)
    ]
    rows += [
        replace(whole, slice="country", group="(mean)"),
        replace(whole, slice="day", group="2025-03-01", role="look"),
        replace(whole, metric="mean(sessions)", role="secondary", rel_difference=0.5),
    ]
    rows.append(ExperimentRow(metric="verdict", system=system, role="verdict", note=verdict))
    return rows


def past(n: int, seed: int = 0) -> tuple[list[PastExperiment], Floats, Floats]:
    """Experiments whose countries' lifts are .8 of the offline gain, and noise."""
    rng = np.random.default_rng(seed)
    offline = rng.normal(0, 0.05, (n, 3))
    online = 0.8 * offline + rng.normal(0, 0.02, (n, 3))
    experiments = [
        PastExperiment(f"e{i}", Results(tuple(offline_rows(x))), Results(tuple(online_rows(y))))
        for i, (x, y) in enumerate(zip(offline.tolist(), online.tolist(), strict=True))
    ]
    return experiments, offline, online


def found(results: Results, metric: str, name: str = "country") -> Row:
    return next(row for row in results if (row.metric, row.slice) == (metric, name))


def test_countries_and_whole_experiments_are_points() -> None:
    experiments, offline, online = past(8)
    results = bridge(experiments)
    x, y = offline.ravel(), online.ravel()
    assert found(results, "pearson(nDCG@20)").value == pytest.approx(stats.pearsonr(x, y)[0])
    assert found(results, "spearman(P@8)").value == pytest.approx(stats.spearmanr(x, y)[0])
    assert found(results, "slope(P@8)").value == pytest.approx(2 * stats.linregress(x, y).slope)
    whole = found(results, "pearson(nDCG@20)", "all")
    assert whole.value == pytest.approx(stats.pearsonr(np.mean(offline, 1), np.mean(online, 1))[0])
    assert (whole.n, found(results, "pearson(nDCG@20)").n) == (8, 24)
    assert results.rows[0] == whole
    same = found(results, "sign_agreement(nDCG@20)")
    assert same.value == pytest.approx(np.mean(np.sign(x) == np.sign(y)))
    assert "in 8 experiments" in same.note


def test_points_are_told_offline_beside_online() -> None:
    experiments, offline, online = past(4)
    rows = [row for row in bridge(experiments) if row.system == "e2" and row.group == "JP"]
    assert [row.metric for row in rows] == ["nDCG@20", "fulfilled", "P@8"]
    assert [row.value for row in rows] == pytest.approx(
        [offline[2, 1], online[2, 1], offline[2, 1] / 2]
    )
    assert rows[0].ci_low == pytest.approx(offline[2, 1] - 0.0196)
    told = bridge(experiments, absolute=True)
    absolute = [row for row in told if (row.system, row.group) == ("e2", "JP")]
    assert [row.value for row in absolute] == pytest.approx(
        [0.5 * offline[2, 1], 0.4 * online[2, 1], 0.25 * offline[2, 1]]
    )


def test_noise_comes_from_the_intervals_each_at_its_level() -> None:
    experiments, offline, online = past(8)
    x, y = offline.ravel(), online.ravel()
    shares = [1 - 0.01**2 / float(np.var(each, ddof=1)) for each in (x, y)]
    row = found(bridge(experiments), "pearson_corrected(nDCG@20)")
    assert row.value == pytest.approx(
        min(1, stats.pearsonr(x, y)[0] / np.sqrt(shares[0] * shares[1])), rel=1e-4
    )
    assert f"reliability {shares[0]:.2f} offline, {shares[1]:.2f} online" in row.note
    narrower = [replace(each, offline_level=0.5) for each in experiments]
    assert found(bridge(narrower), "slope_corrected(nDCG@20)").value != pytest.approx(
        found(bridge(experiments), "slope_corrected(nDCG@20)").value
    )


def test_broken_experiments_and_lonely_groups_are_left_out_and_counted() -> None:
    experiments, _, _ = past(6)
    wild = Results(tuple(online_rows([9.0, -9.0, 9.0], verdict="invalid: users are not split")))
    without_jp = Results(tuple(row for row in experiments[1].online if row.group != "JP"))
    undefined = [
        replace(row, rel_difference=None) if row.group == "US" else row
        for row in experiments[2].offline
        if isinstance(row, PairedRow)
    ]
    changed = [
        replace(experiments[0], online=wild),
        replace(experiments[1], online=without_jp),
        replace(experiments[2], offline=Results(tuple(undefined))),
        *experiments[3:],
    ]
    results = bridge(changed)
    invalid, lonely = results.rows[-2:]
    assert (invalid.metric, invalid.n) == ("excluded(invalid)", 1)
    assert invalid.note == "experiments whose split was broken: e0"
    assert (lonely.metric, lonely.n) == ("excluded(unmatched)", 1)
    assert lonely.note.endswith(": e1 JP")
    row = found(results, "pearson(nDCG@20)")
    assert (row.n, row.n_undefined) == (5 * 3 - 2, 1)
    assert found(results, "pearson(nDCG@20)", "all").n == 5
    gone = next(r for r in results if (r.metric, r.system, r.group) == ("nDCG@20", "e2", "US"))
    assert (gone.value, gone.note) == (None, "no difference")


def test_fewer_than_four_points_say_so() -> None:
    row = found(bridge(past(1)[0]), "pearson(nDCG@20)")
    assert (row.value, row.note) == (None, "needs 4 points, there are 3")
    two = found(bridge(past(2)[0]), "pearson(nDCG@20)")
    assert two.ci_low is not None
    assert "Fisher's z, too narrow" in two.note


def test_another_outcome_and_another_column() -> None:
    experiments, _, _ = past(5)
    results = bridge(experiments, outcome="mean(sessions)", metrics=["nDCG@20"])
    assert found(results, "pearson(nDCG@20)", "all").note == "all online differences are equal"
    countries = bridge(experiments, by=["country"])
    assert countries == bridge(experiments)


def test_treatments_and_candidates_are_matched_by_name() -> None:
    moved = [[0.01, 0.02, 0.03], [0.04, -0.02, 0.01]]
    names = ("v1", "v2")
    compared = [row for x, s in zip(moved, names, strict=True) for row in offline_rows(x, system=s)]
    lifted = [[0.01, 0.03, 0.02], [0.03, -0.01, 0.01]]
    tested = [row for y, s in zip(lifted, names, strict=True) for row in online_rows(y, system=s)]
    results = bridge([PastExperiment("march", Results(tuple(compared)), Results(tuple(tested)))])
    assert {row.system for row in results if row.system} == {"march/v1", "march/v2"}
    row = found(results, "pearson(nDCG@20)")
    oracle = stats.pearsonr(np.ravel(moved), np.ravel(lifted))
    assert row.value == pytest.approx(oracle[0])
    assert "too narrow" in row.note
    one = PastExperiment("march", Results(tuple(compared)), Results(tuple(online_rows(moved[0]))))
    with pytest.raises(InputError, match=r"--candidate"):
        bridge([one])
    chosen = bridge([one], candidate="v2")
    values = {row.group: row.value for row in chosen if row.metric == "nDCG@20"}
    assert [values[name] for name in COUNTRIES] == moved[1]
    usual = [replace(row, system=row.system.replace("v2", "candidate")) for row in compared]
    assert bridge([replace(one, offline=Results(tuple(usual)))]) == chosen
    with pytest.raises(InputError, match=r"has no candidate 'v3', only v1, v2\."):
        bridge([one], candidate="v3")
    with pytest.raises(InputError, match=r"march: which candidate \(v1, v2\) was which treatment"):
        bridge([one])


def test_what_is_missing_is_named() -> None:
    experiments, _, _ = past(4)
    with pytest.raises(InputError, match=r"no comparison has the metric 'nDCG@10'. Did you mean"):
        bridge(experiments, metrics=["nDCG@10"])
    with pytest.raises(InputError, match=r"no comparison has the slice 'contry'. Did you mean"):
        bridge(experiments, by=["contry"])
    with pytest.raises(InputError, match=r"e0: the experiment has no outcome 'fulfiled'. Did you"):
        bridge(experiments, outcome="fulfiled")
    with pytest.raises(SettingsError, match="two experiments are called 'e0'"):
        bridge([experiments[0], experiments[0]])
    with pytest.raises(InputError, match=r"e0: the saved result has no treatment. It is made by"):
        bridge([replace(experiments[0], online=Results(()))])
    with pytest.raises(InputError, match="there is no past experiment"):
        bridge([])
