"""`gradewise evaluation verify` as a user meets it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.commands.evaluation import app
from app.commands.evaluation.verify import HEADER
from evaluation import verify as checks
from relevance.errors import MissingInputError, SettingsError

RUN = "q1 Q0 a 1 2.0 s\nq1 Q0 b 2 2.0 s\nq2 Q0 a 1 1.0 s\n"
QRELS = "q1 0 a 0\nq1 0 b 2\nq1 0 c -1\nq2 0 a 1\nq3 0 a 1\n"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "run.txt").write_text(RUN)
    (tmp_path / "qrels.txt").write_text(QRELS)
    (tmp_path / "qrels.csv").write_text("query_id,pin_id,grade\nq1,a,5\nq1,b,2\nq2,a,4\n")
    (tmp_path / "p.csv").write_text(
        "query_id,pin_id,p1,p2,p3,p4,p5\nq1,a,0,0,0.1,0.3,0.6\nq1,b,0.1,0.7,0.2,0,0\n"
        "q2,a,0.2,0.2,0.2,0.2,0.2\n"
    )
    return tmp_path


def test_a_run_of_trec_is_equal_to_trec_eval(files: Path) -> None:
    done = run("--run", files / "run.txt", "--qrels", files / "qrels.txt", "--scale", "trec")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["system", "metric", "ours", "theirs"]
    assert len(lines) == 13
    ndcg = next(line for line in lines if " nDCG@20 " in line).split()
    assert ndcg[:4] == ["s", "nDCG@20", "0.666667", "0.666667"]  # b is first: ids descend
    assert " yes " in lines[1]


def test_predictions_too_and_every_format(files: Path) -> None:
    call = ("--predictions", f"teacher={files / 'p.csv'}", "--qrels", files / "qrels.csv")
    rows = json.loads(run(*call, "--format", "json").stdout)
    assert {row["system"] for row in rows} == {"teacher"}
    assert all(row["ok"] for row in rows)
    kappa = next(row for row in rows if row["metric"] == "QWK")
    assert kappa["note"] == "cohen_kappa_score(weights='quadratic')"
    table = list(csv.reader(io.StringIO(run(*call, "--format", "csv").stdout)))
    assert tuple(table[0]) == HEADER
    assert len(table) == len(rows) + 1
    assert run(*call, "--format", "markdown").stdout.startswith("| system | metric |")


def test_metrics_go_to_the_file_they_are_of(files: Path) -> None:
    call = (
        "--predictions", files / "p.csv", "--run", f"mine={files / 'run.txt'}",
        "--qrels", files / "qrels.csv", "--format", "json",
    )  # fmt: skip
    rows = json.loads(run(*call, "--metrics", "MAE,P@8").stdout)
    assert [(row["system"], row["metric"]) for row in rows] == [("mine", "P@8"), ("p", "MAE")]
    both = json.loads(run(*call).stdout)
    assert {row["system"] for row in both} == {"mine", "p"}


def test_a_difference_exits_with_three(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "trec_eval", lambda *_: ({"q1": 0.25, "q2": 0.0}, "made up"))
    call = ("--run", files / "run.txt", "--qrels", files / "qrels.txt", "--scale", "trec")
    done = run(*call, "--metrics", "P@8,RBP,R@5")
    assert done.exit_code == 3
    assert "verify: 3 of 3 figures differ: P@8, RBP, R@5" in done.stderr
    assert " NO " in done.stdout


def test_a_figure_defined_on_one_side_only_is_strict_json(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "scikit_learn", lambda *_: (float("nan"), "made up"))
    call = ("--predictions", files / "p.csv", "--qrels", files / "qrels.csv")
    done = run(*call, "--metrics", "MAE", "--format", "json")
    assert done.exit_code == 3
    row = json.loads(done.stdout)[0]
    assert (row["theirs"], row["difference"], row["ok"]) == (None, None, False)


def test_what_is_missing_is_said(files: Path) -> None:
    qrels = ("--qrels", files / "qrels.csv")
    for arguments, error, message in [
        (qrels, SettingsError, "nothing to verify. Give --run FILE, --predictions FILE or both"),
        (("--run", files / "none.txt", *qrels), MissingInputError, "none.txt not found"),
        (("--run", files / "run.txt", *qrels, "--metrics", "MAE"), SettingsError,
         "MAE is of predicted grades. Add --predictions FILE"),
        (("--predictions", files / "p.csv", *qrels, "--metrics", "P@8"), SettingsError,
         "P@8 is of ranked lists. Add --run FILE"),
    ]:  # fmt: skip
        done = run(*arguments)
        assert isinstance(done.exception, error), done.output
        assert message in str(done.exception)


@pytest.mark.data
def test_on_the_files_of_trec_eval(data_dir: Path) -> None:
    folder = data_dir / "trec-eval"
    for ranked in ("results.test", "results.trunc"):
        for graded in ("qrels.test", "qrels.rel_level"):
            done = run(
                "--run", folder / ranked, "--qrels", folder / graded, "--scale", "trec",
                "--format", "json",
            )  # fmt: skip
            assert done.exit_code == 0, done.output
            rows = json.loads(done.stdout)
            assert len(rows) == 12
            assert max(row["difference"] for row in rows) < 1e-12
