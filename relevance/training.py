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
from safetensors.torch import load_file, save_file

from relevance.errors import ModelError, SettingsError
from relevance.files import atomic

PRECISIONS = ("auto", "bf16", "fp32")
DEVICES = ("auto", "cpu", "cuda")
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


def resolve_precision(precision: str, device: str = "cpu") -> str:
    """`"bf16"` or `"fp32"`, `"auto"` being what this machine is faster in.

    Args:
        precision: One of `PRECISIONS`.
        device: Kind of device, `"cpu"` or `"cuda"`.

    Raises:
        SettingsError: It is none of `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise SettingsError(
            f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}. Use auto"
        )
    if precision != "auto":
        return precision
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return fast_precision()


def autocast(precision: str, device: str = "cpu") -> torch.autocast:
    """The autocast context of a resolved precision; it does nothing for fp32."""
    return torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16")


def resolve_device(device: str) -> str:
    """`"cpu"` or `"cuda"`, `"auto"` being cuda where there is one.

    Raises:
        SettingsError: It is none of `DEVICES`, or cuda is asked for and not there.
    """
    if device not in DEVICES:
        raise SettingsError(f"device must be one of {', '.join(DEVICES)}, got {device!r}. Use auto")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise SettingsError(
            "device cuda is asked for, but torch sees no GPU. Use --device cpu, "
            "or install the torch build that fits the driver"
        )
    return "cuda" if there and device != "cpu" else "cpu"


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


def reseed(seed: int, *place: int) -> None:
    """Seeds torch for one place in the training, such as (step, part).

    Whatever was drawn before, and in whatever process, the same dropout follows.
    """
    digest = hashlib.sha256("/".join(map(str, (seed, *place))).encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:7], "big"))


def save_checkpoint(
    path: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer | None,
    state: Mapping[str, Any],
) -> None:
    """Writes trainable weights, optimiser moments and `state` (JSON) as one safetensors file.

    Args:
        path: Replaced in one go, so that a killed process leaves the one before.
        model: Whose trainable weights are written.
        optimizer: Whose moments are written; None for none.
        state: What else to come back to.
    """
    tensors: dict[str, torch.Tensor] = {}
    for name, weight in _trainable(model).items():
        tensors[f"weight/{name}"] = weight.detach().cpu().contiguous()
        for moment in _MOMENTS:
            if optimizer is not None and weight in optimizer.state:
                tensors[f"{moment}/{name}"] = optimizer.state[weight][moment].cpu().contiguous()
    with atomic(path) as temporary:
        about = {"state": json.dumps(dict(state)), "digest": _digest(tensors)}
        save_file(tensors, temporary, metadata=about)


def read_checkpoint_state(path: Path) -> dict[str, Any]:
    """The `state` of a checkpoint.

    Raises:
        ModelError: The file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state: dict[str, Any] = json.loads((file.metadata() or {})["state"])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise _damaged(path, error) from error
    return state


def load_checkpoint(
    path: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    steps: int = 0,
) -> None:
    """Puts a checkpoint's weights back, and the moments of an optimiser.

    Args:
        path: Written by `save_checkpoint`.
        model: Of the same shape.
        optimizer: As it was when the checkpoint was made; None to leave the moments.
        steps: How many steps it had taken.

    Raises:
        ModelError: The file is damaged or another model's.
    """
    try:
        tensors = load_file(path)
        with safe_open(path, framework="pt") as file:
            expected = (file.metadata() or {})["digest"]
    except (SafetensorError, KeyError, OSError) as error:
        raise _damaged(path, error) from error
    if _digest(tensors) != expected:
        raise _damaged(path, "its weights are not those that were written")
    with torch.no_grad():
        for name, weight in _trainable(model).items():
            if f"weight/{name}" not in tensors or weight.shape != tensors[f"weight/{name}"].shape:
                raise _damaged(path, f"{name} does not fit")
            weight.copy_(tensors[f"weight/{name}"])
            moments = {moment: tensors.get(f"{moment}/{name}") for moment in _MOMENTS}
            if optimizer is not None and None not in moments.values():
                optimizer.state[weight] = {
                    "step": torch.tensor(float(steps), device=weight.device),
                    **{
                        key: value.to(weight.device)
                        for key, value in moments.items()
                        if value is not None
                    },
                }


def _damaged(path: Path, found: object) -> ModelError:
    return ModelError(f"{path}: checkpoint is damaged ({found}). Train anew with --overwrite")


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """128-bit XXH3 of names and values: a checkpoint's bits may rot, and nobody forges them."""
    import xxhash

    digest = xxhash.xxh3_128()
    for name, value in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(value.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


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
