"""Importers of other tools' files: BEIR, Quepid, TREC; and how their grades become five."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from relevance.errors import InputError, MissingInputError, TableError
from relevance.grades import FIVE, GradeScale
from relevance.importers import IMPORTERS, beir, import_tables, quepid, trec
from relevance.importers.five import FIVE_OF, to_five
from relevance.importers.ratings import RatingOptions
from relevance.workspace import Workspace

THREE = GradeScale("own", levels=(0, 1, 2, 3))
TOPICS = """<top>
<num> Number: 301
<title> International Organized Crime
<desc> Description:
</top>
<top><num>302<title>Topic: Polio
</top>
"""


def beir_folder(folder: Path, rows: str = "q1\td1\t1\nq1\td2\t0\n") -> Path:
    (folder / "qrels").mkdir(parents=True)
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)
    queries = [{"_id": "q1", "text": "lamp"}, {"_id": "q2", "text": "no grade"}]
    corpus = [{"_id": f"d{n}", "title": f"Title {n}", "text": "words"} for n in (1, 2, 3)]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
    return folder


def trec_folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "qrels.txt").write_text("301 0 a 2\n301 0 b -1\n302 0 a 0\n")
    (folder / "BM25.run").write_text("301 Q0 a 1 2.5 BM25\n")
    (folder / "topics").write_text(TOPICS)
    (folder / "README.md").write_text("Some words\n\nof explanation.\n")
    (folder / "image.png").write_bytes(b"\x89PNG\0")
    return folder


@pytest.mark.parametrize("n_levels", FIVE_OF)
def test_grades_become_five(n_levels: int) -> None:
    grades = pl.DataFrame({"grade": [*range(n_levels), None]})
    five = to_five(grades, None, Path("x"))["grade"].to_list()
    assert five == [*FIVE_OF[n_levels], None]
    assert five[0] == 1
    assert five[-2] == 5
    assert five[:-1] == sorted(set(five[:-1]))


def test_the_mapping_is_told_unless_the_scale_is(caplog: pytest.LogCaptureFixture) -> None:
    grades = pl.DataFrame({"grade": [-1, 0, 2]})
    assert to_five(grades, None, Path("x"))["grade"].to_list() == [1, 1, 5]
    assert "x: grades 0 → 1, 1 → 3, 2 → 5" in caplog.text
    caplog.clear()
    assert to_five(grades.slice(1), THREE, Path("x"))["grade"].to_list() == [1, 4]
    assert to_five(pl.DataFrame({"grade": [5, 2]}), FIVE, Path("x"))["grade"].to_list() == [5, 2]
    assert not caplog.records


def test_too_many_grades() -> None:
    with pytest.raises(InputError, match=r"x: 11 grades \(0 to 10\) do not map .*--scale FILE"):
        to_five(pl.DataFrame({"grade": [10]}), None, Path("x"))


def test_beir(tmp_path: Path) -> None:
    tables = beir.read(beir_folder(tmp_path / "b"))
    assert tables["qrels"].rows() == [("q1", "d1", 5, "human"), ("q1", "d2", 1, "human")]
    assert tables["queries"]["query_id"].to_list() == ["q1"]
    assert tables["pins"].select("pin_id", "title", "description").row(2) == (
        "d3",
        "Title 3",
        "words",
    )
    assert tables["pairs"].rows() == [("q1", "d1"), ("q1", "d2")]


def test_beir_takes_test_among_several_qrels(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "b")
    (folder / "qrels/train.tsv").write_text("query-id\tcorpus-id\tscore\nq2\td3\t1\n")
    assert beir.read(folder)["qrels"]["query_id"].unique().to_list() == ["q1"]
    (folder / "qrels/test.tsv").rename(folder / "qrels/dev.tsv")
    with pytest.raises(InputError, match=r"qrels holds dev\.tsv, train\.tsv\. Leave one, or name"):
        beir.read(folder)


def test_beir_with_a_missing_piece(tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "b", "q1\td9\t1\n")
    with pytest.raises(TableError, match=r"1 ids of the qrels are not in corpus\.jsonl, got 'd9'"):
        beir.read(folder)
    (folder / "corpus.jsonl").unlink()
    with pytest.raises(MissingInputError, match=r"corpus\.jsonl not found.*beir-cellar"):
        beir.read(folder)
    with pytest.raises(MissingInputError, match=r"test\.tsv not found.*beir-cellar"):
        beir.read(tmp_path / "nowhere")


def test_quepid(tmp_path: Path) -> None:
    case = tmp_path / "case.csv"
    case.write_text("query,docid,rating\nlamp,d1,3\nlamp,d2,0\nrug\n")
    tables = quepid.read(case).tables
    assert tables["qrels"].rows() == [("lamp", "d1", 5, "human"), ("lamp", "d2", 1, "human")]
    assert tables["queries"]["query_id"].to_list() == ["lamp", "rug"]
    assert sorted(tables) == ["pairs", "qrels", "queries"]
    case.write_text("query,docid,Ann,Bob\nlamp,d1,3,1\nlamp,d2,,0\n")
    judgments = quepid.read(case, RatingOptions(scale=THREE)).tables["judgments"]
    assert judgments.select("annotator", "grade").rows() == [("Ann", 5), ("Bob", 2), ("Bob", 1)]
    case.write_text("query_id,pin_id\nq,p\n")
    with pytest.raises(TableError, match=r"line 1: this is not Quepid's export"):
        quepid.read(case)


def test_trec(tmp_path: Path) -> None:
    tables = trec.read(trec_folder(tmp_path / "t"))
    assert tables["qrels"].select("query_id", "pin_id", "grade").rows() == [
        ("301", "a", 5),
        ("301", "b", 1),
        ("302", "a", 1),
    ]
    assert tables["queries"].rows() == [
        ("301", "International Organized Crime"),
        ("302", "Polio"),
    ]
    assert tables["runs-BM25"]["score"].to_list() == [2.5]
    assert sorted(tables) == ["pairs", "qrels", "queries", "runs-BM25"]


def test_trec_with_a_list_of_queries_or_none(tmp_path: Path) -> None:
    folder = trec_folder(tmp_path / "t")
    (folder / "topics").write_text("301\tcrime\n302\tpolio\n")
    assert trec.read(folder)["queries"].rows() == [("301", "crime"), ("302", "polio")]
    (folder / "topics").unlink()
    assert "queries" not in trec.read(folder)


def test_trec_that_cannot_be_read(tmp_path: Path) -> None:
    folder = trec_folder(tmp_path / "t")
    (folder / "more").write_text("301 0 c 1\n")
    with pytest.raises(InputError, match=r"several qrels files: more, qrels\.txt\. Leave one"):
        trec.read(folder)
    (folder / "more").unlink()
    (folder / "topics").write_text("<top><num> 1\n</top>\n")
    with pytest.raises(TableError, match="topics line 1: a topic needs <num> and <title>"):
        trec.read(folder)
    (folder / "qrels.txt").unlink()
    with pytest.raises(TableError, match="no file of the folder holds TREC qrels"):
        trec.read(folder)
    with pytest.raises(MissingInputError, match="nowhere not found"):
        trec.read(tmp_path / "nowhere")


def test_they_land_in_a_workspace(tmp_path: Path) -> None:
    sources = {
        "beir": beir_folder(tmp_path / "b"),
        "trec": trec_folder(tmp_path / "t"),
    }
    for name, source in sources.items():
        root = tmp_path / f"ws-{name}"
        import_tables(
            IMPORTERS[name], source, root, command="x", scale=THREE if name == "beir" else None
        )
        assert set(Workspace(root).read("qrels")["grade"].unique()) <= {1, 2, 4, 5}
    assert Workspace(tmp_path / "ws-beir").read("qrels")["grade"].to_list() == [2, 1]
    with pytest.raises(InputError, match=r"esci has grades of its own\. Leave out --scale"):
        import_tables(IMPORTERS["esci"], tmp_path, tmp_path / "x", command="x", scale=THREE)


@pytest.mark.data
def test_the_real_collection(data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "trec"
    folder.mkdir()
    for name in ("qrels.rel_level", "results.test", "results.trunc", "out.test.a", "LICENSE.md"):
        (folder / name).write_bytes((data_dir / "trec-eval" / name).read_bytes())
    tables = trec.read(folder)
    assert tables["qrels"].height == 3681
    assert tables["qrels"]["grade"].unique().sort().to_list() == [1, 2, 3, 4, 5]
    assert tables["runs-results-test"].height == 1500
    assert tables["runs-results-trunc"].height == 584
    assert "queries" not in tables
