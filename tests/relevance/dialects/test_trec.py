"""TREC files as trec_eval takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.ranking import evaluate_ranking
from relevance.errors import TableError
from relevance.grades import TREC
from relevance.tables import read_table


def test_what_follows_the_sixth_word_is_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "run"
    path.write_text("q Q0 a 1 2.5 BM25 more words\nq Q0 b 2 1.5 BM25\n")
    assert read_table(path, "runs").rows() == [
        ("BM25", "q", "a", 1, 2.5),
        ("BM25", "q", "b", 2, 1.5),
    ]
    assert "what follows the sixth column is ignored, as trec_eval does (1 lines)" in caplog.text


def test_a_line_that_breaks_off(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("q Q0 a 1 2.5 BM25\nq Q0 b 2\n")
    with pytest.raises(TableError, match=r"line 2: a TREC runs line has 6 columns .*'q Q0 b 2'"):
        read_table(path, "runs")


def test_words_of_a_header_are_no_run(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("the query,the pin it got,its score there\na,b,1\n")
    with pytest.raises(TableError, match=r"column query_id .* is missing from the runs table"):
        read_table(path, "runs")


@pytest.mark.data
def test_the_run_with_junk_scores_as_pytrec_eval_scores_it(data_dir: Path) -> None:
    import pytrec_eval

    folder = data_dir / "trec-eval"
    run = read_table(folder / "results.trunc", "runs")
    qrels = read_table(folder / "qrels.test", "qrels", scale=TREC)
    assert run.height == 584
    lines = [line.split() for line in (folder / "results.trunc").read_text().splitlines()]
    scored: dict[str, dict[str, float]] = {}
    for words in lines:
        scored.setdefault(words[0], {})[words[2]] = float(words[4])
    graded: dict[str, dict[str, int]] = {}
    for query, pin, grade in qrels.select("query_id", "pin_id", "grade").rows():
        graded.setdefault(query, {})[pin] = grade
    expected = pytrec_eval.RelevanceEvaluator(graded, {"ndcg_cut.20", "P.8"}).evaluate(scored)
    results = evaluate_ranking(run, qrels, metrics="nDCG@20,P@8", scale=TREC)
    values = {row.metric: row.value for row in results if row.slice == "all"}
    for metric, measure in (("nDCG@20", "ndcg_cut_20"), ("P@8", "P_8")):
        total = sum(figures[measure] for figures in expected.values())
        assert values[metric] == pytest.approx(total / len(graded), abs=1e-9)
