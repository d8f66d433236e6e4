"""Studies on public data: splits, leaks, resuming, and the page."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from annotation.client.fake import FakeServer, FakeStudio
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.store import Store
from app.studies import __main__ as command
from app.studies import folding, running
from app.studies.document import cell, document
from app.studies.folding import MODELS, FoldRun
from app.studies.folds import (
    Fold,
    draw_slice,
    folds_by_query,
    train_on_language,
    unlabelled_pairs,
)
from app.studies.labelling import push_and_pull
from app.studies.running import Options, Outcome, run_study
from app.studies.study import STUDIES, Study
from relevance.errors import GradewiseError
from relevance.importers import IMPORTERS, import_tables
from relevance.progress import silent
from relevance.provenance import hash_query, write_provenance
from relevance.results import Results, Row
from relevance.workspace import Workspace

WORDS = ("brass", "lamp", "rug", "red", "oak", "desk", "wool", "blue")


def queries_of(languages: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"query_id": [f"q{i:03}" for i in range(len(languages))], "language": languages}
    )


@settings(deadline=None)
@given(n_queries=st.integers(2, 40), n_folds=st.integers(2, 5), seed=st.integers(0, 9))
def test_folds_test_every_query_once_and_never_learn_from_it(
    n_queries: int, n_folds: int, seed: int
) -> None:
    queries = queries_of(["en"] * n_queries)
    folds = folds_by_query(queries, n_folds, seed=seed)
    tested = [query_id for fold in folds for query_id in fold.test]
    assert sorted(tested) == queries["query_id"].to_list()
    for fold in folds:
        assert sorted(fold.train + fold.test) == queries["query_id"].to_list()
    assert folds == folds_by_query(queries.reverse(), n_folds, seed=seed)


def test_a_language_is_learned_from_and_all_are_tested() -> None:
    queries = queries_of(["en"] * 10 + ["fr", "ar"])
    (fold,) = train_on_language(queries, "en")
    assert len(fold.train) == 8
    assert set(fold.train) < {f"q{i:03}" for i in range(10)}
    assert {"q010", "q011"} < set(fold.test)
    assert set(fold.train).isdisjoint(fold.test)
    assert len(fold.test) == 4


@settings(deadline=None)
@given(n_pairs=st.integers(1, 40), seed=st.integers(0, 9))
def test_a_slice_is_drawn_evenly_whatever_the_order(n_pairs: int, seed: int) -> None:
    qrels = pl.DataFrame(
        [{"query_id": f"q{q}", "pin_id": f"p{p}", "grade": 3} for q in range(5) for p in range(6)]
    )
    drawn = draw_slice(qrels, n_pairs, seed=seed)
    assert drawn.height == min(n_pairs, 30)
    assert not drawn.is_duplicated().any()
    assert drawn.join(qrels, on=qrels.columns).height == drawn.height
    assert drawn.equals(draw_slice(qrels.reverse(), n_pairs, seed=seed))


def test_unlabelled_pairs_are_the_best_that_nobody_judged() -> None:
    queries = pl.DataFrame({"query_id": ["a", "b"], "text": ["brass lamp", "rug"]})
    pins = pl.DataFrame(
        {"pin_id": ["1", "2", "3", "4"], "title": ["brass lamp", "brass desk", "rug", "oak"]}
    )
    judged = pl.DataFrame({"query_id": ["a"], "pin_id": ["1"]})
    found = unlabelled_pairs(("a", "b"), queries, pins, judged, 3)
    assert found.rows() == [("a", "2"), ("b", "3")]
    assert unlabelled_pairs(("a",), queries, pins, judged, 0).height == 0


def write_esci(folder: Path, n_queries: int = 10) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    names = [" ".join(rng.choice(WORDS, 3, replace=False)) for _ in range(24)]
    products = [{"asin": f"B{i:02}", "title": name} for i, name in enumerate(names)]
    groups = []
    for number in range(n_queries):
        asked = set(list(combinations(WORDS, 2))[number])
        rated = [
            {"docId": f"B{i:02}", "rating": (0, 10, 100)[len(asked & set(name.split()))]}
            for i, name in enumerate(names)
        ]
        groups.append({"query": " ".join(sorted(asked)), "ratings": rated[number % 2 :: 2]})
    (folder / "judgments.json").write_text(json.dumps({"judgmentRatings": groups}))
    (folder / "products.jsonl").write_text("\n".join(map(json.dumps, products)))


def teach(run: FoldRun, progress: object) -> str:
    """Stands for the teacher: no weights, only the queries it has seen."""
    run.teacher.mkdir(parents=True)
    write_provenance(run.teacher, command="teacher", seen_queries=map(hash_query, run.fold.train))
    return "taught"


def label(run: FoldRun, progress: object) -> str:
    """Stands for its labels: the published grade, somewhat unsure."""
    qrels = run.workspace.read("qrels")
    levels = np.arange(1, 6)
    near = np.exp(-np.abs(qrels["grade"].to_numpy()[:, None] - levels))
    p = near / near.sum(axis=1, keepdims=True)
    labels = qrels.select("query_id", "pin_id").with_columns(
        *(pl.Series(f"p{level}", p[:, level - 1]) for level in levels), model=pl.lit("teacher")
    )
    tested = pl.col("query_id").is_in(run.fold.test)
    for model, rows in (("teacher", labels.filter(tested)), ("targets", labels.filter(~tested))):
        run.workspace.write(run.table("predictions", model), rows, command="label")
    return "labelled"


def embed(workspace: Workspace, threads: object, progress: object) -> str:
    """Stands for the sentence encoder: which of the words a text has."""
    for kind, key, column in (("queries", "query_id", "text"), ("pins", "pin_id", "title")):
        frame = workspace.read(kind)
        vectors = [[float(word in text) + 0.01 for word in WORDS] for text in frame[column]]
        name = "query_embeddings" if kind == "queries" else "pin_embeddings"
        search = pl.Series("search", vectors, dtype=pl.List(pl.Float32))
        workspace.write(name, frame.select(key).with_columns(search), command="embed")
    return "embedded"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(FoldRun, "teach", teach)
    monkeypatch.setattr(FoldRun, "label", label)
    monkeypatch.setattr(running, "embed", embed)
    return Study(
        name="small",
        title="A small study",
        about="Ten queries.",
        importer="esci",
        source="esci-us",
        split=partial(folds_by_query, n_folds=2),
        grades=("accuracy", "AUROC@4"),
        ranking=("nDCG@20",),
        by="country",
        references=(("BM25", "AUROC@4", "all", 0.6),),
        reading="Read it well.",
    )


def run_small(study: Study, folder: Path) -> Outcome:
    if not (folder / "data").exists():
        write_esci(folder / "data" / "esci-us")
    return run_study(study, Options(folder / "data", folder / "work", push=False, threads=1))


def test_a_study_from_files_to_page_and_resumed(study: Study, tmp_path: Path) -> None:
    outcome = run_small(study, tmp_path)
    assert (outcome.n_pairs, outcome.n_queries) == (120, 10)
    figures = {model: outcome.results.find("AUROC@4", system=model) for model in MODELS}
    assert all(row is not None and row.n == 120 for row in figures.values())
    assert figures["teacher"].value == 1.0  # type: ignore[union-attr]
    assert figures["student"].value > 0.7  # type: ignore[union-attr, operator]
    assert outcome.results.find("nDCG@20", system="bm25") is not None
    assert outcome.results.find("nDCG@20", system="majority") is None

    again = run_small(study, tmp_path)
    assert all(stage.resumed for stage in again.stages)
    assert again.results.to_dicts() == outcome.results.to_dicts()

    text = document(
        [outcome],
        Options(tmp_path, tmp_path),
        commit="abc1234",
        now=datetime(2026, 1, 31, tzinfo=UTC),
    )
    assert text.startswith("# Real data\n\n2026-01-31, commit abc1234, ")
    assert "make real-data DATA=FOLDER" in text
    assert re.search(r"\| teacher \| \S+ \[\S+, \S+\] \| 1.000 ", text)
    assert re.search(r"\| US \| 120 \| 1.000", text)
    assert "| BM25 | AUROC@4 | .600 |" in text
    assert "Read it well." in text
    assert str(tmp_path) not in text


def test_an_interrupted_study_goes_on_where_it_stopped(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(run: FoldRun, progress: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(FoldRun, "baselines", stop)
    with pytest.raises(KeyboardInterrupt):
        run_small(study, tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(FoldRun, "teach", teach)  # fails if it is called twice for one fold
    monkeypatch.setattr(FoldRun, "label", label)
    monkeypatch.setattr(running, "embed", embed)
    resumed = [stage.stage for stage in run_small(study, tmp_path).stages if stage.resumed]
    assert resumed == ["import", "embed", "teacher-1", "labels-1", "students-1"]


def test_another_recipe_is_another_teacher(study: Study, tmp_path: Path) -> None:
    run_small(study, tmp_path)
    longer = run_small(dataclasses.replace(study, epochs=5), tmp_path)
    resumed = [stage.stage for stage in longer.stages if stage.resumed]
    assert resumed == ["import", "embed", "results"]  # the stand-in labels as before
    assert len(list((tmp_path / "work" / "small" / "models").glob("teacher-1-*"))) == 2


def test_a_slice_is_one_fold_of_few_pairs(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SLICE_PAIRS", 50)
    write_esci(tmp_path / "data" / "esci-us")
    options = Options(tmp_path / "data", tmp_path / "work", sliced=True, push=False, threads=1)
    outcome = run_study(study, options)
    assert Workspace(tmp_path / "work" / "small").read("qrels").height == 50
    assert outcome.n_pairs < 50
    assert [stage.stage for stage in outcome.stages].count("teacher-1") == 1
    text = document([outcome], options, commit="x", now=datetime(2026, 1, 31, tzinfo=UTC))
    assert "--slice" in text


def test_a_model_that_has_seen_a_test_query_is_refused(tmp_path: Path) -> None:
    run = FoldRun(STUDIES["esci"], Workspace(tmp_path), Fold(1, ("a",), ("b",)), 1, 0)
    run.teacher.mkdir(parents=True)
    write_provenance(run.teacher, command="x", seen_queries=[hash_query("a"), hash_query("b")])
    with pytest.raises(GradewiseError, match=r"teacher-1-.* has seen 1 of its test queries"):
        run.label(lambda done, total, what="": None)


class StandIn:
    """Stands for the local Label Studio."""

    def __init__(self, folder: Path) -> None:
        self.stopped = False

    def start(self) -> StandIn:
        return self

    def wait_ready(self, progress: object) -> StandIn:
        return self

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def graded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace of 24 graded pairs, and a Label Studio in memory."""
    fake = FakeServer()

    def open_desk(root: Path, server: object = None) -> Desk:
        store = Store(root / "desk.sqlite3")
        return Desk(FakeStudio(fake), store, LOCAL, root, frozenset(), fake.wait)

    monkeypatch.setattr("annotation.sync.desk.open_desk", open_desk)
    monkeypatch.setattr("annotation.server.LocalServer", StandIn)
    write_esci(tmp_path / "data", n_queries=2)
    root = tmp_path / "ws"
    import_tables(IMPORTERS["esci"], tmp_path / "data", root, command="test")
    return Workspace(root)


def test_pairs_travel_through_label_studio_unchanged(graded: Workspace) -> None:
    said = push_and_pull(graded, 20, seed=1, progress=silent)
    assert said == "20 pairs pushed, 20 judgments pulled, all equal"
    judgments = graded.read("judgments")
    assert set(judgments["annotator"]) == {"published"}
    qrels = graded.read("qrels")
    assert judgments.join(qrels, on=["query_id", "pin_id", "grade"]).height == 20


def test_a_grade_that_comes_back_changed_is_told(
    graded: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from annotation.sync import pull as pulling

    def pull(desk: Desk, **options: object) -> pulling.Pulled:
        honest = honest_pull(desk)
        changed = honest.judgments.with_columns(pl.lit(3, pl.Int64).alias("grade"))
        return dataclasses.replace(honest, judgments=changed)

    honest_pull = pulling.pull
    monkeypatch.setattr(pulling, "pull", pull)
    with pytest.raises(GradewiseError, match="are not those that were pushed"):
        push_and_pull(graded, 20, seed=1, progress=silent)


def test_every_study_can_be_imported_and_measured() -> None:
    assert list(STUDIES) == ["esci", "mediasearch"]
    for study in STUDIES.values():
        assert study.importer in IMPORTERS
        assert {metric for _, metric, *_ in study.references} <= {*study.grades, *study.ranking}


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (None, "—"),
        (Row(metric="x"), "—"),
        (Row(metric="x", value=0.5), ".500"),
        (Row(metric="x", value=0.5, ci_low=0.25, ci_high=1.0), ".500 [.250, 1.000]"),
        (Row(metric="x", value=-0.5), "-.500"),
    ],
)
def test_cells(row: Row | None, shown: str) -> None:
    assert cell(row) == shown


def test_small_groups_are_left_out(study: Study) -> None:
    rows = [
        Row(metric="AUROC@4", slice="country", group=group, system="teacher", value=0.5, n=n)
        for group, n in (("US", 40), ("FR", 29), ("(mean)", 99))
    ]
    outcome = Outcome(study, 69, 5, Results(tuple(rows)), ())
    text = document([outcome], Options(Path(), Path()), commit="x", now=datetime(2026, 1, 31))
    assert "| US | 40 | .500 |" in text
    assert "FR" not in text
    assert "(mean)" not in text


def test_the_command(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "STUDIES", {"small": study})
    monkeypatch.chdir(tmp_path)
    write_esci(tmp_path / "data" / "esci-us")
    arguments = ["--data", "data", "--out", "docs/page.md", "--no-push", "--threads", "1"]
    result = CliRunner().invoke(command.app, [*arguments, "--format", "csv"])
    assert result.exit_code == 0
    assert result.stdout.startswith("metric,slice,group,system,value,")
    assert "docs/page.md written" in result.stderr
    assert (tmp_path / "docs" / "page.md").read_text().startswith("# Real data")
    assert (tmp_path / "gradewise-real-data" / "small" / "qrels.parquet").exists()
    refused = CliRunner().invoke(command.app, [*arguments, "--only", "smal"])
    assert "no study is called 'smal'. Did you mean 'small'?" in str(refused.exception)


def test_the_commit_is_known_or_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch(r"unknown|[0-9a-f]{7,}\+?", command.commit())
    monkeypatch.setenv("PATH", "")
    assert command.commit() == "unknown"


def test_embeddings_are_made_by_the_students_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relevance.student import encoders

    def encode(texts: list[str], **options: object) -> np.ndarray:  # type: ignore[type-arg]
        return np.ones((len(texts), 4), dtype=np.float32)

    monkeypatch.setattr(encoders, "encode_texts", encode)
    workspace = Workspace(tmp_path)
    for name, frame in {
        "queries": pl.DataFrame({"query_id": ["q"], "text": ["lamp"]}),
        "pins": pl.DataFrame({"pin_id": ["p"], "title": ["rug"]}),
        "pairs": pl.DataFrame({"query_id": ["q"], "pin_id": ["p"]}),
    }.items():
        workspace.write(name, frame, command="test")
    said = folding.embed(workspace, 1, lambda done, total, what="": None)
    assert said == f"2 texts by {encoders.ENCODER}"
    inputs = folding.student_inputs(workspace)
    assert inputs.embeddings == encoders.ENCODER
    assert inputs.pin_embeddings is not None
    assert inputs.pin_embeddings["search"].to_list() == [[1.0] * 4]
