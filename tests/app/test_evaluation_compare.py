"""`gradewise evaluation compare` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

import annotation.sync.desk
from annotation.client.fake import FakeServer, FakeStudio
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.store import Store
from app.commands import annotation as annotation_commands
from app.commands.evaluation import app
from evaluation.compare import compare_runs
from relevance.errors import GradewiseError, InputError, MissingInputError, SettingsError
from relevance.results import PairedRow, results_from
from relevance.tables import read_table
from relevance.workspace import Workspace

N_QUERIES, N_PINS = 40, 12


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["compare", *map(str, words)])


def done(*words: object) -> Result:
    result = call(*words)
    assert result.exit_code == 0, result.output
    return result


def rows(*words: object) -> list[dict[str, Any]]:
    parsed: list[dict[str, Any]] = json.loads(done(*words, "--format", "json").stdout)
    return parsed


def fails(error: type[GradewiseError], message: str, *words: object) -> None:
    result = call(*words)
    assert isinstance(result.exception, error), result.output
    assert message in str(result.exception)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty queries in two countries; `new` is better than `old`, `bad` is worse; some unjudged."""
    rng = np.random.default_rng(0)
    ids = [f"q{i:02d}" for i in range(N_QUERIES)]
    pairs = pl.DataFrame(
        [(q, f"p{j:02d}", int(rng.integers(1, 6))) for q in ids for j in range(N_PINS)],
        schema=["query_id", "pin_id", "grade"], orient="row",
    )  # fmt: skip
    grades = pairs["grade"].to_numpy()
    for name, noise in (("old", 2.5), ("new", 1.0), ("bad", 9.0)):
        score = pl.Series("score", grades + rng.normal(0, noise, len(grades)))
        pairs.select("query_id", "pin_id", score).write_csv(tmp_path / f"{name}.csv")
    posterior = [
        pl.when(pl.col("grade") == k).then(0.6).otherwise(0.1).alias(f"p{k}") for k in range(1, 6)
    ]
    judged = pl.Series(rng.random(len(grades)) < 0.9)
    pairs.filter(judged).with_columns(posterior).write_parquet(tmp_path / "qrels.parquet")
    pl.DataFrame({
        "query_id": ids, "text": [f"search {i}" for i in range(N_QUERIES)],
        "country": ["US", "FR"] * (N_QUERIES // 2), "language": ["en", "fr"] * (N_QUERIES // 2),
    }).write_csv(tmp_path / "queries.csv")  # fmt: skip
    numbers = range(N_PINS)
    pl.DataFrame({
        "pin_id": [f"p{j:02d}" for j in numbers], "title": [f"Pin {j}" for j in numbers],
    }).write_csv(tmp_path / "pins.csv")  # fmt: skip
    pairs.select("query_id", "pin_id", *posterior).write_csv(tmp_path / "teacher.csv")
    return tmp_path


def inputs(folder: Path, candidate: str = "new.csv") -> list[object]:
    return [
        "--baseline", f"production={folder / 'old.csv'}", "--candidate", folder / candidate,
        "--qrels", folder / "qrels.parquet", "--queries", folder / "queries.csv",
        "--metrics", "nDCG@5",
    ]  # fmt: skip


def test_json_holds_what_compare_runs_returns(folder: Path) -> None:
    found = rows(*inputs(folder), "--by", "country", "--adjust", "bh", "--reps", 200)
    runs = [
        read_table(folder / f"{name}.csv", "runs").with_columns(system=pl.lit(system))
        for name, system in (("old", "production"), ("new", "new"))
    ]
    expected = compare_runs(
        *runs, read_table(folder / "qrels.parquet", "qrels"),
        read_table(folder / "queries.csv", "queries"),
        metrics="nDCG@5", by="country", adjust="bh", reps=200,
    )  # fmt: skip
    assert results_from(found).sourced("") == expected
    assert all(isinstance(row, PairedRow) for row in results_from(found))
    assert [row["group"] for row in found[:4]] == ["all", "FR", "US", "(mean)"]
    assert {"baseline=", "candidate=", "qrels="} <= {
        part[: part.index("=") + 1] for part in found[0]["source"].split("; ") if "=" in part
    }


def test_text_shows_the_figures_and_what_changed(folder: Path) -> None:
    words = [*inputs(folder), "--pins", folder / "pins.csv", "--show", 2]
    out = done(*words).stdout
    table, *lists = out.split("\n\n")
    header = table.splitlines()[0]
    for name in ("difference", "relative", "p adj.", "win/tie/loss", "MDE", "worst … best"):
        assert name in header
    assert "new against production, on the same queries" in table
    assert "adjust=holm" in table
    assert [part.strip().split(":")[0] for part in lists] == ["gained"] * 2 + ["lost"] * 2
    first = lists[0].strip().splitlines()
    assert "nDCG@5" in first[0]
    assert "search " in first[0]
    assert first[1].split() == ["rank", "production", "grade", "new", "grade"]
    assert len(first) == 7
    assert "Pin " in first[2]
    assert any(" ? " in line or line.rstrip().endswith("?") for part in lists
               for line in part.splitlines())  # fmt: skip
    assert "gained" not in done(*inputs(folder), "--show", 0).stdout


def test_text_leaves_out_what_says_nothing(folder: Path) -> None:
    """Judged of a group that does not differ; the overall row stays, and JSON holds them all."""
    words = [*inputs(folder), "--candidate", f"same={folder / 'old.csv'}", "--by", "country"]
    lines = done(*words, "--show", 0).stdout.splitlines()
    judged = [line.split()[1:3] for line in lines if line.startswith("Judged@5 ")]
    assert ["same", "all"] in judged
    assert ["same", "US"] not in judged
    assert ["new", "US"] in judged
    found = [r for r in rows(*words) if r["metric"] == "Judged@5" and r["system"] == "same"]
    assert [row["group"] for row in found] == ["all", "FR", "US", "(mean)"]


def test_markdown_is_a_table_and_lists(folder: Path) -> None:
    out = done(*inputs(folder), "--format", "markdown", "--show", 1).stdout
    assert out.startswith("| metric | group | n | baseline | value | difference |")
    assert "**gained: q" in out
    assert "| rank | production | grade | new | grade |" in out


def test_several_candidates_against_one_baseline(folder: Path) -> None:
    words = [*inputs(folder), "--candidate", f"worse={folder / 'bad.csv'}"]
    found = rows(*words)
    assert [r["system"] for r in found if r["metric"] == "nDCG@5"] == ["new", "worse"]
    assert [r["difference"] > 0 for r in found if r["metric"] == "nDCG@5"] == [True, False]
    assert done(*words, "--show", 0).stdout.splitlines()[0].split()[1] == "system"
    again = ["--candidate", folder / "new.csv"]
    fails(InputError, "two candidates are called 'new'", *inputs(folder), *again)


def test_a_regress_exits_with_three_and_says_where(folder: Path) -> None:
    worse = call(*inputs(folder, "bad.csv"), "--by", "country", "--fail-on", "regress")
    assert worse.exit_code == 3
    assert "gate: significantly worse: nDCG@5 of bad: -0." in worse.stderr
    assert "nDCG@5" in worse.stdout
    better = done(*inputs(folder), "--by", "country", "--fail-on", "regress")
    assert "gate" not in better.stderr
    assert call(*inputs(folder), "--fail-on", "progress").exit_code == 2


def test_too_few_data_are_no_regress_but_are_told(folder: Path) -> None:
    one = pl.read_parquet(folder / "qrels.parquet").filter(pl.col("query_id") == "q00")
    one.write_parquet(folder / "qrels.parquet")
    result = done(*inputs(folder, "bad.csv"), "--fail-on", "regress")
    assert "gate: not enough data to test nDCG@5 of bad" in result.stderr


def test_every_querys_values_go_to_a_file(folder: Path) -> None:
    path = folder / "changes.parquet"
    words = [*inputs(folder), "--changes", path]
    assert "80 values of queries" in done(*words).stderr
    table = pl.read_parquet(path)
    assert table.height == 2 * N_QUERIES
    ndcg = table.filter(pl.col("metric") == "nDCG@5")
    overall = rows(*inputs(folder))[0]
    assert ndcg["difference"].mean() == pytest.approx(overall["difference"])
    assert ndcg["difference_worst"].mean() == pytest.approx(overall["difference_worst"])
    assert ndcg["n_unjudged"].sum() == overall["n_unjudged"]
    fails(InputError, "is there already. Add --overwrite", *words)
    done(*words, "--overwrite")
    fails(InputError, "no format ends in '.xyz'", *inputs(folder), "--changes", folder / "c.xyz")
    fails(InputError, "not pairs", *inputs(folder), "--unjudged", folder / "pairs.trec")


def test_the_unjudged_pairs_go_straight_to_annotators(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The printed commands, word for word, against a fake Label Studio."""
    fake = FakeServer()

    def open_desk(workspace: Path, *, server: str | None = None, image_hosts: Any = ()) -> Desk:
        store = Store(workspace / "label-studio" / "gradewise.sqlite3")
        return Desk(FakeStudio(fake), store, server or LOCAL, workspace, frozenset(), fake.wait)

    monkeypatch.setattr(annotation.sync.desk, "open_desk", open_desk)
    path = folder / "unjudged.csv"
    told = done(*inputs(folder), "--unjudged", path, "--show", 0).stderr.splitlines()
    pairs = pl.read_csv(path)
    assert pairs.columns == ["query_id", "pin_id", "rank", "weight", "n_systems"]
    assert pairs["weight"].is_sorted(descending=True)
    assert pairs.height == rows(*inputs(folder))[0]["n_unjudged"]
    assert read_table(path, "pairs").height == pairs.height

    space = Workspace(folder / "w")
    for name in ("queries", "pins"):
        space.write(name, read_table(folder / f"{name}.csv", name), command="test")
    hint = next(line for line in told if line.startswith("have them graded: "))
    for command in hint.removeprefix("have them graded: ").split(" && "):
        words = command.replace("DIR", str(space.root)).split()
        assert words[:2] == ["gradewise", "annotation"]
        result = CliRunner().invoke(annotation_commands.app, words[2:])
        assert result.exit_code == 0, result.output
    samples = space.read("samples").sort("query_id", "pin_id")
    assert samples.select("query_id", "pin_id").equals(
        read_table(path, "pairs").sort("query_id", "pin_id").select("query_id", "pin_id")
    )
    assert f"{pairs.height} pairs pushed, 0 were there already" in result.stderr


def test_label_noise_says_how_often_the_winner_flips(folder: Path) -> None:
    plain, noisy = (rows(*inputs(folder), *more)[0] for more in ([], ["--label-noise", 20]))
    assert plain["winner_flips"] is None
    assert 0 <= noisy["winner_flips"] <= 1
    assert noisy["difference_ci_high"] > plain["difference_ci_high"]
    assert "flips" in done(*inputs(folder), "--label-noise", 20).stdout.splitlines()[0]


def test_a_teacher_helps_few_human_grades(folder: Path) -> None:
    few = [f"q{i:02d}" for i in range(0, N_QUERIES, 2)]
    qrels = pl.read_parquet(folder / "qrels.parquet").filter(pl.col("query_id").is_in(few))
    qrels.write_parquet(folder / "qrels.parquet")
    first = rows(*inputs(folder), "--assisted", folder / "teacher.csv")[0]
    assert (first["system"], first["metric"], first["n"]) == ("new", "nDCG@5", 20)
    assert "people_only" in first["note"]
    assert first["difference_ci_low"] < first["difference"] < first["difference_ci_high"]
    text = done(*inputs(folder), "--assisted", folder / "teacher.csv").stdout
    assert "people_only" in text
    bad = call(*inputs(folder, "bad.csv"), "--assisted", folder / "teacher.csv",
               "--fail-on", "regress")  # fmt: skip
    assert bad.exit_code == 3


def test_mistakes_are_told(folder: Path) -> None:
    missing = [*inputs(folder), "--pins", folder / "none.csv"]
    fails(MissingInputError, "none.csv not found. It is made by: gradewise data import", *missing)
    fails(MissingInputError, "gone.csv not found", *inputs(folder, "gone.csv"))
    fails(SettingsError, "--level must be between 0 and 1", *inputs(folder), "--level", 95)
    fails(InputError, "metric 'NDCG' is unknown", *inputs(folder), "--metrics", "NDCG")
    fails(InputError, "no column 'county'", *inputs(folder), "--by", "county")
    assert call(*inputs(folder), "--adjust", "none").exit_code == 2
    (folder / "broken.csv").write_text("query_id,pin_id,score\nq00,p00,high\n")
    fails(InputError, "broken.csv line 2, column score", *inputs(folder, "broken.csv"))
    (folder / "empty.csv").write_text("query_id,pin_id,score\n")
    fails(InputError, "empty.csv: the file has a header but no rows", *inputs(folder, "empty.csv"))
    fails(
        SettingsError, "leave out --label-noise",
        *inputs(folder), "--assisted", folder / "qrels.parquet", "--label-noise", 5,
    )  # fmt: skip
