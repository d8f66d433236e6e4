"""`gradewise evaluation ranking|grades --sampled`: weighted figures, and a word without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from app.cli import app
from evaluation.ranking import evaluate_ranking


def invoke(*args: str | Path) -> tuple[list[dict[str, Any]], str]:
    result = CliRunner().invoke(app, ["evaluation", *map(str, args), "--format", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), " ".join(result.stderr.split())


def refused(*args: str | Path) -> str:
    result = CliRunner().invoke(app, ["evaluation", *map(str, args)])
    assert result.exit_code == 1
    return str(result.exception)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """60 queries of 10 Pins; the good half of the Pins was drawn four times as often."""
    rng = np.random.default_rng(0)
    keys = pl.DataFrame(
        [(f"q{i:02}", f"p{j}") for i in range(60) for j in range(10)],
        schema=["query_id", "pin_id"],
        orient="row",
    )
    grade = rng.integers(1, 6, keys.height)
    chance = np.where(grade > 3, 0.8, 0.2)
    hit = rng.random(keys.height) < chance
    guess = np.abs(np.arange(1, 6) - (grade + rng.normal(0, 1, keys.height))[:, None])
    posterior = np.exp(-guess) / np.exp(-guess).sum(axis=1, keepdims=True)
    everything = keys.with_columns(grade=pl.Series(grade))
    drawn = everything.with_columns(inclusion_probability=pl.Series(chance)).filter(pl.Series(hit))
    tables = {
        "run": keys.with_columns(score=pl.Series(grade + rng.normal(0, 2, keys.height))),
        "everything": everything,
        "qrels": drawn,
        "bare": drawn.drop("inclusion_probability"),
        "samples": drawn.select("query_id", "pin_id", "inclusion_probability").with_columns(
            stratum=pl.col("inclusion_probability").cast(pl.String), draw=pl.lit("measure")
        ),
        "pairs": keys,
        "predictions": keys.with_columns(**{f"p{k + 1}": posterior[:, k] for k in range(5)}),
    }
    folder = tmp_path_factory.mktemp("sampled")
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
    return {name: folder / f"{name}.parquet" for name in tables}


def ranked(files: dict[str, Path], qrels: str = "qrels", *more: str | Path) -> Any:
    given = ["ranking", "--run", f"s={files['run']}", "--qrels", files[qrels], "--metrics", "P@5"]
    return invoke(*given, *more)


def test_without_weights_a_note_says_that_chances_differ(files: dict[str, Path]) -> None:
    rows, told = ranked(files)
    assert all(row["note"].endswith("unequal_inclusion") for row in rows)
    assert "drawn with unequal probabilities, and these figures are of what was drawn" in told
    grades = ["grades", "--predictions", files["predictions"], "--metrics", "accuracy"]
    rows, told = invoke(*grades, "--qrels", files["qrels"])
    assert rows[0]["note"].endswith("unequal_inclusion")
    assert "--sampled weights them" in told
    rows, told = ranked(files, "everything")
    assert "unequal" not in told + rows[0]["note"]


def test_sampled_figures_are_those_of_everything(files: dict[str, Path]) -> None:
    everything = pl.read_parquet(files["everything"])
    true = evaluate_ranking(pl.read_parquet(files["run"]), everything, metrics="P@5").find("P@5")
    assert true is not None
    assert true.value is not None
    plain = ranked(files)[0][0]
    rows, _ = ranked(files, "qrels", "--sampled")
    assert abs(plain["value"] - true.value) > 0.03
    assert rows[0]["ci_low"] < true.value < rows[0]["ci_high"]
    assert abs(rows[0]["value"] - true.value) < 0.03
    assert rows[0]["note"].startswith("drawn pairs; pairs: ")
    assert rows[0]["source"].count("xxh3") == 2
    assert [row["metric"] for row in rows] == ["P@5", "Judged@5"]


def test_samples_stand_in_for_the_column_and_bring_strata(files: dict[str, Path]) -> None:
    given, _ = ranked(files, "qrels", "--sampled", "--drawn", "pairs")
    rows, _ = ranked(files, "bare", "--samples", files["samples"], "--pairs", files["pairs"])
    assert rows[0]["value"] == pytest.approx(given[0]["value"])
    assert rows[0]["ci_low"] > given[0]["ci_low"]  # strata explain part of the spread
    assert "samples=xxh3" in rows[0]["source"]


def test_sampled_grades_are_unbiased_where_all_is_predicted(files: dict[str, Path]) -> None:
    given = ["grades", "--predictions", files["predictions"], "--metrics", "accuracy,AUROC@4"]
    true, _ = invoke(*given, "--qrels", files["everything"])
    rows, _ = invoke(*given, "--qrels", files["bare"], "--samples", files["samples"])
    for row, other in zip(rows, true, strict=True):
        assert row["ci_low"] < other["value"] < row["ci_high"]
    assert rows[0]["note"] == "drawn pairs; population: 600"
    assert "estimator=difference" in rows[0]["definition"]


def test_options_that_do_not_go_together_are_refused(files: dict[str, Path]) -> None:
    given = ["ranking", "--run", str(files["run"]), "--qrels", str(files["qrels"])]
    assert "--sampled cannot go with --label-noise" in refused(
        *given, "--sampled", "--label-noise", "9"
    )
    assert "--drawn says how grades were drawn: give --sampled" in refused(
        *given, "--drawn", "pairs"
    )
    assert "--pairs says how" in refused(*given, "--pairs", files["pairs"])
    assert "no inclusion_probability" in refused(
        "ranking", "--run", files["run"], "--qrels", files["bare"], "--sampled"
    )
    assert "It is made by: gradewise annotation sample" in refused(
        *given, "--samples", "no.parquet"
    )


def test_equal_chances_below_one_have_a_word_but_no_mark(
    files: dict[str, Path], tmp_path: Path
) -> None:
    table = pl.read_parquet(files["everything"]).with_columns(inclusion_probability=0.4)
    table.write_parquet(tmp_path / "equal.parquet")
    given = {**files, "equal": tmp_path / "equal.parquet"}
    rows, told = ranked(given, "equal")
    assert "the qrels are a sample, and these figures are of what was drawn; --sampled" in told
    assert "inclusion" not in rows[0]["note"]
    table.with_columns(inclusion_probability=1.0).write_parquet(tmp_path / "equal.parquet")
    assert "sample" not in ranked(given, "equal")[1]


def test_countries_that_were_not_drawn_from_have_no_figure(
    files: dict[str, Path], tmp_path: Path
) -> None:
    """As `annotation sample --minutes US=300` draws, whose strata are called like the country."""
    ids = pl.read_parquet(files["run"])["query_id"].unique(maintain_order=True)
    country = pl.DataFrame({"query_id": ids}).with_columns(
        country=pl.when(pl.int_range(pl.len()) < 40).then(pl.lit("US")).otherwise(pl.lit("JP")),
        text=pl.lit("x"),
        language=pl.lit("en"),
    )
    samples = pl.read_parquet(files["samples"]).with_columns(stratum=pl.lit("US"))
    american = samples.join(country.filter(country="US"), on="query_id", how="semi")
    country.write_parquet(tmp_path / "queries.parquet")
    american.write_parquet(tmp_path / "samples.parquet")
    frame = pl.read_parquet(files["pairs"]).join(american, on="query_id", how="semi")
    frame.with_columns(probability=0.2).write_parquet(tmp_path / "frame.parquet")
    by = ["--queries", tmp_path / "queries.parquet", "--by", "country"]
    of_strata, told = ranked(files, "bare", *by, "--samples", tmp_path / "samples.parquet")
    assert "20 queries of which nothing could be are left out (outside_frame)" in told
    known = ["--samples", tmp_path / "samples.parquet", "--pairs", tmp_path / "frame.parquet"]
    of_frame, _ = ranked(files, "bare", *by, *known)
    for rows in (of_strata, of_frame):
        figures = {row["group"]: row for row in rows if row["metric"] == "P@5"}
        assert figures["JP"]["value"] is None
        assert figures["JP"]["note"].startswith("outside_frame: 20; not_drawn: ")
        assert figures["all"]["value"] == figures["US"]["value"] > 0.3
        assert "outside_frame: 20" in figures["all"]["note"]
    grades = ["grades", "--predictions", files["predictions"], "--metrics", "accuracy"]
    rows, _ = invoke(*grades, "--qrels", files["bare"], *by, *known)
    assert [row["group"] for row in rows if row["value"] is None] == ["JP"]
    assert "pairs_outside_frame: 200; drawn pairs; population: 400" in rows[0]["note"]
    assert "pairs=xxh3" in rows[0]["source"]


def test_uneven_pairs_and_uncovered_ranks_are_explained(files: dict[str, Path]) -> None:
    _, told = ranked(files, "qrels", "--sampled", "--metrics", "nDCG@5")
    assert "for nDCG draw whole queries" in told
    _, told = ranked(files, "qrels", "--sampled")
    assert "whole queries" not in told


def test_a_draw_can_be_named(files: dict[str, Path], tmp_path: Path) -> None:
    one = pl.read_parquet(files["samples"])
    both = pl.concat([one, one.with_columns(draw=pl.lit("pool"), inclusion_probability=1.0)])
    both.write_parquet(tmp_path / "both.parquet")
    given = ["--samples", tmp_path / "both.parquet"]
    usual, _ = ranked(files, "bare", *given)
    assert usual[0]["value"] == ranked(files, "bare", *given, "--draw", "measure")[0][0]["value"]
    assert usual[0]["value"] != ranked(files, "bare", *given, "--draw", "pool")[0][0]["value"]
    base = ["ranking", "--run", files["run"], "--qrels", files["bare"]]
    assert "have no draw 'gold'" in refused(*base, *given, "--draw", "gold")
    assert "--draw names a draw of the samples" in refused(*base, "--sampled", "--draw", "pool")
