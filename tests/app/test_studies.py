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
from typer.testing import CliRunner

from annotation.client.fake import FakeServer, FakeStudio
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.store import Store
from app.studies import __main__ as command
from app.studies import folding, running
from app.studies.catalogue import STUDIES
from app.studies.document import cell, difference, document
from app.studies.folding import FoldRun
from app.studies.folds import (
    Fold,
    draw_queries,
    folds_by_query,
)
from app.studies.labelling import push_and_pull
from app.studies.running import Options, Outcome, run_study
from app.studies.study import Study, Teaching, against
from relevance.errors import GradewiseError
from relevance.importers import IMPORTERS, import_tables
from relevance.progress import silent
from relevance.provenance import hash_query, write_provenance
from relevance.results import PairedRow
from relevance.workspace import Workspace

WORDS = ("brass", "lamp", "rug", "red", "oak", "desk", "wool", "blue")


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


def teach(run: FoldRun, teaching: Teaching, progress: object) -> str:
    """Stands for the teacher: no weights, only the queries it has seen."""
    folder = run.teacher(teaching)
    folder.mkdir(parents=True)
    write_provenance(folder, command="teacher", seen_queries=map(hash_query, run.fold.train))
    return "taught"


def label(run: FoldRun, teaching: Teaching, progress: object) -> str:
    """Stands for its labels: the published grade, the surer the more pairs it was taught."""
    qrels = run.workspace.read("qrels")
    levels = np.arange(1, 6)
    noise = 0 if teaching.pairs is None else 50 / teaching.pairs
    told = qrels["grade"].to_numpy() + np.random.default_rng(0).normal(0, noise, qrels.height)
    near = np.exp(-np.abs(told[:, None] - levels))
    p = near / near.sum(axis=1, keepdims=True)
    labels = qrels.select("query_id", "pin_id").with_columns(
        *(pl.Series(f"p{level}", p[:, level - 1]) for level in levels), model=pl.lit(teaching.key)
    )
    tested = pl.col("query_id").is_in(run.fold.test)
    written = {teaching.key: labels.filter(tested)}
    if run.study.students and teaching == run.study.teachers[0]:
        written["targets"] = labels.filter(~tested)
    for model, rows in written.items():
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
    figures = {model: outcome.results.find("AUROC@4", system=model) for model in study.models}
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
    assert text.startswith("# Real data\n\nThe data sets are not part of the project")
    assert "Measured 2026-01-31, commit abc1234, 0 minutes of work. Tested on 120 pairs" in text
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

    monkeypatch.setattr(FoldRun, "distil", stop)
    with pytest.raises(KeyboardInterrupt):
        run_small(study, tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(FoldRun, "teach", teach)  # fails if it is called twice for one fold
    monkeypatch.setattr(FoldRun, "label", label)
    monkeypatch.setattr(running, "embed", embed)
    resumed = [stage.stage for stage in run_small(study, tmp_path).stages if stage.resumed]
    assert resumed == ["import", "embed", "baselines-1", "teacher-1", "labels-teacher-1"]


def test_another_recipe_is_another_teacher(study: Study, tmp_path: Path) -> None:
    run_small(study, tmp_path)
    longer = dataclasses.replace(study.teachers[0], epochs=5)
    again = run_small(dataclasses.replace(study, teachers=(longer,)), tmp_path)
    resumed = [stage.stage for stage in again.stages if stage.resumed]
    # the stand-in labels as before
    kept = ["baselines-1", "students-1", "baselines-2", "students-2"]
    assert resumed == ["import", "embed", *kept, "results"]
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


def test_teachers_of_several_bases_and_numbers_of_labels(study: Study, tmp_path: Path) -> None:
    few, many = (Teaching(base="e5", pairs=n) for n in (25, 100))
    lora = Teaching(base="smol", tuning="lora", pairs=25)
    several = dataclasses.replace(
        study,
        teachers=(few, many, lora),
        students=False,
        by=None,
        compared=((many.key, few.key), (many.key, "bm25"), (lora.key, few.key)),
    )
    outcome = run_small(several, tmp_path)
    assert not (tmp_path / "work" / "small" / "query_embeddings.parquet").exists()
    assert list(several.models)[:3] == ["e5-25-pairs", "e5-100-pairs", "smol-lora-25-pairs"]
    row = outcome.results.find("AUROC@4", system=against(many.key, few.key))
    assert isinstance(row, PairedRow)
    rows = [outcome.results.find("AUROC@4", system=t.key) for t in (few, many, lora)]
    low, high, _ = [0.0 if one is None or one.value is None else one.value for one in rows]
    assert row.difference == pytest.approx(high - low)
    assert low < high
    assert outcome.results.find("nDCG@20", system=against(many.key, "bm25")) is not None

    text = document([outcome], Options(Path(), Path()), commit="x", now=datetime(2026, 1, 31))
    assert "| smol + LoRA, 25 pairs | " in text
    assert "AUROC@4 by number of graded pairs to learn from:" in text
    assert "| base | 25 pairs | 100 pairs |" in text
    assert f"| e5 | {cell(rows[0])} | {cell(rows[1])} |" in text
    assert f"| smol, lora | {cell(rows[2])} | — |" in text
    assert f"| e5, 100 pairs − e5, 25 pairs | {difference(row)} |" in text
    assert "Teachers: 2 epochs, 64 tokens." in text


def test_a_study_of_some_queries_keeps_every_pin(study: Study, tmp_path: Path) -> None:
    outcome = run_small(dataclasses.replace(study, n_queries=4, students=False), tmp_path)
    workspace = Workspace(tmp_path / "work" / "small")
    assert (outcome.n_pairs, outcome.n_queries) == (48, 4)
    assert workspace.read("queries").height == 4
    assert workspace.read("pins").height == 24
    qrels = workspace.read("qrels")
    assert draw_queries(qrels, 4).equals(qrels)


def test_a_model_that_has_seen_a_test_query_is_refused(tmp_path: Path) -> None:
    run = FoldRun(STUDIES["esci"], Workspace(tmp_path), Fold(1, ("a",), ("b",)), 1, 0)
    (teaching,) = run.study.teachers
    folder = run.teacher(teaching)
    folder.mkdir(parents=True)
    write_provenance(folder, command="x", seen_queries=[hash_query("a"), hash_query("b")])
    with pytest.raises(GradewiseError, match=r"teacher-1-.* has seen 1 of its test queries"):
        run.label(teaching, silent)


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
    assert {study.importer for study in STUDIES.values()} == {"msrd", "jsts", "esci", "mediasearch"}
    for study in STUDIES.values():
        assert study.importer in IMPORTERS
        assert {model for pair in study.compared for model in pair} <= set(study.models)
        assert len({teaching.key for teaching in study.teachers}) == len(study.teachers)
        assert {metric for _, metric, *_ in study.references} <= {*study.grades, *study.ranking}


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
