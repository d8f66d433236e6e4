"""`gradewise data texts` and `languages`, end to end."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from app.cli import app
from relevance.errors import InputError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    users = [f"u{user}" for user in range(12)]
    pl.DataFrame({"pin_id": ["p1", "p2"], "title": ["Oak desk", "Lamp"]}).write_parquet(
        tmp_path / "pins.parquet"
    )
    pl.DataFrame({"user_id": users}).with_columns(
        pin_id=pl.lit("p1"), board_title=pl.lit("Home office"), saved_at=pl.lit(NOW)
    ).write_parquet(tmp_path / "saves.parquet")
    pl.DataFrame({"user_id": users}).with_columns(
        pin_id=pl.lit("p1"), query=pl.lit("desk"), engaged_at=pl.lit(NOW), action=pl.lit("save")
    ).write_parquet(tmp_path / "log.parquet")
    pl.DataFrame({"query_id": ["q", "r"], "text": ["desk", "弁当"]}).with_columns(
        country=pl.Series(["US", "JP"]), language=pl.Series(["en", None], dtype=pl.String)
    ).write_parquet(tmp_path / "queries.parquet")
    pl.DataFrame({"query_id": ["q"], "pin_id": ["p1"]}).write_parquet(tmp_path / "pairs.parquet")
    return tmp_path


def _run(folder: Path, *words: str) -> str:
    pins, out = ("--pins", str(folder / "pins.parquet")), ("--out", str(folder / "out.parquet"))
    done = CliRunner().invoke(
        app, ["data", "texts", *pins, *out, "--overwrite", *words], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.output


def test_pins_get_their_texts(folder: Path) -> None:
    logs = ("--boards", str(folder / "saves.parquet"), "--log", str(folder / "log.parquet"))
    printed = _run(folder, *logs, "--until", "2026-02-01")
    made = pl.read_parquet(folder / "out.parquet").sort("pin_id")
    assert made["board_titles"].to_list() == ["home office", None]
    assert made["engaged_queries"].to_list() == ["desk", None]
    assert "12 of 12" in printed
    assert (folder / "out.json").exists()
    assert "may know what came after" in _run(folder, *logs)


def test_judged_queries_are_left_out(folder: Path) -> None:
    words = ("--log", str(folder / "log.parquet"), "--without", str(folder / "pairs.parquet"))
    with pytest.raises(InputError, match="Add their texts: --queries FILE"):
        _run(folder, *words)
    _run(folder, *words, "--queries", str(folder / "queries.parquet"))
    assert pl.read_parquet(folder / "out.parquet")["engaged_queries"].null_count() == 2


def test_without_a_log_there_is_nothing_to_do(folder: Path) -> None:
    with pytest.raises(InputError, match="give --boards, --log or both"):
        _run(folder)


def test_missing_languages_are_filled(folder: Path) -> None:
    out = folder / "filled.csv"
    words = ["data", "languages", "--queries", str(folder / "queries.parquet"), "--out", str(out)]
    done = CliRunner().invoke(app, [*words, "--languages", "en,ja"], catch_exceptions=False)
    assert done.exit_code == 0
    rows = pl.read_csv(out).sort("query_id")
    assert rows["language"].to_list() == ["en", "ja"]
    assert rows["language_source"][0] == "given"
    assert rows["language_source"][1] != "given"
