from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from relevance.errors import ModelError
from relevance.teacher.labelling import LabelConfig, label_files, precision, read_labels
from relevance.teacher.labelling.planning import Inputs, plan

CONFIG = LabelConfig(shard_pairs=200, precision="bf16")


@pytest.fixture
def engines(stub, monkeypatch):
    """Engines by (name, precision) that jobs open; what is opened is noted."""
    opened = []

    def use(**noises):
        def open_engine(name, teacher, *, precision, threads):
            chosen = {"auto": "bf16"}.get(precision, precision)
            opened.append((name, chosen))
            return stub.StubEngine(name, chosen, noise=noises.get(f"{name}_{chosen}"))

        stub.install(monkeypatch.setattr)
        for module in ("job", "precision"):
            monkeypatch.setattr(f"relevance.teacher.labelling.{module}.open_engine", open_engine)
        return opened

    return use


def _label(tables, model, write, out: Path, config: LabelConfig = CONFIG):
    return label_files(*write(tables), model, out, config=config)


def test_a_close_engine_passes_and_its_drift_is_kept(
    tables, model, engines, write, tmp_path: Path
) -> None:
    engines(torch_bf16=lambda logits: logits + 0.001 * np.sign(logits - 2))
    made = _label(tables, model, write, tmp_path / "labels")
    assert (made.engine, made.precision, made.note) == ("torch", "bf16", "")
    assert made.drift["n"] == 256
    assert 0 < made.drift["mean"] <= made.drift["p999"] <= made.drift["largest"] < 0.002
    assert made.drift["flips"] <= 0.01


def test_a_far_one_does_not_and_the_note_says_why(
    tables, model, engines, write, foretell, tmp_path: Path
) -> None:
    opened = engines(torch_bf16=lambda logits: logits[:, ::-1])
    made = _label(tables, model, write, tmp_path / "labels")
    assert (made.engine, made.precision) == ("torch", "fp32")
    assert "not torch in bf16: a probability in a thousand moves by" in made.note
    assert made.note.endswith("on 256 pairs")
    assert opened.count(("torch", "bf16")) == 1
    moved = read_labels(tmp_path / "labels")["p1"] - foretell(tables)["p1"]
    assert moved.abs().max() < 1e-12  # labelled in fp32


def test_flips_fail_the_gate_even_where_probabilities_hardly_move(
    tables, model, engines, write, tmp_path: Path
) -> None:
    def nudged(logits):
        flat = np.tile(np.arange(5) * 1e-4, (len(logits), 1))
        return flat[:, ::-1]

    engines(
        torch_fp32=lambda logits: np.tile(np.arange(5) * 1e-4, (len(logits), 1)), torch_bf16=nudged
    )
    made = _label(tables, model, write, tmp_path / "labels")
    assert made.precision == "fp32"
    assert "100.0% of the best grades change" in made.note


def test_the_same_engine_in_fp32_comes_before_torch(
    tables, model, engines, write, tmp_path: Path
) -> None:
    engines(openvino_int8=lambda logits: logits * 9)
    config = replace(CONFIG, engine="openvino", precision="int8")
    made = _label(tables, model, write, tmp_path / "labels", config)
    assert (made.engine, made.precision) == ("openvino", "fp32")
    assert made.note.startswith("not openvino in int8")
    assert made.drift["largest"] == 0
    engines(openvino_int8=lambda logits: logits * 9, openvino_fp32=lambda logits: logits * np.nan)
    made = _label(tables, model, write, tmp_path / "second", config)
    assert (made.engine, made.precision, made.drift) == ("torch", "fp32", {})
    assert made.note.count("; ") == 1


def test_a_job_smaller_than_the_sample_is_exact_unless_asked(
    tables, model, engines, write, tmp_path: Path
) -> None:
    opened = engines()
    few = tables | {"pairs": tables["pairs"][:100]}
    made = _label(few, model, write, tmp_path / "labels", replace(CONFIG, precision="auto"))
    assert (made.precision, set(opened)) == ("fp32", {("torch", "fp32")})
    made = _label(few, model, write, tmp_path / "asked", CONFIG)
    assert (made.precision, made.drift["n"]) == ("bf16", made.distinct)


def test_a_continued_job_keeps_its_precision(
    tables, model, engines, write, stub, tmp_path: Path, monkeypatch
) -> None:
    from relevance.teacher.labelling import shards

    opened = engines()
    real, calls = shards.Scored.add, []

    def dies(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, *arguments)

    with monkeypatch.context() as broken:
        broken.setattr(shards.Scored, "add", dies)
        with pytest.raises(KeyboardInterrupt):
            _label(tables, model, write, tmp_path / "labels")
    opened.clear()
    assert _label(tables, model, write, tmp_path / "labels").precision == "bf16"
    assert opened == [("torch", "bf16")]  # the sample is not scored again


def test_an_exact_engine_without_finite_logits_is_an_error(
    tables, model, engines, write, tmp_path: Path
) -> None:
    engines(torch_fp32=lambda logits: logits * np.nan, torch_bf16=lambda logits: logits * np.nan)
    with pytest.raises(ModelError, match="no finite probabilities"):
        _label(tables, model, write, tmp_path / "labels")


@pytest.mark.parametrize("shard_pairs", [20, 1200])
def test_the_sample_is_of_distinct_pairs_spread_over_the_job(
    tables, stub, tmp_path: Path, shard_pairs: int
) -> None:
    inputs = Inputs.of(tables["pairs"], tables["queries"], tables["pins"], stub.FEATURES)
    made = plan(inputs, stub.FEATURES, tmp_path / "plan", shard_pairs=shard_pairs)
    encoded = precision.sample(stub.stub_teacher(), made)
    texts = {bytes(one.ids).decode() for one in encoded}
    assert len(encoded) == len(texts) == 256
    queries = {text.partition("\0")[0] for text in texts}
    assert len(queries) >= 25  # of 30
