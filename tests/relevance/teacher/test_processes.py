"""Real processes: several that train together, and one that is killed again and again."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from relevance.errors import SettingsError
from relevance.tables import read_table
from relevance.teacher.bases import Base
from relevance.teacher.card import best_epoch
from relevance.teacher.model import read_settings
from relevance.teacher.processes import Group, launched, open_group, parts, rank
from relevance.teacher.train import TeacherConfig, train_teacher

Tables = dict[str, pl.DataFrame]
CONFIG = TeacherConfig(
    base="tiny", epochs=2, batch_size=15, accumulate=2, learning_rate=3e-3,
    head_learning_rate=1e-2, max_tokens=32, validation_share=0.25, checkpoint_steps=2,
    precision="fp32", threads=1,
)  # fmt: skip
FLAGS = (
    "--base tiny --epochs 2 --batch-size 15 --learning-rate 3e-3 --head-learning-rate 1e-2 "
    "--max-tokens 32 --validation-share 0.25 --precision fp32 --threads 1 --device cpu"
)


def _train(tables: Tables, out: Path, config: TeacherConfig = CONFIG, **options: Any) -> Path:
    return train_teacher(tables["qrels"], tables["queries"], tables["pins"], out, config, **options)


def _same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same weights byte for byte, and the same history."""
    whole, again = (
        (one / "model.safetensors").read_bytes(),
        (other / "model.safetensors").read_bytes(),
    )
    return whole == again and read_settings(one) == read_settings(other)


# --- several at once


class Shell:
    """Runs Python in which the base `tiny` is known, in a folder with its tables."""

    def __init__(self, folder: Path, paths: str) -> None:
        self.folder = folder
        self.environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}

    def __call__(self, *command: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=self.folder, capture_output=True, text=True, timeout=300, check=False,
            env=self.environment,
        )  # fmt: skip


@pytest.fixture
def shell(tiny_base: Base, tiny_package: Path, tables: Tables, tmp_path: Path) -> Shell:
    (tmp_path / "base.pickle").write_bytes(pickle.dumps(tiny_base))
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib, pickle\nfrom relevance.teacher.bases import BASES\n"
        "BASES['tiny'] = pickle.loads(pathlib.Path(__file__).with_name('base.pickle').read_bytes())"
    )
    for name, frame in tables.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    return Shell(tmp_path, f"{tmp_path}{os.pathsep}{tiny_package.parent}")


def _tables(folder: Path) -> list[object]:
    names = ("qrels", "queries", "pins")
    return [part for name in names for part in (f"--{name}", folder / f"{name}.parquet")]


def _close(one: Path, other: Path) -> None:
    """Asserts the same loss curve and weights, but for the order of sums in float32."""
    ours, theirs = read_settings(one), read_settings(other)
    for entry, same in zip(ours.history, theirs.history, strict=True):
        assert entry["loss"] == pytest.approx(same["loss"], abs=1e-5)
        assert entry["validation_loss"] == pytest.approx(same["validation_loss"], abs=1e-5)
    expected, found = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert expected.keys() == found.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, atol=1e-5, rtol=1e-4)


OURS = "-m app.cli teacher train --processes 2"
# --multi_gpu has accelerate start the processes itself; --device cpu keeps them off a GPU
THEIRS = (
    "-m accelerate.commands.launch --multi_gpu --num_processes 2 --main_process_port 0 "
    "-m app.cli teacher train"
)


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "tuning"), [(OURS, "full"), (THEIRS, "lora")])
def test_two_processes_learn_what_one_does(
    launcher: str, tuning: str, shell: Shell, tables: Tables, tmp_path: Path
) -> None:
    """96 pairs in batches of 15: the last has 6, and a part of 8 and one of 7 are weighed right."""
    flags = [*FLAGS.split(), "--tuning", tuning, "--class-weights", "balanced", "--out", "two"]
    done = shell(*launcher.split(), *_tables(tmp_path), *flags)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("val. loss") == 1  # only the main process reports
    config = replace(CONFIG, tuning=tuning, class_weights="balanced")
    _close(_train(tables, tmp_path / "one", config), tmp_path / "two")
    # the same work, whoever computes it: a finished folder of two is taken for one's own
    before = (tmp_path / "two" / "model.safetensors").stat().st_mtime_ns
    read = {name: read_table(tmp_path / f"{name}.parquet", name) for name in tables}
    _train(read, tmp_path / "two", config, resume=True)
    assert (tmp_path / "two" / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.slow
def test_an_error_in_several_processes_is_said_once(shell: Shell, tmp_path: Path) -> None:
    flags = [*_tables(tmp_path), *FLAGS.split(), "--out", "two", "--learning-rate", "1e30"]
    done = shell("-m", "app.cli", "teacher", "train", *flags, "--processes", 2)
    assert done.returncode == 1
    assert done.stderr.count("training diverged") == 1
    assert "Traceback" not in done.stderr


def test_several_need_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"2 processes are asked for, .*train --processes 2"):
        open_group("cpu", 2)
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "2")
    assert (launched(), rank()) == (3, 2)
    assert (parts(1), parts(4), parts(1, 2)) == (3, 4, 3)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(SettingsError, match="set up for FSDP, which splits a model"):
        open_group("cpu", 3)


def test_parts_are_dealt_by_their_number() -> None:
    shares = [Group(torch.device("cpu"), at, 3).mine("abcdefgh") for at in range(3)]
    assert shares[1] == [(1, "b"), (4, "e"), (7, "h")]
    assert sorted(part for share in shares for part in share) == list(enumerate("abcdefgh"))


class _Others:
    """An accelerator whose other process always brings the same."""

    def __init__(self, brings: torch.Tensor) -> None:
        self.brings = brings

    def reduce(self, values: torch.Tensor, reduction: str) -> torch.Tensor:
        assert reduction == "sum"
        return values + self.brings


def test_a_weight_without_gradient_anywhere_keeps_none() -> None:
    mine, theirs, unused = (torch.nn.Parameter(torch.zeros(2)) for _ in range(3))
    mine.grad = torch.tensor([1.0, 2.0])
    brings = torch.tensor([0.5, 1, 1, 0, 10, 20, 30, 40, 0, 0])  # loss, who has one, gradients
    group = Group(torch.device("cpu"), 0, 2, _Others(brings))
    assert group.sum_gradients([mine, theirs, unused], 0.25) == 0.75
    assert mine.grad is not None
    assert theirs.grad is not None
    assert mine.grad.tolist() == [11, 22]
    assert theirs.grad.tolist() == [30, 40]
    assert unused.grad is None


def test_the_parts_of_a_step_change_nothing(
    tiny_base: Base, tables: Tables, tmp_path: Path
) -> None:
    plain = replace(CONFIG, accumulate=1, dropout=0.0)
    whole = _train(tables, tmp_path / "whole", plain)
    cut = _train(tables, tmp_path / "cut", replace(plain, accumulate=4))
    _close(whole, cut)


# --- one that is killed

NURSERY = """
# Children that have everything imported and nothing computed: fork() is safe only before that.
import os, pickle, signal, sys, time
from pathlib import Path
import transformers
from transformers import AutoConfig, BertModel
import polars as pl
from relevance.teacher.train import train_teacher

def train(out, config, rename, before):
    put, count = Path.replace, 0
    def counted(self, target):
        nonlocal count
        count += 1
        if count == rename and before:
            os.kill(os.getpid(), signal.SIGKILL)
        put(self, target)
        if count == rename:
            os.kill(os.getpid(), signal.SIGKILL)
        return target
    Path.replace = counted
    tables = (pl.read_parquet(f"{name}.parquet") for name in ("qrels", "queries", "pins"))
    train_teacher(*tables, Path(out), config, resume=True)

for line in sys.stdin:
    *job, seconds = pickle.loads(bytes.fromhex(line))
    started = time.monotonic()
    child = os.fork()
    if not child:
        train(*job)
        os._exit(0)
    ended, status = 0, 0
    while not ended:
        ended, status = os.waitpid(child, os.WNOHANG)
        if not ended and seconds is not None and time.monotonic() - started > seconds:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Nursery:
    """Starts trainings as processes of their own, quickly, and kills them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def train(
        self,
        out: Path,
        config: TeacherConfig,
        *,
        rename: int = 0,
        before: bool = False,
        seconds: float | None = None,
    ) -> int:
        """Trains in `out` and returns the exit code.

        Args:
            rename: Kill it at the n-th file that it puts in place; 0 for never.
            before: Just before rather than just after.
            seconds: Kill it after so long.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        job = pickle.dumps((str(out), config, rename, before, seconds)).hex()
        self.process.stdin.write(job + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture
def nursery(shell: Shell, tmp_path: Path) -> Iterator[Nursery]:
    process = subprocess.Popen(
        [sys.executable, "-c", NURSERY], cwd=tmp_path, env=shell.environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield Nursery(process)
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False])
def test_killed_at_every_file_it_ends_the_same(
    before: bool, nursery: Nursery, tables: Tables, tmp_path: Path
) -> None:
    rates = {"learning_rate": 0.1, "head_learning_rate": 0.1}
    config = replace(CONFIG, epochs=5, patience=1, checkpoint_steps=5, **rates)
    whole = _train(tables, tmp_path / "m", config)
    history = read_settings(whole).history
    assert best_epoch(history) < len(history) < 5  # stops early, on another epoch than the best
    kills = 0
    while True:
        out = tmp_path / str(kills) / "m"
        code = nursery.train(out, config, rename=kills + 1, before=before)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
        _train(tables, out, config, resume=True)
        assert _same(whole, out)
        assert {path.name for path in out.iterdir()} == {path.name for path in whole.iterdir()}
    assert kills >= 10


@pytest.mark.slow
def test_killed_at_random_again_and_again_it_ends_the_same(
    nursery: Nursery, tables: Tables, tmp_path: Path
) -> None:
    config = replace(CONFIG, epochs=6, patience=0)
    whole, out = tmp_path / "whole" / "m", tmp_path / "killed" / "m"
    for folder in (whole.with_name("first"), whole):  # the first one imports
        started = time.monotonic()
        assert nursery.train(folder, config) == 0
        lasts = time.monotonic() - started
    rng = np.random.default_rng()
    kills = 0
    for _ in range(8):
        if nursery.train(out, config, seconds=rng.uniform(0.1, 0.8) * lasts) == 0:
            break
        kills += 1
    assert nursery.train(out, config) == 0
    assert (
        kills
    )  # whether before or after a checkpoint is left to chance; files are killed at above
    assert _same(whole, out)


def test_the_module_is_light() -> None:
    code = "import sys, relevance.teacher.processes; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
