from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import roc_auc_score

from relevance.blend import PROBABILITIES
from relevance.errors import InputError, SettingsError
from relevance.features import StudentInputs
from relevance.provenance import hash_query, read_provenance, seen_queries
from relevance.results import Row
from relevance.student.distill import StudentConfig, distill_student, target_matrix
from relevance.student.score import score_pairs

FILES = ("config.json", "metrics.json", "model.safetensors", "README.md")


def _auroc(predictions: pl.DataFrame, truth: pl.DataFrame, at: int = 4) -> float:
    both = truth.join(predictions, on=["query_id", "pin_id"])
    score = both.select(pl.sum_horizontal(PROBABILITIES[at - 1 :])).to_series()
    return float(roc_auc_score(both["grade"].to_numpy() >= at, score.to_numpy()))


def test_it_learns_what_can_be_learnt(
    student: Path, split: tuple[pl.DataFrame, pl.DataFrame], inputs: StudentInputs
) -> None:
    predictions = score_pairs(split[1], inputs, student)
    assert all(_auroc(predictions, split[1], at) > 0.93 for at in (3, 4, 5))


def test_soft_labels_are_learnt_as_distributions(
    tmp_path: Path, truth: pl.DataFrame, inputs: StudentInputs, config: StudentConfig
) -> None:
    probabilities = [0.1, 0.1, 0.2, 0.2, 0.4]
    constant = truth.select(
        "query_id",
        "pin_id",
        *(pl.lit(p).alias(n) for n, p in zip(PROBABILITIES, probabilities, strict=True)),
    )
    out = distill_student(constant, inputs, tmp_path / "s", config)
    mean = score_pairs(truth, inputs, out).select(PROBABILITIES).mean().row(0)
    assert mean == pytest.approx(probabilities, abs=0.05)


def test_one_seed_gives_the_same_files_whatever_happened_before(
    tmp_path: Path,
    student: Path,
    split: tuple[pl.DataFrame, pl.DataFrame],
    inputs: StudentInputs,
    config: StudentConfig,
) -> None:
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    shuffled = split[0].sample(fraction=1, shuffle=True, seed=3)
    again = distill_student(shuffled, inputs, tmp_path / "student", config)
    for name in FILES:
        assert (again / name).read_bytes() == (student / name).read_bytes()
    assert torch.equal(state, torch.random.get_rng_state())
    other = dataclasses.replace(config, seed=1)
    distill_student(split[0], inputs, tmp_path / "other", other)
    weights = [(p / "model.safetensors").read_bytes() for p in (student, tmp_path / "other")]
    assert weights[0] != weights[1]


def test_provenance_has_the_queries_of_targets_and_teacher(
    tmp_path: Path,
    student: Path,
    split: tuple[pl.DataFrame, pl.DataFrame],
    inputs: StudentInputs,
    config: StudentConfig,
) -> None:
    expected = {hash_query(q) for q in split[0]["query_id"].unique()}
    assert seen_queries(student) == expected
    short = dataclasses.replace(config, epochs=1)
    out = distill_student(
        split[0].head(5),
        inputs,
        tmp_path / "s",
        short,
        seen_queries={hash_query("elsewhere")},
        made_from={"qrels": "abc"},
    )
    assert seen_queries(out) == {hash_query("q00"), hash_query("elsewhere")}
    assert (read_provenance(out) or {})["inputs"] == {"qrels": "abc"}


def test_training_stops_when_the_validation_queries_no_longer_gain(
    tmp_path: Path, split: tuple[pl.DataFrame, pl.DataFrame], inputs: StudentInputs
) -> None:
    noise = split[0].with_columns(pl.col("grade").shuffle(seed=1))
    config = StudentConfig(epochs=40, patience=2, hidden=(64,), learning_rate=1e-2, dropout=0)
    distill_student(noise, inputs, tmp_path / "s", config)
    history = json.loads((tmp_path / "s/metrics.json").read_text())["history"]
    losses = [epoch["validation_loss"] for epoch in history]
    assert len(losses) == int(np.argmin(losses)) + 1 + config.patience < config.epochs


def test_a_single_query_is_all_training(
    tmp_path: Path, truth: pl.DataFrame, inputs: StudentInputs, config: StudentConfig
) -> None:
    one = truth.filter(query_id="q00")
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int, what: str = "") -> None:
        seen.append((done, total))

    distill_student(one, inputs, tmp_path / "s", config, progress=progress)
    report = json.loads((tmp_path / "s/metrics.json").read_text())
    assert report["n_validation_pairs"] == 0
    assert {epoch["validation_loss"] for epoch in report["history"]} == {None}
    assert seen == [(epoch, config.epochs) for epoch in range(1, config.epochs + 1)]


def test_the_card_shows_what_evaluate_says_of_the_validation_queries(
    tmp_path: Path,
    split: tuple[pl.DataFrame, pl.DataFrame],
    inputs: StudentInputs,
    config: StudentConfig,
) -> None:
    def evaluate(predictions: pl.DataFrame) -> list[Row]:
        assert predictions["query_id"].n_unique() == 4  # a tenth of 45
        return [Row(metric="AUROC@4", value=_auroc(predictions, split[0]), n=predictions.height)]

    short = dataclasses.replace(config, epochs=2)
    out = distill_student(split[0], inputs, tmp_path / "s", short, evaluate=evaluate)
    assert "| AUROC@4 | all | all | 0." in (out / "README.md").read_text()


def test_without_embeddings_it_uses_the_rest(
    tmp_path: Path,
    split: tuple[pl.DataFrame, pl.DataFrame],
    inputs: StudentInputs,
    config: StudentConfig,
) -> None:
    poor = dataclasses.replace(inputs, query_embeddings=None, pin_embeddings=None)
    out = distill_student(split[0], poor, tmp_path / "s", dataclasses.replace(config, epochs=2))
    predictions = score_pairs(split[1], poor, out)
    assert predictions.select(PROBABILITIES).sum_horizontal().to_list() == pytest.approx(
        [1] * split[1].height
    )


def test_targets_become_distributions() -> None:
    ids = {"query_id": ["q", "q"], "pin_id": ["a", "b"]}
    hard = target_matrix(pl.DataFrame({**ids, "grade": [5, 1]}))
    assert hard.tolist() == [[0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]
    soft = {name: [0.5, 0.0] for name in PROBABILITIES} | {"p5": [0.0, 2.0], "grade": [1, 1]}
    assert target_matrix(pl.DataFrame({**ids, **soft})).tolist() == [
        [0.25, 0.25, 0.25, 0.25, 0],
        [0, 0, 0, 0, 1],
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"grade": [1, 7]}, "grade must be 1–5, got 7 for query 'q', Pin 'b'"),
        ({"grade": [1, None]}, "grade must be 1–5, got None"),
        ({"score": [1, 2]}, "targets need p1…p5 or grade, got columns query_id, pin_id, score"),
        ({name: [0.2, None] for name in PROBABILITIES}, "must be there in every row"),
        ({"grade": [1, 2], "pin_id": ["a", "a"]}, "the same pair twice"),
    ],
)
def test_bad_targets_are_named(columns: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        target_matrix(pl.DataFrame({"query_id": ["q", "q"], "pin_id": ["a", "b"], **columns}))


def test_no_targets_name_the_command_that_makes_them() -> None:
    with pytest.raises(InputError, match="gradewise teacher label"):
        target_matrix(pl.DataFrame({"query_id": [], "pin_id": [], "grade": []}))


@pytest.mark.parametrize(
    "setting",
    [{"epochs": 0}, {"dropout": 1.0}, {"hidden": ()}, {"factors": -1}, {"learning_rate": -0.1}],
)
def test_impossible_settings_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(setting))):
        StudentConfig(**setting)  # type: ignore[arg-type]


def test_a_diverging_training_says_so(
    tmp_path: Path, split: tuple[pl.DataFrame, pl.DataFrame], inputs: StudentInputs
) -> None:
    config = StudentConfig(learning_rate=1e25, hidden=(16, 8))
    with pytest.raises(SettingsError, match=r"loss became (nan|inf) in epoch 1\. Lower"):
        distill_student(split[0], inputs, tmp_path / "s", config)
    assert not (tmp_path / "s").exists()
