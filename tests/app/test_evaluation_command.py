"""`gradewise evaluation`: the commands as a user meets them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.commands.evaluation import app
from relevance.errors import GradewiseError, InputError, MissingInputError, SettingsError
from relevance.provenance import hash_query, write_provenance

FIELDS = [
    "metric", "slice", "group", "system", "value", "ci_low", "ci_high", "n", "n_undefined", "note",
]  # fmt: skip
MADE = ["definition", "source"]
COMPARED = [
    "baseline", "difference", "difference_ci_low", "difference_ci_high", "rel_difference",
    "rel_difference_ci_low", "rel_difference_ci_high", "p_value", "p_adjusted",
]  # fmt: skip


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not strict JSON")


def rows(*arguments: object) -> list[dict[str, Any]]:
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    parsed: list[dict[str, Any]] = json.loads(done.stdout, parse_constant=refuse)
    return parsed


def fails(error: type[GradewiseError], message: str, *arguments: object) -> None:
    done = run(*arguments)
    assert isinstance(done.exception, error), done.output
    assert message in str(done.exception)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Twelve queries in two countries, six Pins each, two runs, predictions and judgments."""
    pairs = [(f"q{i:02d}", f"p{j}", 1 + (i + j) % 5) for i in range(12) for j in range(6)]
    (tmp_path / "qrels.csv").write_text(
        "query_id,pin_id,grade\n" + "".join(f"{q},{p},{g}\n" for q, p, g in pairs)
    )
    countries = ["US" if i % 2 else "FR" for i in range(12)]
    pl.DataFrame({
        "query_id": [f"q{i:02d}" for i in range(12)],
        "text": ["lamp"] * 12,
        "country": countries,
        "traffic": [float(i + 1) for i in range(12)],
    }).write_parquet(tmp_path / "queries.parquet")  # fmt: skip
    (tmp_path / "new.trec").write_text("".join(f"{q} Q0 {p} 1 {g:.1f} ours\n" for q, p, g in pairs))
    (tmp_path / "old.csv").write_text(
        "query_id,pin_id,score\n" + "".join(f"{q},{p},{ord(p[1]) % 4}\n" for q, p, _ in pairs)
    )
    probabilities = [",".join("0.8" if g == k else "0.05" for k in range(1, 6)) for *_, g in pairs]
    (tmp_path / "teacher.csv").write_text(
        "query_id,pin_id,p1,p2,p3,p4,p5\n"
        + "".join(f"{q},{p},{x}\n" for (q, p, _), x in zip(pairs, probabilities, strict=True))
    )
    (tmp_path / "judgments.csv").write_text(
        "query_id,pin_id,annotator,grade\n"
        + "".join(f"{q},{p},{a},{g if a == 'ann' else min(g + 1, 5)}\n"
                  for q, p, g in pairs for a in ("ann", "bob"))
    )  # fmt: skip
    return tmp_path


def test_ranking_in_the_fixed_shape(files: Path) -> None:
    found = rows(
        "ranking", "--run", files / "new.trec", "--run", f"base={files / 'old.csv'}",
        "--qrels", files / "qrels.csv", "--queries", files / "queries.parquet",
        "--metrics", "nDCG @5, P( rel = 3 )@3", "--by", "country",
    )  # fmt: skip
    assert all(list(row) == FIELDS + MADE for row in found)
    block = [row for row in found if row["system"] == "ours" and row["metric"] == "nDCG@5"]
    assert [(row["slice"], row["group"]) for row in block] == [
        ("all", "all"), ("country", "FR"), ("country", "US"),
        ("country", "(mean)"), ("country", "(traffic)"),
    ]  # fmt: skip
    assert {row["value"] for row in block} == {1.0}
    metrics = dict.fromkeys(row["metric"] for row in found)
    assert list(metrics) == ["nDCG@5", "P(rel=3)@3", "Judged@5", "Judged@3"]
    assert list(dict.fromkeys(row["system"] for row in found)) == ["ours", "base"]


def test_a_file_without_a_system_is_called_by_its_stem(files: Path) -> None:
    found = rows("ranking", "--run", files / "old.csv", "--qrels", files / "qrels.csv")
    assert {row["system"] for row in found} == {"old"}
    named = rows("ranking", "--run", f"x={files / 'new.trec'}", "--qrels", files / "qrels.csv")
    assert {row["system"] for row in named} == {"x"}


def test_grades_in_the_fixed_shape(files: Path) -> None:
    found = rows(
        "grades", "--predictions", files / "teacher.csv", "--qrels", files / "qrels.csv",
        "--queries", files / "queries.parquet", "--by", "country",
    )  # fmt: skip
    assert all(list(row) == FIELDS + MADE for row in found)
    overall = {row["metric"]: row["value"] for row in found if row["group"] == "all"}
    assert overall == {
        "accuracy": 1, "within1": 1, "MAE": 0, "AUROC@3": 1, "AUROC@4": 1, "AUROC@5": 1,
    }  # fmt: skip
    assert {row["system"] for row in found} == {"teacher"}
    assert found[0]["n"] == 72


def test_compare_in_the_fixed_shape(files: Path) -> None:
    found = rows(
        "compare", "--baseline", f"production={files / 'old.csv'}",
        "--candidate", files / "new.trec", "--qrels", files / "qrels.csv",
        "--queries", files / "queries.parquet", "--by", "country", "--metrics", "nDCG@5",
    )  # fmt: skip
    assert all([*FIELDS, *COMPARED] == list(row)[: len(FIELDS + COMPARED)] for row in found)
    first = found[0]
    assert first["system"] == "ours"
    assert first["note"].startswith("baseline production")
    assert first["difference"] == pytest.approx(first["value"] - first["baseline"])
    assert 0 < first["p_value"] <= first["p_adjusted"] < 0.05
    assert first["rel_difference_ci_low"] > 0


def test_agreement_in_the_fixed_shape(files: Path) -> None:
    found = rows("agreement", files / "judgments.csv")
    assert [row["metric"] for row in found] == [
        "alpha(nominal)", "alpha(ordinal)", "alpha(interval)", "kappa(weights=quadratic)",
        "AC1", "AC2(weights=ordinal)", "within1",
    ]  # fmt: skip
    assert found[-1]["value"] == 1
    assert {row["n"] for row in found} == {72}


def test_the_same_seed_prints_the_same_bytes(files: Path) -> None:
    command = ["ranking", "--run", files / "old.csv", "--qrels", files / "qrels.csv", "--format"]
    assert run(*command, "json").stdout == run(*command, "json").stdout
    other = run(*command, "json", "--seed", "1").stdout
    assert other != run(*command, "json").stdout


def test_other_formats_say_the_same(files: Path) -> None:
    command = ["ranking", "--run", files / "old.csv", "--qrels", files / "qrels.csv"]
    first = rows(*command)[0]
    read = next(csv.DictReader(io.StringIO(run(*command, "--format", "csv").stdout)))
    assert float(read["value"]) == first["value"]
    shown = f"{first['value']:.4f}"
    assert f"| {shown} |" in run(*command, "--format", "markdown").stdout
    assert f"{shown} [{first['ci_low']:.4f}, {first['ci_high']:.4f}]" in run(*command).stdout


def test_seen_queries_come_from_the_provenance_of_a_file(files: Path) -> None:
    write_provenance(files / "old.csv", command="test", seen_queries=[hash_query("q03")])
    command = ["ranking", "--run", files / "old.csv", "--qrels", files / "qrels.csv"]
    first = rows(*command)[0]
    assert (first["n"], first["note"]) == (11, "seen_in_training: 1")
    kept = rows(*command, "--allow-seen")[0]
    assert (kept["n"], kept["note"]) == (12, "seen_kept: 1")


def test_a_gate_exits_with_3(files: Path) -> None:
    command = ["ranking", "--run", files / "old.csv", "--qrels", files / "qrels.csv"]
    assert run(*command, "--fail-under", "nDCG@20=0.01").exit_code == 0
    done = run(*command, "--fail-under", "nDCG@20=0.99", "--format", "json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)[0]["metric"] == "nDCG@20"
    grades = ["grades", "--predictions", files / "teacher.csv", "--qrels", files / "qrels.csv"]
    assert run(*grades, "--fail-under", "MAE=0.5").exit_code == 0
    assert run(*grades, "--fail-under", "accuracy=1").exit_code == 0
    fails(InputError, "the table has no such metric", *command, "--fail-under", "P(rel=3)@8=0.5")
    for wrong in ("nDCG@20=high", "nDCG@20=nan", "nDCG@20=inf", "nDCG@20", "=0.6"):
        fails(SettingsError, "must be METRIC=VALUE", *command, "--fail-under", wrong)
    assert run(*command, "--seed", "-1").exit_code == 2
    fails(SettingsError, "--reps must be at least 40, got 1", *command, "--reps", "1")


def test_scales(files: Path) -> None:
    command = ["ranking", "--run", files / "old.csv", "--qrels", files / "qrels.csv"]
    (files / "mine.toml").write_text("levels = [1, 2, 3, 4, 5]\ngain = 'exp'\n")
    custom = rows(*command, "--scale", files / "mine.toml")[0]["value"]
    assert custom == rows(*command, "--metrics", "nDCG(gain=exp)@20")[0]["value"]
    assert rows(*command, "--scale", "trec")[0]["value"] != rows(*command)[0]["value"]
    fails(InputError, "has no top grade", *command, "--scale", "trec", "--metrics", "sDCG@5")


def test_what_is_wrong_is_said(files: Path) -> None:
    qrels = ["--qrels", files / "qrels.csv"]
    fails(MissingInputError, "gradewise annotation adjudicate",
          "ranking", "--run", files / "old.csv", "--qrels", files / "none.csv")  # fmt: skip
    fails(MissingInputError, "none.csv not found", "ranking", "--run", files / "none.csv", *qrels)
    fails(SettingsError, "--level must be between 0 and 1",
          "ranking", "--run", files / "old.csv", *qrels, "--level", "95")  # fmt: skip
    fails(InputError, "queries table is needed",
          "ranking", "--run", files / "old.csv", *qrels, "--by", "country")  # fmt: skip
    fails(SettingsError, "[NAME=]FILE expected", "ranking", "--run", "=x.csv", *qrels)


def test_every_metric_is_listed() -> None:
    listed = run("metrics", "--format", "json")
    names = [row["metric"] for row in json.loads(listed.stdout)]
    assert "nDCG[(gain=…)][@k]" in names
    assert "AUROC@t" in names
    for form in ("text", "csv", "markdown"):
        assert "Järvelin" in run("metrics", "--format", form).stdout


def test_settings_stand_in_for_flags_and_flags_win(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    (files / "gradewise.toml").write_text(
        '[evaluation]\nmetrics = ["nDCG@3", "P(rel=3)@2"]\nby = "country"\nlevel = 0.8\n'
    )
    told = ("ranking", "--run", "old.csv", "--qrels", "qrels.csv", "--queries", "queries.parquet")
    found = rows(*told)
    assert [row["metric"] for row in found if row["slice"] == "all"] == [
        "nDCG@3", "P(rel=3)@2", "Judged@3", "Judged@2",
    ]  # fmt: skip
    assert {"FR", "US"} <= {row["group"] for row in found}
    wide = rows(*told, "--level", 0.99, "--metrics", "nDCG@3")
    assert wide[0]["ci_low"] < found[0]["ci_low"]
    monkeypatch.setenv("GRADEWISE_EVALUATION_TIES", "average")
    assert "ties=average" in rows(*told)[0]["definition"]
    (files / "gradewise.toml").write_text("[evaluation]\nmetric = 'nDCG@3'\n")
    fails(SettingsError, "Did you mean 'metrics'", *told)
