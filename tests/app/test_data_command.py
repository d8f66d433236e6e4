"""`gradewise data`: the commands as a user meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from app.commands.data import app
from relevance.errors import InputError, MissingInputError
from relevance.workspace import Workspace

GOOD = "query_id,pin_id,grade,note\n001,p,5,a\n001,r,3,\n"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def esci(folder: Path) -> Path:
    folder.mkdir()
    rated = [{"docId": "B1", "rating": "100.000"}, {"docId": "B2", "rating": "0.000"}]
    groups = {"judgmentRatings": [{"query": "lamp", "ratings": rated}]}
    (folder / "judgments.json").write_text(json.dumps(groups))
    products = [{"asin": "B1", "title": "Lamp"}, {"asin": "B2", "title": "Rug"}]
    (folder / "products.jsonl").write_text("\n".join(map(json.dumps, products)))
    return folder


def test_check_prints_each_problem_and_exits_1(tmp_path: Path) -> None:
    path = tmp_path / "grades.csv"
    path.write_text("query_id,pin_id,annotator,grade\nq,p,a,7\nq,r,,3\n")
    main = "from app.cli import main; main()"
    arguments = ["data", "check", str(path), "--table", "judgments"]
    done = subprocess.run(
        [sys.executable, "-c", main, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"{path} line 2, column grade: grade must be 1-5, got 7.")
    assert lines[1].startswith(f"{path} line 3, column annotator: ")
    assert lines[2] == f"gradewise: {path}: 2 problems shown; nothing was imported"


def test_check_describes_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "qrels.csv"
    path.write_text(GOOD)
    result = run("check", path, "--table", "qrels")
    assert result.exit_code == 0
    assert "2 qrels, nothing wrong" in result.stderr
    assert "(further column)" in result.stdout
    assert "n_judgments" not in result.stdout


def test_check_on_another_scale(tmp_path: Path) -> None:
    path = tmp_path / "qrels.trec"
    path.write_text("q 0 p -1\nq 0 r 4\n")
    assert run("check", path, "-t", "qrels", "--scale", "trec").exit_code == 0
    assert isinstance(run("check", path, "-t", "qrels").exception, InputError)
    own = tmp_path / "own.toml"
    own.write_text("levels = [-1, 0, 4]\n")
    assert run("check", path, "-t", "qrels", "--scale", own).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "x.csv", "-t", "qrel"), "no table is called 'qrel'. Did you mean 'qrels'?"),
        (("check", "x.csv", "-t", "qrels"), "x.csv not found. It is made by: gradewise annotation"),
        (("check", "x.csv", "-t", "qrels", "--scale", "fiv"), "Did you mean 'five'?"),
        (("check", "x.csv", "-t", "qrels", "--scale", "no.toml"), "no.toml not found"),
        (("import", "esc", "x", "--out", "w"), "no importer is called 'esc'. Did you mean 'esci'?"),
        (("import", "esci", "x", "--out", "w"), "products.jsonl.gz not found"),
        (("describe", "nowhere"), "nowhere is not a folder. Make a workspace with"),
    ],
)
def test_user_errors(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = run(*arguments).exception
    assert isinstance(error, InputError | MissingInputError)
    assert message in str(error)
    assert list(tmp_path.iterdir()) == []


def test_convert_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "qrels.csv"
    path.write_text(GOOD)
    assert run("convert", path, "-t", "qrels", "--out", tmp_path / "q.parquet").exit_code == 0
    assert run("convert", tmp_path / "q.parquet", "-t", "qrels", "-o", tmp_path / "q.jsonl").stderr
    run("convert", tmp_path / "q.jsonl", "-t", "qrels", "-o", tmp_path / "q.trec")
    assert (tmp_path / "q.trec").read_text() == "001 0 p 5\n001 0 r 3\n"
    again = run("convert", path, "-t", "qrels", "-o", tmp_path / "q.trec")
    assert "q.trec is there already. Add --overwrite" in str(again.exception)
    assert (
        run("convert", path, "-t", "qrels", "-o", tmp_path / "q.trec", "--overwrite").stdout == ""
    )


def test_convert_writes_nothing_from_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "qrels.csv"
    path.write_text(GOOD.replace("5", "6"))
    assert isinstance(
        run("convert", path, "-t", "qrels", "-o", tmp_path / "q.csv").exception, InputError
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["qrels.csv"]


def test_import_describe(tmp_path: Path) -> None:
    source, out = esci(tmp_path / "esci-us"), tmp_path / "ws"
    result = run("import", "esci", source, "--out", out)
    assert result.exit_code == 0
    assert Workspace(out).read("qrels")["grade"].to_list() == [5, 1]
    assert "1:1 5:1" in result.stdout
    assert "US:1" in result.stdout
    assert str(tmp_path) not in result.stdout
    assert run("describe", out).stdout == result.stdout
    assert "Add --overwrite" in str(run("import", "esci", source, "--out", out).exception)
    assert run("import", "esci", source, "--out", out, "--overwrite").exit_code == 0


def test_describe_leaves_other_files_alone(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other.parquet")
    assert "holds no tables" in str(run("describe", tmp_path).exception)


def test_convert_to_other_tools(tmp_path: Path) -> None:
    path = tmp_path / "qrels.csv"
    path.write_text(GOOD)
    queries = tmp_path / "queries.csv"
    queries.write_text("query_id,text\n001,red lamp\n")
    out = tmp_path / "test.tsv"
    assert run("convert", path, "-t", "qrels", "--to", "beir", "-o", out).exit_code == 0
    assert out.read_text() == "query-id\tcorpus-id\tscore\n001\tp\t5\n001\tr\t3\n"
    asked = ("convert", out, "-t", "qrels", "--to", "quepid", "--queries", queries)
    assert run(*asked, "-o", tmp_path / "quepid.csv").exit_code == 0
    written = (tmp_path / "quepid.csv").read_text()
    assert written == "query,docid,rating\nred lamp,p,5\nred lamp,r,3\n"
    nested = tmp_path / "nested"
    assert run("convert", out, "-t", "qrels", "--to", "pytrec", "-o", nested).exit_code == 0
    assert json.loads(nested.read_text()) == {"001": {"p": 5, "r": 3}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "bier"), "no format is called 'bier'. Did you mean 'beir'?"),
        (("--to", "quepid", "--queries", "queries.csv"), "query '001' is not in queries.csv"),
        (("--queries", "queries.csv"), "--queries goes with --to quepid"),
        (("-t", "pairs", "--to", "quepid"), "a quepid file holds qrels or judgments, not pairs"),
    ],
)
def test_convert_errors(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("qrels.csv").write_text(GOOD)
    Path("queries.csv").write_text("query_id,text\nq,a\n")
    error = run("convert", "qrels.csv", "-t", "qrels", "-o", "out.csv", *arguments).exception
    assert isinstance(error, InputError)
    assert message in str(error)
    assert not Path("out.csv").exists()


def test_import_a_quepid_book(tmp_path: Path) -> None:
    book = tmp_path / "book.csv"
    book.write_text("query,docid,Ann,Bob\nlamp,d1,3,1\nlamp,d2,,0\n")
    scale = tmp_path / "own.toml"
    scale.write_text("levels = [0, 1, 2, 3]\n")
    result = run("import", "quepid", book, "--scale", scale, "--out", tmp_path / "ws")
    assert result.exit_code == 0
    assert Workspace(tmp_path / "ws").read("judgments")["grade"].to_list() == [5, 2, 1]


def test_ratings_are_imported_with_a_word_on_what_was_set_aside(tmp_path: Path) -> None:
    path, out = tmp_path / "r.csv", tmp_path / "ws"
    path.write_text("term;sku;who;mark\nlamp;d1;ann;2\nlamp;d1;bob;oops\nlamp;d2;ann;0\n")
    given = ("import", "ratings", path, "--out", out, "--query-column", "term")
    given += ("--pin-column", "sku", "--annotator-column", "who")
    refused = run(*given, "--grade-column", "mark").exception
    assert "r.csv line 3, column mark: this grade is no whole number" in str(refused)
    assert not out.exists()
    done = run(*given, "--grade-column", "mark", "--grade-map", "0=1,1=3,2=5")
    assert done.exit_code == 0
    assert "3 ratings read: 2 judgments of 1 annotators, 2 pairs, 1 queries" in done.stderr
    assert "grades 0 → 1, 1 → 3, 2 → 5" in done.stderr
    assert "1 set aside: 1 with a grade that is none of the scale" in done.stderr
    assert f"each with its line and reason: {out / 'import-rejected.csv'}" in done.stderr
    assert Workspace(out).read("judgments")["grade"].to_list() == [5, 1]
    assert "oops" in (out / "import-rejected.csv").read_text()
    wide = run("import", "ratings", path, "--out", out, "--grade-column", "mark,sku", "--overwrite")
    assert "no column is called like a document" in str(wide.exception)
