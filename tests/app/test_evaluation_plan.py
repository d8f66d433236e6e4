"""`gradewise evaluation plan` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.commands.evaluation import app
from relevance.errors import InputError, MissingInputError, SettingsError
from relevance.provenance import hash_query, write_provenance


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def rows(*arguments: object) -> list[dict[str, Any]]:
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, (done.output, done.exception)
    parsed: list[dict[str, Any]] = json.loads(done.stdout)
    return parsed


@pytest.fixture
def files(tmp_path: Path) -> list[object]:
    """Forty queries in two countries, half of them graded; two runs; judgments that take 20 s."""
    rng = np.random.default_rng(0)
    pairs = [(f"q{i:02d}", f"p{j:02d}", int(rng.integers(1, 6)))
             for i in range(40) for j in range(25)]  # fmt: skip
    frame = pl.DataFrame(pairs, schema=["query_id", "pin_id", "grade"], orient="row")
    frame.filter(pl.col("query_id") < "q20").write_parquet(tmp_path / "qrels.parquet")
    shared = frame["grade"].to_numpy() + rng.normal(size=1000)
    for name in ("old", "new"):
        score = pl.Series(shared + 0.5 * rng.normal(size=1000))
        frame.select("query_id", "pin_id").with_columns(score=score).write_csv(
            tmp_path / f"{name}.csv"
        )
    pl.DataFrame({
        "query_id": [f"q{i:02d}" for i in range(40)], "text": ["lamp"] * 40,
        "country": ["US" if i % 2 else "FR" for i in range(40)],
        "traffic": [float(i) for i in range(40)],
    }).write_parquet(tmp_path / "queries.parquet")  # fmt: skip
    frame.filter(pl.col("query_id") < "q20").with_columns(
        annotator=pl.lit("ann"), seconds=20.0
    ).write_parquet(tmp_path / "judgments.parquet")
    return [
        "--baseline", tmp_path / "old.csv", "--candidate", f"new={tmp_path / 'new.csv'}",
        "--qrels", tmp_path / "qrels.parquet", "--queries", tmp_path / "queries.parquet",
    ]  # fmt: skip


def test_json_is_the_long_table(files: list[object]) -> None:
    found = rows(*files, "--mde", "2%", "--by", "country", "--hourly-rate", "20")
    first = found[0]
    assert (first["metric"], first["slice"], first["group"]) == ("mean(nDCG@20)", "all", "all")
    figures = {(r["metric"], r["group"]): r["value"] for r in found}
    assert (
        figures["queries(nDCG@20,design=paired)", "all"]
        < (figures["queries(nDCG@20,design=unpaired)", "all"])
    )
    for name in ("queries", "pairs", "judgments"):
        parts = [figures[f"{name}(nDCG@20)", country] for country in ("FR", "US")]
        assert sum(parts) == pytest.approx(figures[f"{name}(nDCG@20)", "all"], abs=1)
    hours = figures["judgments(nDCG@20)", "all"] * 15 / 3600
    assert figures["hours(nDCG@20)", "all"] == pytest.approx(hours, rel=0.01)
    assert figures["cost(nDCG@20)", "all"] == pytest.approx(20 * hours, rel=0.01)
    systems = {r["metric"].split("(")[0]: r["system"] for r in found}
    assert (systems["half_width"], systems["mde"]) == ("old", "new")


def test_a_percentage_is_of_the_baseline(files: list[object]) -> None:
    shared = rows(*files, "--mde", "2%")
    mean = shared[0]["value"]
    given = rows(*files, "--mde", 0.02 * mean)
    assert [r["value"] for r in shared] == [r["value"] for r in given]


def test_judgments_tell_the_pace(files: list[object]) -> None:
    folder = Path(str(files[1])).parent
    judged = rows(*files, "--judgments", folder / "judgments.parquet", "--number", 10)
    plain = rows(*files, "--number", 10)
    hours = [next(r for r in found if r["metric"] == "hours(nDCG@20)") for found in (judged, plain)]
    assert hours[0]["value"] == pytest.approx(hours[1]["value"] * 20 / 15)
    assert (hours[0]["note"], hours[1]["note"]) == ("", "assumed_seconds: 15")


def test_the_text_has_designs_and_budget(files: list[object]) -> None:
    done = run(*files, "--mde", "1%", "--by", "country", "--strata", "popularity",
               "--hourly-rate", "20")  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    for word in ("nDCG@20: 0.", "With 20 queries a system", "paired+neyman", "of unpaired",
                 "Budget (depth: 20;", "assumed_seconds: 15", "FR:high", "cost"):  # fmt: skip
        assert word in done.stdout
    budget = done.stdout.split("Budget")[1].splitlines()
    assert [line.split()[0] for line in budget[2:5]] == ["all", "country", "country"]


def test_without_a_target_it_says_what_the_graded_queries_can_do(files: list[object]) -> None:
    done = run(*files)
    assert done.exit_code == 0
    assert "mde" in done.stdout
    found = {r["metric"] for r in rows(*files)}
    assert not any(name.startswith("queries(nDCG@20,design") for name in found)
    assert "queries(nDCG@20)" in found


def test_several_metrics_have_a_block_each(files: list[object]) -> None:
    done = run(*files, "--metrics", "nDCG@20,P@8", "--mde", "2%")
    assert "P@8: 0." in done.stdout
    pairs = {r["metric"]: r["note"] for r in rows(*files, "--metrics", "nDCG@20,P@8")}
    assert pairs["pairs(nDCG@20)"].startswith("depth: 20")
    assert pairs["pairs(P@8)"].startswith("depth: 8")


def test_seen_queries_are_left_out(files: list[object]) -> None:
    new = Path(str(files[3]).removeprefix("new="))
    write_provenance(new, command="student score", seen_queries=[hash_query("q03")])
    assert rows(*files)[0]["n"] == 19
    assert rows(*files, "--allow-seen")[0]["n"] == 20


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--mde", "much"], SettingsError, "--mde must be a number or a percentage"),
        (["--half-width", "1 percent"], SettingsError, "--half-width must be a number"),
        (["--mde", "1%", "--half-width", ".01"], InputError, "two targets"),
        (["--by", "contry"], InputError, "Did you mean 'country'"),
        (["--level", "95"], SettingsError, "--level must be between 0 and 1"),
        (["--judgments", "nowhere.csv"], MissingInputError, "gradewise annotation pull"),
    ],
)
def test_mistakes_are_told(
    files: list[object], arguments: list[str], error: type[Exception], message: str
) -> None:
    done = run(*files, *arguments)
    assert isinstance(done.exception, error), done.output
    assert message in str(done.exception)
