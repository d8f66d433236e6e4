from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from relevance.errors import InputError, ModelError
from relevance.teacher.labelling import (
    LabelConfig,
    clear_labels,
    label_files,
    label_pairs,
    manifest,
    pipeline,
    read_labels,
    read_manifest,
    scan_labels,
    score_shard,
    shards,
    verify_labels,
)
from relevance.teacher.labelling import job as module
from relevance.teacher.predict import PROBABILITIES

CONFIG = LabelConfig(shard_pairs=100, precision="fp32")
Tables = dict[str, pl.DataFrame]


def _same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert found.drop(PROBABILITIES).equals(expected.drop(PROBABILITIES))
    assert (found.select(PROBABILITIES) - expected.select(PROBABILITIES)).max().row(0) < (
        1e-12,
    ) * 5


def test_files_folders_and_frames_give_the_foretold_labels(
    tables: Tables, model: Path, engine, write, foretell, tmp_path: Path
) -> None:
    pairs, queries, pins = write(tables)
    made = label_files(pairs, queries, pins, model, tmp_path / "labels", config=CONFIG)
    labels = read_labels(tmp_path / "labels")
    _same(labels, foretell(tables))
    assert labels.columns == ["query_id", "pin_id", *PROBABILITIES, "model"]
    assert (made.pairs, made.shards, made.finished) == (1200, 12, True)
    assert made.distinct == made.scored == len(engine.scored) < 1200
    assert max(Counter(engine.scored).values()) == 1  # equal texts are scored once
    assert not (tmp_path / "labels" / ".plan").exists()

    folder = tmp_path / "parts"
    folder.mkdir()
    for at, part in enumerate(tables["pairs"].iter_slices(500)):
        part.write_parquet(folder / f"{at}.parquet")
    tables["queries"].write_csv(tmp_path / "queries.csv")
    inputs = (folder, tmp_path / "queries.csv", pins)
    label_files(*inputs, model, tmp_path / "other", config=CONFIG)
    assert read_labels(tmp_path / "other").equals(labels)

    frames = (tables["pairs"], tables["queries"], tables["pins"])
    assert label_pairs(*frames, model, tmp_path / "frames", config=CONFIG).equals(labels)
    for number in range(12):
        name = f"shard-{number:05d}.parquet"
        both = [pl.read_parquet(tmp_path / out / name) for out in ("labels", "frames")]
        assert both[0].equals(both[1])


def test_labels_are_scanned_lazily(
    tables: Tables, model: Path, engine, write, tmp_path: Path
) -> None:
    label_files(*write(tables), model, tmp_path / "labels", config=CONFIG)
    frame = scan_labels(tmp_path / "labels")
    assert isinstance(frame, pl.LazyFrame)
    one = frame.filter(pl.col("query_id") == "q003").select("pin_id", "p5").collect()
    assert one.height == 40


def test_windows_and_row_groups_do_not_change_the_labels(
    tables: Tables, model: Path, engine, write, foretell, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(shards, "WINDOW", 7)
    monkeypatch.setattr("relevance.teacher.labelling.planning.ROW_GROUP", 9)
    label_files(*write(tables), model, tmp_path / "labels", config=replace(CONFIG, shard_pairs=500))
    _same(read_labels(tmp_path / "labels"), foretell(tables))
    path = tmp_path / "labels" / "shard-00000.parquet"
    assert pq.read_metadata(path).row_group(0).num_rows == 9


def _breaks(monkeypatch, target, name: str, at: int) -> list[int]:
    """`target.name` is killed in its call number `at`, like the process with it."""
    real, calls = getattr(target, name), []

    def dies(*arguments, **options):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(target, name, dies)
    return calls


@pytest.mark.parametrize(
    ("target", "name", "at", "left"),
    [
        (module, "plan", 1, 0),
        (module, "load_teacher", 1, 0),
        (module, "choose_engine", 1, 0),
        (module, "write_manifest", 2, 0),
        (shards.Scored, "add", 1, 0),
        (shards.Scored, "add", 8, 6),
        (pipeline, "write_shard", 1, 0),
        (pipeline, "write_shard", 9, 8),
        (shards, "predictions_frame", 7, 6),
        (module, "verify_labels", 1, 12),
        (module, "write_provenance", 1, 12),
    ],
)
def test_broken_anywhere_it_goes_on_to_the_same_labels(
    tables: Tables, model: Path, engine, write, foretell, tmp_path: Path, monkeypatch,
    target, name: str, at: int, left: int,
) -> None:  # fmt: skip
    inputs = (*write(tables), model, tmp_path / "labels")
    out = tmp_path / "labels"
    with monkeypatch.context() as broken:
        calls = _breaks(broken, target, name, at)
        with pytest.raises(KeyboardInterrupt):
            label_files(*inputs, config=CONFIG)
        assert len(calls) >= at
    done = len(list(out.glob("shard-*.parquet")))
    assert left <= done <= left + 1
    with pytest.raises(ModelError, match="is not finished"):
        read_labels(out)
    before = len(engine.scored)
    made = label_files(*inputs, config=CONFIG)
    _same(read_labels(out), foretell(tables))
    assert not verify_labels(out).problems
    again = len(engine.scored) - before
    planned = {path.name: pq.read_metadata(path).num_rows for path in out.glob("shard-*")}
    assert len(planned) == made.shards == 12
    assert again <= made.distinct * (12 - done) / 12 + 120  # what was done is not done again
    assert not [path.name for path in out.glob(".*") if path.name != ".lock"]


@pytest.mark.parametrize("harm", ["truncated", "flipped", "gone", "other", "empty"])
@pytest.mark.parametrize("killed", [True, False])
def test_a_damaged_shard_is_found_and_scored_again(
    harm: str, killed: bool, tables: Tables, model: Path, engine, write, foretell,
    tmp_path: Path, monkeypatch,
) -> None:  # fmt: skip
    out = tmp_path / "labels"
    inputs = (*write(tables), model, out)
    if killed:
        with monkeypatch.context() as broken:
            _breaks(broken, shards.Scored, "add", 8)
            with pytest.raises(KeyboardInterrupt):
                label_files(*inputs, config=CONFIG)
    else:
        label_files(*inputs, config=CONFIG)
    shard = out / "shard-00002.parquet"
    data = bytearray(shard.read_bytes())
    if harm == "truncated":
        shard.write_bytes(data[: len(data) // 2])
    elif harm == "flipped":
        data[len(data) // 3] ^= 16
        shard.write_bytes(data)
    elif harm == "gone":
        shard.unlink()
    elif harm == "other":
        shard.write_bytes((out / "shard-00001.parquet").read_bytes())
    else:
        shard.write_bytes(b"")
    done = len(list(out.glob("shard-*.parquet"))) - (harm != "gone")
    before = len(engine.scored)
    made = label_files(*inputs, config=CONFIG)
    _same(read_labels(out), foretell(tables))
    assert len(engine.scored) - before <= made.distinct * (12 - done) / 12 + 60


def test_a_finished_job_is_not_done_again(
    tables: Tables, model: Path, engine, write, tmp_path: Path
) -> None:
    inputs = (*write(tables), model, tmp_path / "labels")
    first = label_files(*inputs, config=CONFIG)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "labels").glob("*.parquet")}
    scored = len(engine.scored)
    assert label_files(*inputs, config=CONFIG) == first
    assert len(engine.scored) == scored
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("weights", "model"),
        ("settings", "model"),
        ("name", "model"),
        ("pairs", "pairs"),
        ("queries", "queries"),
        ("pins", "pins"),
        ("engine", "engine"),
        ("precision", "precision"),
        ("shard_pairs", "shard_pairs"),
    ],
)
def test_it_does_not_go_on_with_something_else(
    change: str, word: str, tables: Tables, model: Path, engine, write, foretell, tmp_path: Path,
    monkeypatch,
) -> None:  # fmt: skip
    out, config = tmp_path / "labels", CONFIG
    with monkeypatch.context() as broken:
        _breaks(broken, shards.Scored, "add", 5)
        with pytest.raises(KeyboardInterrupt):
            label_files(*write(tables), model, out, config=config)
    if change == "weights":
        (model / "model.safetensors").write_bytes(b"others")
    elif change == "settings":
        settings = json.loads((model / "gradewise.json").read_text())
        (model / "gradewise.json").write_text(json.dumps(settings | {"temperature": 2.0}))
    elif change in tables:
        tables[change] = tables[change].with_columns(pl.nth(1) + "0")
        if change == "pairs":
            tables["pins"] = tables["pins"].with_columns(pl.nth(0) + "0")
            tables["pairs"] = tables["pairs"]
    elif change == "name":
        config = replace(config, name="second")
    elif change == "engine":
        config = replace(config, engine="openvino")
    else:
        config = replace(config, **{change: {"precision": "bf16", "shard_pairs": 99}[change]})
    paths = write(tables)
    with pytest.raises(
        InputError, match=f"labels with another {word}. Give another --out, or --ov"
    ):
        label_files(*paths, model, out, config=config)
    label_files(*paths, model, out, config=config, replace_stale=True)
    _same(read_labels(out), foretell(tables, config.name or "teacher"))


def test_a_wrong_hash_or_a_missing_file_of_the_model_is_one_line(
    tables: Tables, model: Path, engine, write, tmp_path: Path
) -> None:
    provenance = {"version": "1", "command": "train", "seen_queries": [], "inputs": {}}
    provenance["config"] = {"model_sha256": "f00d" * 16}
    (model / "provenance.json").write_text(json.dumps(provenance))
    with pytest.raises(
        ModelError, match=r"is not what was trained: its SHA-256 is .* f00df00df00d"
    ):
        label_files(*write(tables), model, tmp_path / "labels", config=CONFIG)
    (model / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors is missing"):
        label_files(*write(tables), model, tmp_path / "labels", config=CONFIG)
    assert not (tmp_path / "labels").exists()


def test_two_processes_do_not_work_in_one_folder(
    tables: Tables, model: Path, engine, write, tmp_path: Path
) -> None:
    paths, out = write(tables), tmp_path / "labels"
    out.mkdir()
    with (
        module._alone_in(out),
        pytest.raises(InputError, match="another process is labelling into"),
    ):
        label_files(*paths, model, out, config=CONFIG)
    assert label_files(*paths, model, out, config=CONFIG).finished


def test_a_damaged_or_older_manifest_is_told_and_replaced_on_demand(
    tables: Tables, model: Path, engine, write, tmp_path: Path
) -> None:
    paths, out = write(tables), tmp_path / "labels"
    with pytest.raises(ModelError, match=r"holds no labels\. Make them with"):
        read_manifest(out)
    label_files(*paths, model, out, config=CONFIG)
    (out / "manifest.json").write_text('{"pairs": 3}')
    with pytest.raises(ModelError, match="damaged or of another version"):
        label_files(*paths, model, out, config=CONFIG)
    assert label_files(*paths, model, out, config=CONFIG, replace_stale=True).finished
    clear_labels(out)
    assert [path.name for path in out.iterdir() if path.suffix == ".parquet"] == []


def test_the_manifest_tells_what_was_done(
    tables: Tables, model: Path, engine, write, tmp_path: Path
) -> None:
    told: list[tuple[int, int, str]] = []
    label_files(
        *write(tables), model, tmp_path / "labels", config=CONFIG,
        progress=lambda done, total, what="": told.append((done, total, what)),
    )  # fmt: skip
    stored = json.loads((tmp_path / "labels" / "manifest.json").read_text())
    assert stored["model_sha256"] == manifest.hash_file(model / "model.safetensors")
    assert set(stored["inputs"]) == {"pairs", "queries", "pins"}
    assert (stored["engine"], stored["precision"], stored["note"]) == ("torch", "fp32", "")
    assert stored["scored"] == stored["distinct"]
    assert stored["pairs_per_second"] == pytest.approx(
        stored["scored"] / stored["seconds"], rel=0.2, abs=1
    )
    planned = [one for one in told if one[2] == "planning"]
    assert planned[-1][:2] == (1200, 1200)
    scored = [one for one in told if "pairs/s" in one[2]]
    assert scored[-1][:2] == (stored["distinct"], stored["distinct"])
    assert scored[0][2].endswith("left")


def test_a_shard_is_scored_by_itself(
    tables: Tables, model: Path, engine, stub, write, tmp_path: Path, monkeypatch
) -> None:
    """What a cluster's worker does."""
    inputs = (*write(tables), model)
    whole = label_files(*inputs, tmp_path / "labels", config=CONFIG)

    def elsewhere(work, scorer, progress):
        fresh = shards.Scorer(
            stub.stub_teacher(), stub.StubEngine(), work.name, work.config.batch_tokens, work.job
        )
        for number in reversed(work.todo):
            source = work.plan.source(number)
            yield score_shard(source, work.out / source.name, fresh, progress=progress)

    made = label_files(*inputs, tmp_path / "there", config=CONFIG, run=elsewhere)
    assert (made.pairs, made.scored, made.tokens) == (whole.pairs, whole.scored, whole.tokens)
    assert read_labels(tmp_path / "there").equals(read_labels(tmp_path / "labels"))


def test_a_run_that_forgets_a_shard_fails_the_audit(
    tables: Tables, model: Path, engine, write, tmp_path: Path
) -> None:
    def lazy(work, scorer, progress):
        yield from module.run_here(replace(work, todo=work.todo[:-1]), scorer, progress)

    with pytest.raises(ModelError, match=r"fails its audit: shard-00011\.parquet is missing"):
        label_files(*write(tables), model, tmp_path / "labels", config=CONFIG, run=lazy)
    with pytest.raises(ModelError, match="not finished: 1 of 12 shards are missing"):
        read_labels(tmp_path / "labels")


def test_logits_that_are_not_finite_are_no_labels(
    tables: Tables, model: Path, stub, write, tmp_path: Path, monkeypatch
) -> None:
    stub.install(monkeypatch.setattr, stub.StubEngine(noise=lambda logits: logits * float("nan")))
    with pytest.raises(ModelError, match="no finite probabilities"):
        label_files(*write(tables), model, tmp_path / "labels", config=CONFIG)


def test_what_is_read_ahead_comes_in_order_and_errors_arrive() -> None:
    def numbers():
        yield from range(5)
        raise ValueError("six")

    found = []
    with pytest.raises(ValueError, match="six"):
        found.extend(pipeline.ahead(numbers()))
    assert list(pipeline.ahead(iter(range(3)))) == [0, 1, 2]
    made = []
    reader = pipeline.ahead(made.append(at) or at for at in range(100))
    assert next(reader) == 0
    reader.close()
    assert len(made) <= 3


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(float("nan"), "?"), (42.4, "42 s"), (720, "12 min"), (12_600, "3.5 h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert module.duration(seconds) == words
