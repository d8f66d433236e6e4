"""The report that people read, from constructed rows of every role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.commands.experiment import fitting
from app.commands.experiment.fitting import Column, fitted
from app.commands.experiment.output import print_experiment
from relevance.results import ExperimentRow, Results

COUNTRIES = {"FR": 0.03, "JP": -0.01, "US": 0.02}
FAMILY = 1 - 0.05 / 3

HOW = "weighted to one mix of country; CUPED took away 23.4 % of the variance"


def compared(metric: str, lift: float, role: str, **values: object) -> ExperimentRow:
    base = 0.4 if metric.startswith("fulfilled") else 3.0
    row = ExperimentRow(
        metric=metric, system="treatment", role=role, baseline=base, value=base * (1 + lift),
        difference=base * lift, difference_ci_low=base * (lift - 0.01),
        difference_ci_high=base * (lift + 0.01), rel_difference=lift,
        rel_difference_ci_low=lift - 0.01, rel_difference_ci_high=lift + 0.01, p_value=0.0123,
        n=30_000, n_sessions=150_000, ci_level=0.95,
    )  # fmt: skip
    return replace(row, **values)  # type: ignore[arg-type]


def lifts() -> Iterator[ExperimentRow]:
    yield compared("fulfilled", 0.02, "primary", note=HOW)
    for country, lift in COUNTRIES.items():
        yield compared(
            "fulfilled", lift, "primary", slice="country", group=country, n=10_000,
            p_adjusted=0.0456, ci_level=FAMILY, shrunk_difference=0.4 * 0.015,
        )  # fmt: skip
    yield compared("fulfilled", 0.0133, "primary", slice="country", group="(mean)")
    yield compared("fulfilled(unadjusted)", 0.021, "unadjusted")
    yield ExperimentRow(
        metric="heterogeneity", slice="country", system="treatment", role="heterogeneity",
        value=0.41, p_value=0.18, note="invalid: sample ratio; Q = 3.39 on 2 df",
    )  # fmt: skip


def others() -> Iterator[ExperimentRow]:
    yield compared("mean(sessions)", 0.005, "secondary", p_adjusted=0.0789)
    yield compared("mean(sessions)", 0.007, "secondary", slice="country", group="FR")
    yield compared(
        "rate(abandoned)", 0.001, "guardrail", margin=0.02, margin_relative=False, baseline=0.2,
        value=0.2002, difference=0.0002, difference_ci_low=-0.003, difference_ci_high=0.0034,
        note="holds: rate(abandoned) did not rise by more than the accepted 0.02",
    )  # fmt: skip
    yield compared(
        "mean(clicks)", -0.04, "guardrail", margin=-0.01, margin_relative=True,
        note="broken: mean(clicks) fell (−4.0 %), more than the accepted 1 %; weighted",
    )  # fmt: skip


def looks(days: int = 9) -> Iterator[ExperimentRow]:
    for day in range(1, days + 1):
        yield compared(
            "fulfilled", 0.02, "look", slice="day", group=f"2025-03-{day:02}", n=3_000 * day,
            p_always_valid=0.2345 / day, rel_sequence_ci_low=-0.05, rel_sequence_ci_high=0.09,
        )  # fmt: skip


def ratios(*, broken: bool = False) -> Iterator[ExperimentRow]:
    split = ExperimentRow(
        metric="sample_ratio", system="treatment", role="sample_ratio", value=0.501, baseline=0.5,
        p_value=0.467, p_adjusted=0.467, n=30_000,
    )  # fmt: skip
    yield replace(split, note="broken" if broken else "")
    yield replace(split, slice="country", group="FR", n=10_000, note="broken" if broken else "")
    yield replace(split, slice="day", group="2025-03-01", p_value=None, note="too few users")
    yield replace(split, slice="day", group="2025-03-02", n=3_000)


def counts() -> Iterator[ExperimentRow]:
    def count(metric: str, note: str, **values: object) -> ExperimentRow:
        return replace(ExperimentRow(metric=metric, role="count", note=note), **values)  # type: ignore[arg-type]

    yield count("log", "", n=30_700, n_sessions=160_000, value=1.0)
    yield count("excluded(contaminated)", "seen in two variants", n=200, value=200 / 30_700)
    yield count("excluded(unknown_variant)", "in a variant not compared", n=0, value=0.0)
    yield count("excluded(not_exposed)", "without an exposed session", n=500, value=500 / 30_700)
    yield count("kept(with_pre_period)", "with sessions before", n=20_000, value=20 / 30.7)
    yield count("excluded(duplicate_sessions)", "not looked for: too many rows")
    yield count("excluded(no_unit)", "without a user", n_sessions=3, value=0.00002)
    yield count(
        "excluded(missing_outcome)", "without clicks", slice="outcome", group="mean(clicks)",
        n_sessions=4, value=0.000025,
    )  # fmt: skip
    yield count("analysed", "", n=30_000, n_sessions=150_000, value=300 / 307)
    yield count("outcome", "outcomes from 0 to 2: a mean per session, not a rate")


def verdict(note: str) -> ExperimentRow:
    return ExperimentRow(metric="verdict", system="treatment", role="verdict", note=note)


def report(capsys: pytest.CaptureFixture[str], *rows: ExperimentRow, **options: object) -> str:
    print_experiment(Results(rows), **options)  # type: ignore[arg-type]
    return re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)


def line_of(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.strip().startswith(start))


def cells(text: str, start: str) -> list[str]:
    return re.split(r" {2,}", line_of(text, start).strip())


SHIP = verdict("ship: the fulfillment rate rose from 40.00 % to 40.80 % (+2.0 %)")
WHOLE = (*lifts(), *others(), *looks(), *ratios(), SHIP, *counts())


def test_the_verdict_comes_first_then_the_sections_in_their_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = report(capsys, *WHOLE, planned_users=40_000)
    assert text.startswith("SHIP: the fulfillment rate rose from 40.00 % to 40.80 % (+2.0 %).\n")
    titles = (
        "fulfilled, treatment against control",
        "Secondary outcomes",
        "Guardrails",
        "Looks, the last 7 of 9 days",
        "Sample ratio",
        "From the log to the analysis",
    )
    places = [text.index(f"\n{title}\n") for title in titles]
    assert places == sorted(places)


def test_a_country_has_its_own_level_and_its_adjusted_figures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = report(capsys, *WHOLE)
    shown = "JP|10,000|150,000|40.00%|39.60%|-1.00%|-2.00% to +0.00%|98.33 %|0.0123|0.0456|+1.50%"
    assert cells(text, "JP") == shown.split("|")
    assert cells(text, "all")[6:] == ["+1.00% to +3.00%", "95 %", "0.0123", "—"]
    assert "country: intervals and p (Holm) hold together" in text
    assert "heterogeneity (country): I² 41%, p 0.1800 (Q = 3.39 on 2 df)" in text
    assert "all: weighted to one mix of country\nall: CUPED took away 23.4 %" in text
    explored = report(capsys, *WHOLE, adjust="bh")
    assert "p (BH)" in explored
    assert "control the share of false findings" in explored


def test_guardrails_are_told_in_the_unit_of_their_margin(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = report(capsys, *WHOLE)
    shown = "+0.02|20.00%|20.02%|+0.0002|-0.0030 to +0.0034|0.0123|holds"
    assert cells(text, "rate(abandoned)  ")[1:] == shown.split("|")
    clicks = cells(text, "mean(clicks)  ")
    assert (clicks[1], clicks[4], clicks[-1]) == ("-1%", "-4.00%", "BROKEN")
    assert "\nmean(clicks) fell (−4.0 %), more than the accepted 1 %\n" in text


def test_looks_stand_beside_the_fixed_horizon_and_the_plan(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = report(capsys, *WHOLE, planned_users=40_000)
    assert "2025-03-02 " not in text
    shown = "9,000|+2.00%|-5.00% to +9.00%|0.0782|+1.00% to +3.00%|0.0123"
    assert cells(text, "2025-03-03")[1:] == shown.split("|")
    assert "planned: 27,000 of 40,000 users (13,000 to go)" in text
    assert "(reached)" in report(capsys, *WHOLE, planned_users=20_000)


def test_the_funnel_adds_up_and_leaves_out_what_did_not_happen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = report(capsys, *WHOLE)
    assert cells(text, "in the log") == ["in the log", "30,700", "160,000", "100.00%"]
    assert cells(text, "- contaminated")[1:] == ["200", "0.65%", "seen in two variants"]
    assert cells(text, "= analysed") == ["= analysed", "30,000", "150,000", "97.72%"]
    assert cells(text, "- duplicate sessions")[1:] == ["?", "not looked for: too many rows"]
    assert cells(text, "- missing outcome (mean(clicks))")[1:3] == ["4", "<0.01%"]
    assert "unknown variant" not in text
    assert "outcome: outcomes from 0 to 2" in text


def test_an_invalid_experiment_shows_lifts_only_as_no_evidence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    doubtful = [replace(row, note="invalid: sample ratio") for row in lifts()]
    text = report(capsys, *doubtful, *ratios(broken=True), verdict("invalid: users are not split"))
    assert text.startswith("INVALID: users are not split.")
    assert "fulfilled, treatment against control: NOT EVIDENCE, the split is broken" in text
    assert "BROKEN, see the verdict" in text
    assert cells(text, "country FR")[-1] == "0.4670"
    assert "invalid: sample ratio" not in text


def test_several_treatments_and_columns_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    device = compared("fulfilled", 0.01, "primary", slice="device", group="phone")
    rows = [*lifts(), device, *ratios(), SHIP]
    second = [replace(row, system="other") for row in rows]
    text = report(capsys, *rows, *second)
    assert "SHIP (treatment): " in text
    assert "SHIP (other): " in text
    assert cells(text, "device")[:2] == ["device", "phone"]


def test_a_lift_without_a_relative_figure_is_told_in_its_unit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = compared(
        "mean(profit)", 0.0, "primary", baseline=-0.1, value=0.2, difference=0.3,
        difference_ci_low=0.1, difference_ci_high=0.5, rel_difference=None,
        rel_difference_ci_low=None, rel_difference_ci_high=None,
    )  # fmt: skip
    text = report(capsys, row, SHIP)
    shown = "-0.1000|0.2000|+0.3000 abs.|+0.1000 to +0.5000 abs."
    assert cells(text, "all")[3:7] == shown.split("|")


def test_a_narrow_terminal_gets_the_columns_that_decide(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "terminal_width", lambda: 60)
    text = report(capsys, *WHOLE)
    assert all(len(line) <= 60 for line in text.splitlines() if line.strip()[:2] in COUNTRIES)
    assert cells(text, "JP")[:2] == ["JP", "-1.00%"]
    assert "(no room for: users, sessions," in text


def test_what_never_goes_stays_however_narrow() -> None:
    columns = [Column("a", ["1"]), Column("b", ["22"], 2), Column("c", ["333"], 1)]
    assert [c.header for c in fitted(columns, 10)] == ["a", "b", "c"]
    assert [c.header for c in fitted(columns, 6)] == ["a", "c"]
    assert [c.header for c in fitted(columns, 0)] == ["a"]
