from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.commands.report import app, build_report
from relevance.errors import InputError, MissingInputError

CLI = CliRunner()


def run(workspace: Path, out: Path, *more: str) -> object:
    result = CLI.invoke(app, ["build", "--workspace", str(workspace), "--out", str(out), *more])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code


def test_build_writes_one_file(results_workspace: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "report.html"
    assert run(results_workspace, out) == 0
    assert out.read_text().startswith("<!doctype html>")
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_build_replaces_nothing_unless_told(results_workspace: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("mine")
    with pytest.raises(InputError, match="--overwrite"):
        run(results_workspace, out)
    assert out.read_text() == "mine"
    assert run(results_workspace, out, "--overwrite") == 0
    assert out.stat().st_size == build_report(results_workspace, tmp_path / "again.html")
    assert out.read_bytes() == (tmp_path / "again.html").read_bytes()


def test_build_without_any_table_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="gradewise demo"):
        build_report(tmp_path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_build_with_some_tables_names_what_is_missing(
    results_workspace: Path, tmp_path: Path
) -> None:
    (results_workspace / "results-experiment.parquet").unlink()
    out = tmp_path / "report.html"
    build_report(results_workspace, out)
    text = out.read_text()
    assert "No verdict" in text
    assert "gradewise experiment analyze … --format csv" in text
