"""A workspace of results tables with made-up figures, in the exact shapes of DESIGN §7."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

import annotation.sync.desk
from annotation.client.fake import FakeServer, FakeStudio
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.store import Store
from relevance.results import ComparisonRow, ExperimentRow, Results, Row
from relevance.workspace import Workspace

COUNTRIES = {"FR": 0.97, "JP": 0.90, "MX": 0.95, "US": 1.02}
SEEN = "seen_in_training: 60"


def _places(mean: float) -> Iterator[tuple[str, str, float, int]]:
    yield "all", "all", mean, 144
    for country, factor in COUNTRIES.items():
        yield "country", country, mean * factor, 36
    yield "country", "(mean)", mean * 0.96, 144
    yield "country", "(traffic)", mean * 0.98, 144


def _rows(metric: str, system: str, mean: float, half: float, note: str = "") -> list[Row]:
    rows = []
    for column, group, value, n in _places(mean):
        wide = half * (144 / n) ** 0.5
        low, high = value - wide, min(value + wide, 1.0)
        rows.append(
            Row(metric=metric, slice=column, group=group, system=system, value=value, ci_low=low,
                ci_high=high, n=n, note=note)
        )  # fmt: skip
    return rows


def _compare(metric: str, system: str, baseline: float, difference: float) -> list[Row]:
    rows: list[Row] = []
    for column, group, value, n in _places(baseline):
        half = 0.008 * (144 / n) ** 0.5
        rows.append(
            ComparisonRow(
                metric=metric, slice=column, group=group, system=system, value=value + difference,
                baseline=value, difference=difference, difference_ci_low=difference - half,
                difference_ci_high=difference + half, rel_difference=difference / value,
                rel_difference_ci_low=(difference - half) / value,
                rel_difference_ci_high=(difference + half) / value,
                p_value=0.0004, p_adjusted=0.0032, n=n,
                note="baseline production; no_relevant: 2",
            )
        )  # fmt: skip
    return rows


def _lift(group: str, rate: float, lift: float, half: float, users: int) -> ExperimentRow:
    return ExperimentRow(
        metric="fulfilled", slice="all" if group == "all" else "country", group=group,
        role="primary", shrunk_difference=None if group == "all" else rate * lift / 2,
        shrunk_ci_low=None if group == "all" else rate * (lift / 2 - half / 2),
        shrunk_ci_high=None if group == "all" else rate * (lift / 2 + half / 2),
        system="treatment", value=rate * (1 + lift), baseline=rate, difference=rate * lift,
        difference_ci_low=rate * (lift - half), difference_ci_high=rate * (lift + half),
        rel_difference=lift, rel_difference_ci_low=lift - half, rel_difference_ci_high=lift + half,
        p_value=0.00021 if lift > half else 0.2, p_adjusted=0.00084 if lift > half else 0.2,
        n=users, n_sessions=users * 8,
    )  # fmt: skip


def agreement_rows() -> Results:
    rows = _rows("alpha(nominal)", "", 0.52, 0.01) + _rows("alpha(ordinal)", "", 0.81, 0.012)
    rows += _rows("kappa(weights=quadratic)", "", 0.79, 0.015) + _rows("within1", "", 0.94, 0.006)
    return Results(tuple(rows))


def grades_rows() -> Results:
    models = {"teacher": 0.56, "student": 0.51, "student_human": 0.45, "majority": 0.31}
    rows: list[Row] = []
    for model, accuracy in models.items():
        note = "" if model == "majority" else SEEN
        rows += _rows("accuracy", model, accuracy, 0.015, note)
        for threshold in (3, 4, 5):
            rows += _rows(f"AUROC@{threshold}", model, min(accuracy * 1.55, 0.95), 0.01, note)
    undefined = Row(metric="AUROC@5", slice="country", group="MX", system="majority", n=0,
                    n_undefined=36, note="one_class")  # fmt: skip
    rows = [undefined if _place(row) == _place(undefined) else row for row in rows]
    return Results(tuple(rows))


def _place(row: Row) -> tuple[str, str, str]:
    return row.metric, row.group, row.system


def ranking_rows() -> Results:
    rows: list[Row] = []
    systems = {"production": 0.74, "candidate": 0.77, "student": 0.83, "bm25": 0.66}
    for system, ndcg in systems.items():
        rows += _rows("nDCG@20", system, ndcg, 0.012) + _rows("P@8", system, ndcg * 0.8, 0.02)
        rows += _rows("Judged@20", system, 0.99, 0.004)
    return Results(tuple(rows))


def compare_rows() -> Results:
    rows = _compare("nDCG@20", "candidate", 0.74, 0.031) + _compare("P@8", "candidate", 0.6, 0.02)
    rows += _compare("nDCG@20", "student", 0.74, 0.09) + _compare("P@8", "student", 0.6, 0.07)
    return Results(tuple(rows))


def _looks() -> list[ExperimentRow]:
    return [
        ExperimentRow(
            metric="fulfilled", slice="day", group=f"2026-03-{day:02}", role="look",
            system="treatment", value=0.42, baseline=0.41, difference=0.01, n=1000 * day,
            n_sessions=8000 * day, rel_difference=0.024 - 0.001 * day, p_value=0.01,
            rel_difference_ci_low=0.024 - 0.05 / day, rel_difference_ci_high=0.024 + 0.05 / day,
            rel_sequence_ci_low=None if day == 1 else 0.024 - 0.08 / day,
            rel_sequence_ci_high=None if day == 1 else 0.024 + 0.08 / day,
            p_always_valid=None if day == 1 else 0.2 / day,
            note="fewer than 100 users an arm" if day == 1 else "",
        )
        for day in range(1, 15)
    ]  # fmt: skip


def _daily_ratios() -> list[ExperimentRow]:
    return [
        ExperimentRow(
            metric="sample_ratio", role="sample_ratio", slice="day", group=f"2026-03-{day:02}",
            system="treatment", value=0.5 + 0.002 * (-1) ** day, baseline=0.5, ci_low=0.45,
            ci_high=0.55, p_value=0.5, p_adjusted=1.0, n=1072,
        )
        for day in range(1, 15)
    ]  # fmt: skip


def _other_outcomes() -> list[ExperimentRow]:
    common = {
        "system": "treatment", "n": 15012, "n_sessions": 120096, "p_value": 0.31,
        "rel_difference": -0.002, "rel_difference_ci_low": -0.006, "rel_difference_ci_high": 0.002,
    }  # fmt: skip
    return [
        ExperimentRow(
            metric="mean(clicks)", role="secondary", value=2.1, baseline=2.104, difference=-0.004,
            p_adjusted=0.31, **common,
        ),
        ExperimentRow(
            metric="mean(sessions)", role="guardrail", value=7.98, baseline=8.0, margin=-0.01,
            difference=-0.016, margin_relative=True, note="holds: not worse than −1 %", **common,
        ),
    ]  # fmt: skip


def experiment_rows() -> Results:
    ratio = ExperimentRow(metric="sample_ratio", role="sample_ratio", system="treatment",
                          value=0.5012, baseline=0.5, difference=0.0012, p_value=0.62,
                          p_adjusted=0.62, n=15012)  # fmt: skip
    sentence = (
        "ship: the fulfillment rate rose from 41.22 % to 42.13 % (+2.2 %, 95 % interval +1.1 % "
        "to +3.3 %, p = .0002) over 15,012 users, and no group fell significantly"
    )
    verdict = ExperimentRow(
        metric="verdict", role="verdict", system="treatment", n=15012, note=sentence
    )
    countries = [
        _lift("FR", 0.40, 0.018, 0.021, 3900),
        _lift("JP", 0.38, 0.031, 0.023, 3100),
        _lift("MX", 0.37, -0.004, 0.025, 2700),
        _lift("US", 0.45, 0.025, 0.016, 5312),
    ]
    counts = [
        ExperimentRow(
            metric="excluded(contaminated)",
            role="count",
            value=0.0008,
            n=12,
            note="users seen in two variants",
        ),
        ExperimentRow(
            metric="excluded(outside_window)",
            role="count",
            value=0.132,
            n_sessions=18211,
            note="sessions before the start",
        ),
    ]
    total = _lift("all", 0.4122, 0.022, 0.011, 15012)
    checks = (*_looks(), ratio, *_daily_ratios(), verdict)
    return Results((total, *countries, *_other_outcomes(), *checks, *counts))


MAKERS = {
    "agreement": agreement_rows,
    "grades": grades_rows,
    "ranking": ranking_rows,
    "compare": compare_rows,
    "experiment": experiment_rows,
}


def fill_workspace(root: Path) -> Path:
    """Writes all results tables, with provenance of a fixed date."""
    workspace = Workspace(root)
    for name, make in MAKERS.items():
        path = workspace.write(f"results-{name}", make().to_frame(), command=f"gradewise {name}",
                               config={"level": 0.95}, seed=0)  # fmt: skip
        beside = path.with_suffix(".json")
        told = [
            '"made_at": "2026-05-04T12:30:00+00:00"' if '"made_at"' in line else line
            for line in beside.read_text().splitlines()
        ]
        beside.write_text("\n".join(told))
    return root


@pytest.fixture
def results_workspace(tmp_path: Path) -> Path:
    return fill_workspace(tmp_path / "results workspace")


@pytest.fixture
def call() -> Callable[..., Result]:
    """Runs a verb of `gradewise annotation`; errors of the program come out as they are."""
    from app.commands.annotation import app

    def run(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)

    return run


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    """A workspace with four queries in two countries, three candidate Pins each, and a run."""
    made = Workspace(tmp_path / "w")
    queries = pl.DataFrame(
        {
            "query_id": ["q1", "q2", "q3", "q4"],
            "text": ["rug", "cake", "tapis", "gâteau"],
            "country": ["US", "US", "FR", "FR"],
            "language": ["en", "en", "fr", "fr"],
        }
    )
    pins = pl.DataFrame({"pin_id": ["p1", "p2", "p3"], "title": ["Rug", "Cake", "Hat"]})
    pairs = queries.select("query_id").join(pins.select("pin_id"), how="cross")
    scores = pl.Series("score", [3.0, 2.0, 1.0] * 4)
    runs = pairs.with_columns(scores, system=pl.lit("production"))
    for name, frame in {
        "queries": queries,
        "pins": pins,
        "pairs": pairs,
        "runs-production": runs,
    }.items():
        made.write(name, frame, command="test")
    return made


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """A fake Label Studio in place of the real one, for the verbs of `gradewise annotation`."""
    fake = FakeServer()

    def open_desk(
        workspace: Path, *, server: str | None = None, image_hosts: Sequence[str] = ()
    ) -> Desk:
        store = Store(workspace / "label-studio" / "gradewise.sqlite3")
        return Desk(FakeStudio(fake), store, server or LOCAL, workspace, frozenset(), fake.wait)

    monkeypatch.setattr(annotation.sync.desk, "open_desk", open_desk)
    return fake
