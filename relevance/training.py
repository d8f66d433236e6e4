"""Pieces shared by every training loop: threads, precision, schedule, batches, checkpoints."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from relevance.errors import ModelError, SettingsError
from relevance.files import atomic

PRECISIONS = ("auto", "bf16", "fp32")
_MOMENTS = ("exp_avg", "exp_avg_sq")


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Has torch use `count` threads (None: every core) until the block ends; yields the number."""
    before = torch.get_num_threads()
    chosen = count or cores()
    torch.set_num_threads(chosen)
    try:
        yield chosen
    finally:
        torch.set_num_threads(before)


@functools.cache
def fast_precision() -> str:
    """`"bf16"` where this processor multiplies bf16 matrices clearly faster than fp32 ones.

    Measured in some 20 ms: having the instructions is not enough (some processors gain nothing or
    lose in bf16, others gain fourfold). The threshold lies far from both, so that a busy machine
    chooses as an idle one.
    """
    left, right = torch.randn(512, 384), torch.randn(1536, 384)
    slow = _best_seconds(left, right)
    fast = _best_seconds(left.bfloat16(), right.bfloat16())
    return "bf16" if fast * 1.8 < slow else "fp32"


def resolve_precision(precision: str) -> str:
    """`"bf16"` or `"fp32"`, `"auto"` being what this machine is faster in.

    Raises:
        SettingsError: It is none of `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise SettingsError(
            f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}. Use auto"
        )
    return fast_precision() if precision == "auto" else precision


def autocast(precision: str) -> torch.autocast:
    """The autocast context of a resolved precision; it does nothing for fp32."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16")


def learning_rate(step: int, steps: int, *, peak: float, warmup: float) -> float:
    """Linear warm-up over the share `warmup` of `steps`, then linear decay to 0.

    Args:
        step: 0-based step.
        steps: Steps in all.
        peak: Highest learning rate.
        warmup: Share of steps that warm up, 0 to 1.
    """
    rise = max(1, round(steps * warmup))
    if step < rise:
        return peak * (step + 1) / rise
    return peak * (steps - step) / max(1, steps - rise)


def length_batches(lengths: Sequence[int], *, tokens: int) -> list[list[int]]:
    """Batches of similar length, longest first, each of at most `tokens` tokens with padding.

    Args:
        lengths: Tokens of each example.
        tokens: Budget of a batch; one example alone may exceed it.

    Returns:
        Indices into `lengths`: every one exactly once, in an order that depends on nothing else.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    for index in order:
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def epoch_batches(lengths: Sequence[int], *, size: int, seed: int, epoch: int) -> list[list[int]]:
    """Shuffled batches of `size` examples, similar lengths together, for one epoch of training.

    Examples are shuffled, sorted by length inside windows of 16 batches, cut into batches, and the
    batches shuffled; the same seed and epoch give the same batches.
    """
    rng = np.random.default_rng((seed, epoch))
    order: NDArray[np.int64] = rng.permutation(len(lengths))
    batches: list[list[int]] = []
    for start in range(0, len(order), 16 * size):
        window = sorted(order[start : start + 16 * size].tolist(), key=lambda i: lengths[i])
        batches += [window[at : at + size] for at in range(0, len(window), size)]
    return [batches[index] for index in rng.permutation(len(batches))]


def reseed(seed: int, step: int) -> None:
    """Seeds torch for one step, so that a resumed run draws the same dropout as an unbroken one."""
    digest = hashlib.sha256(f"{seed}/{step}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:7], "big"))


def save_checkpoint(
    path: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    state: Mapping[str, Any],
) -> None:
    """Writes trainable weights, optimiser moments and `state` (JSON) as one safetensors file."""
    tensors: dict[str, torch.Tensor] = {}
    for name, weight in _trainable(model).items():
        tensors[f"weight/{name}"] = weight.detach().contiguous()
        for moment in _MOMENTS:
            if weight in optimizer.state:
                tensors[f"{moment}/{name}"] = optimizer.state[weight][moment].contiguous()
    with atomic(path) as temporary:
        save_file(tensors, temporary, metadata={"state": json.dumps(dict(state))})


def read_checkpoint_state(path: Path) -> dict[str, Any]:
    """The `state` of a checkpoint.

    Raises:
        ModelError: The file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state: dict[str, Any] = json.loads((file.metadata() or {})["state"])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ModelError(
            f"{path}: checkpoint is damaged ({error}). Train anew with --overwrite"
        ) from error
    return state


def load_checkpoint(
    path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer, *, steps: int
) -> None:
    """Puts a checkpoint's weights and moments back; `steps` is how many were taken before it."""
    with safe_open(path, framework="pt") as file, torch.no_grad():
        for name, weight in _trainable(model).items():
            weight.copy_(file.get_tensor(f"weight/{name}"))
            optimizer.state[weight] = {
                "step": torch.tensor(float(steps)),
                **{moment: file.get_tensor(f"{moment}/{name}") for moment in _MOMENTS},
            }


def hash_rows(frame: pl.DataFrame, columns: Sequence[str]) -> str:
    """SHA-256 of these columns, rows in their order; absent columns are left out."""
    picked = frame.select([name for name in columns if name in frame.columns])
    return hashlib.sha256(picked.write_csv().encode()).hexdigest()


def _trainable(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _best_seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        torch.nn.functional.linear(left, right)
        best = min(best, time.perf_counter() - start)
    return best
