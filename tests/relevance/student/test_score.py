from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch

from relevance.blend import PROBABILITIES
from relevance.errors import InputError, MissingInputError, ModelError
from relevance.features import StudentInputs, context
from relevance.student import score
from relevance.student.folder import load_student
from relevance.student.score import predict, score_pairs, tensors_of


def test_predictions_are_probabilities_in_the_order_of_the_pairs(
    student: Path, inputs: StudentInputs
) -> None:
    pairs = inputs.pairs.select("query_id", "pin_id").reverse()
    predictions = score_pairs(pairs, inputs, student)
    assert predictions.columns == ["query_id", "pin_id", *PROBABILITIES, "model"]
    assert predictions.select("query_id", "pin_id").equals(pairs)
    assert predictions.select(PROBABILITIES).sum_horizontal().to_list() == pytest.approx(
        [1] * pairs.height
    )
    assert predictions["model"].unique().to_list() == ["student"]
    assert score_pairs(pairs.head(1), inputs, student, name="x")["model"].to_list() == ["x"]


def test_halves_joined_equal_the_whole_network(student: Path, inputs: StudentInputs) -> None:
    trained = load_student(student)
    tensors = tensors_of(trained.statistics.transform(context(inputs.pairs, inputs)))
    rows = torch.tensor([3, 700, 3, 12])
    with torch.inference_mode():
        whole = trained.network(*tensors.batch(rows))
        assert torch.allclose(predict(trained.network, tensors, rows), whole, atol=1e-6)


def test_batches_do_not_matter(
    student: Path, inputs: StudentInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = score_pairs(inputs.pairs, inputs, student)
    monkeypatch.setattr(score, "_BATCH", 100)
    monkeypatch.setattr(score, "_PAIRS_AT_ONCE", 333)
    done: list[int] = []
    parts = score_pairs(
        inputs.pairs, inputs, student, progress=lambda n, total, what="": done.append(n)
    )
    assert done == [333, 666, 999, 1200]
    for name in PROBABILITIES:
        assert parts[name].to_list() == pytest.approx(whole[name].to_list(), abs=1e-6)


def test_no_pairs_give_an_empty_table(student: Path, inputs: StudentInputs) -> None:
    assert score_pairs(inputs.pairs.head(0), inputs, student).height == 0


def test_new_categories_and_missing_vectors_still_get_a_score(
    student: Path, inputs: StudentInputs
) -> None:
    new = pl.DataFrame({"query_id": ["new"], "text": ["thing 1"], "segment": ["garden"]})
    grown = dataclasses.replace(inputs, queries=pl.concat([inputs.queries, new]))
    pair = pl.DataFrame({"query_id": ["new"], "pin_id": ["p001"]})
    row = score_pairs(pair, grown, student).select(PROBABILITIES).row(0)
    assert sum(row) == pytest.approx(1)
    assert max(row) < 0.9  # it has next to nothing to go by


def test_a_missing_model_names_its_command(tmp_path: Path, inputs: StudentInputs) -> None:
    with pytest.raises(MissingInputError, match="gradewise student distill"):
        score_pairs(inputs.pairs, inputs, tmp_path)


def test_embeddings_of_another_kind_are_refused(student: Path, inputs: StudentInputs) -> None:
    none = dataclasses.replace(inputs, query_embeddings=None, pin_embeddings=None)
    with pytest.raises(ModelError, match=r"'given', these inputs have 'none'\. Give --query-emb"):
        score_pairs(inputs.pairs, none, student)
    other = dataclasses.replace(inputs, encoder="use-multilingual-v3")
    with pytest.raises(ModelError, match="these inputs have 'use-multilingual-v3'"):
        score_pairs(inputs.pairs, other, student)


def test_an_unknown_query_is_named(student: Path, inputs: StudentInputs) -> None:
    pair = pl.DataFrame({"query_id": ["nobody"], "pin_id": ["p001"]})
    with pytest.raises(InputError, match="'nobody'"):
        score_pairs(pair, inputs, student)


def test_a_damaged_model_is_told(student: Path, tmp_path: Path) -> None:
    broken = tmp_path / "student"
    shutil.copytree(student, broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        load_student(broken)
    weights.unlink()
    with pytest.raises(ModelError, match="Distil it again"):
        load_student(broken)


def test_a_model_of_another_kind_is_told(student: Path, tmp_path: Path) -> None:
    broken = tmp_path / "student"
    shutil.copytree(student, broken)
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "kind": "teacher"}))
    with pytest.raises(ModelError, match="kind 'teacher'"):
        load_student(broken)
