"""`gradewise teacher ablate`: the feature table and the caption-noise study, end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.commands.teacher.caption_study import read_shares, spoken_of
from relevance.errors import GradewiseError, InputError, ModelError, SettingsError
from relevance.tables import write_table
from relevance.teacher.bases import Base
from tests.relevance.teacher.conftest import (  # noqa: F401
    _one_thread,
    tables,
    tiny_base,
    tiny_package,
)


@pytest.fixture
def folder(
    tiny_base: Base,  # noqa: F811
    tables: dict[str, pl.DataFrame],  # noqa: F811
    tmp_path: Path,
) -> Path:
    """Tables of 12 Pins a query; every Pin has a caption and a language, some a description."""
    pins = tables["pins"].with_columns(
        image_caption=pl.lit("a ") + pl.col("title").str.split(" ").list.last(),
        language=pl.when(pl.int_range(pl.len()) % 2 == 0)
        .then(pl.lit("en"))
        .otherwise(pl.lit("fr")),
    )
    kept = tables["qrels"].filter(pl.col("pin_id") < "p30")
    for name, frame in {**tables, "pins": pins, "qrels": kept}.items():
        write_table(frame, tmp_path / f"{name}.parquet", name)
    return tmp_path


def run(folder: Path, *more: object) -> Result:
    named = [p for n in ("qrels", "queries", "pins") for p in (f"--{n}", folder / f"{n}.parquet")]
    fast = ["--base", "tiny", "--epochs", 1, "--max-tokens", 32, "--threads", 1, "--folds", 2]
    arguments = [*named, *fast, "--out", folder / "out", *more]
    return CliRunner().invoke(app, ["teacher", "ablate", *map(str, arguments)])


def rows(done: Result) -> list[dict[str, Any]]:
    assert done.exit_code == 0, done.output
    parsed: list[dict[str, Any]] = json.loads(done.stdout)
    return parsed


def test_both_designs_on_the_features_that_are_there(folder: Path) -> None:
    done = run(folder, "--metrics", "accuracy,AUROC@4", "--format", "json")
    found = [r for r in rows(done) if r["metric"] == "AUROC@4"]
    assert [r["system"] for r in found] == [
        "title", "+ description", "+ image_caption",
        "all", "all - title", "all - description", "all - image_caption",
    ]  # fmt: skip
    assert "no Pin has board_titles, engaged_queries" in done.stderr
    by = {r["system"]: r for r in found}
    assert by["+ image_caption"]["note"].startswith("few_queries: 8; baseline + description")
    assert by["+ description"]["difference"] == pytest.approx(
        by["+ description"]["value"] - by["title"]["value"]
    )
    assert by["all"]["value"] == by["+ image_caption"]["value"]
    assert by["all - image_caption"]["value"] == by["+ description"]["value"]
    steps = [by["+ description"], by["+ image_caption"]]
    assert all(r["p_adjusted"] >= r["p_value"] for r in steps)
    trained = {path.parent.name for path in (folder / "out").glob("*/predictions.parquet")}
    assert len(trained) == 5  # of the seven sets two are there twice
    assert (folder / "out" / "results-ablation.parquet").exists()


def test_the_printed_tables_and_nothing_trained_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--features", "title,description", "--design", "cumulative", "--metrics", "accuracy"]
    first = run(folder, *options)
    assert first.exit_code == 0, first.output

    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("relevance.teacher.folds.train_teacher", never)
    again = run(folder, *options, "--format", "markdown")
    assert again.exit_code == 0, again.output
    assert "| text | accuracy |" in again.stdout
    assert "Difference to the set before" in again.stdout
    assert "all - title" not in again.stdout


@pytest.mark.parametrize("kind", ["drop", "shuffle", "language"])
def test_damaged_captions_against_clean_ones(folder: Path, kind: str) -> None:
    found = rows(
        run(folder, "--captions", kind, "--metrics", "accuracy,AUROC@4", "--format", "json")
    )
    of = {(r["system"], r["metric"]): r for r in found}
    names = ["clean", f"{kind} 25%", f"{kind} 50%", f"{kind} 100%"]
    assert [r["system"] for r in found if r["metric"] == "AUROC@4"] == names
    assert [of[name, "n_captions_changed"]["value"] for name in names] == [0, 3, 6, 12]
    for name in names[1:]:
        row = of[name, "AUROC@4"]
        gap = row["value"] - of["clean", "AUROC@4"]["value"]
        assert row["difference"] == pytest.approx(gap)
        assert row["p_adjusted"] >= row["p_value"] > 0
    assert of["clean", "accuracy"]["n"] == 48  # one of two folds
    assert (folder / "out" / f"results-captions-{kind}.parquet").exists()


def test_captions_reuse_the_teacher_and_take_a_given_one(folder: Path) -> None:
    first = run(folder, "--captions", "drop")
    assert first.exit_code == 0, first.output
    weights = folder / "out" / "model" / "model.safetensors"
    made = weights.stat().st_mtime_ns
    second = run(folder, "--captions", "shuffle", "--shares", "50")
    assert second.exit_code == 0, second.output
    assert weights.stat().st_mtime_ns == made
    assert "shuffle 50%" in second.stdout
    assert "6 Pins" in second.stdout
    third = run(
        folder, "--captions", "drop", "--model", weights.parent, "--format", "json",
        "--out", folder / "other",
    )  # fmt: skip
    assert {r["n"] for r in rows(third) if r["metric"] == "accuracy"} == {48}
    assert not (folder / "other" / "model").exists()


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        (["--features", "titel"], InputError, "Did you mean 'title'"),
        (["--features", "link_title"], InputError, "no Pin has any of link_title"),
        (["--metrics", "acuracy"], InputError, "accuracy"),
        (["--model", "x"], SettingsError, "--model is used by --captions"),
        (["--captions", "drop", "--shares", "0,50"], SettingsError, "--shares must be percentages"),
        (["--base", "t5-base"], ModelError, "cannot be had"),
        (["--base", "t5-base", "--captions", "drop"], ModelError, "cannot be had"),
    ],
)
def test_wrong_options(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: list[object],
    error: type[GradewiseError],
    message: str,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "hub"))
    done = run(folder, *more)
    assert isinstance(done.exception, error), done.output
    assert message in str(done.exception)


def test_shares_are_percentages() -> None:
    assert read_shares("100, 25,50") == [0.25, 0.5, 1.0]
    for wrong in ("", "a", "101", "-5"):
        with pytest.raises(SettingsError, match="--shares must be percentages"):
            read_shares(wrong)


def test_a_language_that_is_not_told_is_read_from_the_words() -> None:
    pytest.importorskip("py3langid")
    pins = pl.DataFrame(
        {"pin_id": ["a", "b"], "title": ["une table de jardin avec des chaises", None],
         "description": [None, "a wooden desk with two drawers for the office"]}
    )  # fmt: skip
    queries = pl.DataFrame({"query_id": ["q", "r"], "language": ["fr", "en"]})
    told = spoken_of(pins, queries)
    assert told is not None
    assert told.to_list() == ["fr", "en"]
    assert spoken_of(pins, queries.drop("language")) is None
