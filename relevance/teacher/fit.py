"""The training loop: encoded pairs in, a trained teacher and its history out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from relevance.errors import ModelError
from relevance.progress import Progress
from relevance.teacher.encode import Encoded, PairEncoder
from relevance.teacher.model import Teacher
from relevance.teacher.predict import Floats, negative_log_likelihood, predict_logits
from relevance.training import (
    autocast,
    epoch_batches,
    learning_rate,
    load_checkpoint,
    read_checkpoint_state,
    reseed,
    save_checkpoint,
)

Report = Callable[[Floats], Mapping[str, Any]]
"""Validation logits → figures to keep in the history."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a teacher is trained; see `TeacherConfig` for the meaning of each."""

    epochs: int
    batch_size: int
    learning_rate: float
    head_learning_rate: float
    warmup: float
    weight_decay: float
    clip_norm: float
    checkpoint_steps: int
    precision: str
    seed: int


@dataclass(frozen=True, slots=True)
class Examples:
    """Encoded pairs with soft labels.

    Attributes:
        pairs: Encoded pairs.
        targets: Probability of each grade, shape (pairs, 5), rows sum to 1.
    """

    pairs: Sequence[Encoded]
    targets: Floats

    def fingerprint(self) -> str:
        """SHA-256 of everything in it."""
        digest = hashlib.sha256(np.ascontiguousarray(self.targets).tobytes())
        for pair in self.pairs:
            digest.update(np.asarray((pair.boundary, *pair.ids), dtype=np.int64).tobytes())
        return digest.hexdigest()


class Fit:
    """One training run, which can be broken off after any step and taken up again.

    Args:
        teacher: Trained in place.
        encoder: Lays out the batches.
        training: What is learned from.
        validation: What is only looked at; may be empty.
        recipe: How.
        checkpoint: File of the latest checkpoint.
    """

    def __init__(
        self,
        teacher: Teacher,
        encoder: PairEncoder,
        *,
        training: Examples,
        validation: Examples,
        recipe: Recipe,
        checkpoint: Path,
    ) -> None:
        self.teacher = teacher
        self.encoder = encoder
        self.training = training
        self.validation = validation
        self.recipe = recipe
        self.checkpoint = checkpoint
        self.step = 0
        self.history: list[dict[str, Any]] = []
        self._losses: list[float] = []
        self._per_epoch = math.ceil(len(training.pairs) / recipe.batch_size)
        self._optimizer = self._make_optimizer()

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self._per_epoch * self.recipe.epochs

    def resume(self, *, replace_stale: bool = False) -> bool:
        """Takes up the latest checkpoint; False where there is none to take up.

        Args:
            replace_stale: Pass over a checkpoint of other inputs instead of raising an error.

        Raises:
            ModelError: It belongs to other inputs or another recipe, or is damaged.
        """
        if not self.checkpoint.exists():
            return False
        state = read_checkpoint_state(self.checkpoint)
        if state["identity"] != self._identity():
            if replace_stale:
                return False
            raise ModelError(
                f"{self.checkpoint} was made from other inputs or settings. "
                "Resume with the same ones, or train anew with --overwrite"
            )
        self.step, self.history = state["step"], state["history"]
        self._losses = state["losses"]
        load_checkpoint(self.checkpoint, self.teacher, self._optimizer, steps=self.step)
        return True

    def run(self, report: Report, progress: Progress) -> None:
        """Trains to the end, writing a checkpoint every so many steps and after each epoch."""
        while self.step < self.steps:
            epoch, at = divmod(self.step, self._per_epoch)
            batches = epoch_batches(
                [len(pair) for pair in self.training.pairs],
                size=self.recipe.batch_size,
                seed=self.recipe.seed,
                epoch=epoch,
            )
            for batch in batches[at:]:
                self._losses.append(self._take_step(batch))
                self.step += 1
                progress(self.step, self.steps, f"loss {np.mean(self._losses[-20:]):.3f}")
                if self.step % self.recipe.checkpoint_steps == 0 and self.step % self._per_epoch:
                    self._save()
            self._finish_epoch(epoch, report)

    def _finish_epoch(self, epoch: int, report: Report) -> None:
        """Adds the epoch to the history; a resumed run never does it twice."""
        self.teacher.eval()
        with autocast(self.recipe.precision):
            logits = predict_logits(self.teacher, self.encoder, self.validation.pairs)
        entry: dict[str, Any] = {"epoch": epoch + 1, "loss": float(np.mean(self._losses))}
        if len(logits):
            entry["validation_loss"] = negative_log_likelihood(logits, self.validation.targets)
            entry.update(report(logits))
        self.history.append(entry)
        self._losses = []
        self._save()

    def _take_step(self, batch: Sequence[int]) -> float:
        recipe = self.recipe
        rate = learning_rate(self.step, self.steps, peak=1.0, warmup=recipe.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        reseed(recipe.seed, self.step)
        self.teacher.train()
        inputs = self.encoder.batch([self.training.pairs[index] for index in batch])
        targets = torch.from_numpy(self.training.targets[batch]).float()
        with autocast(recipe.precision):
            logits = self.teacher(**inputs)
        loss = torch.nn.functional.cross_entropy(logits.float(), targets)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._weights(), recipe.clip_norm)
        self._optimizer.step()
        return float(loss.detach())

    def _weights(self) -> list[torch.nn.Parameter]:
        return [weight for group in self._optimizer.param_groups for weight in group["params"]]

    def _make_optimizer(self) -> torch.optim.Optimizer:
        """AdamW; biases and norms are not decayed, the head learns at its own rate."""
        groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
        for name, weight in self.teacher.named_parameters():
            if weight.requires_grad:
                groups.setdefault((name.startswith("head."), weight.ndim > 1), []).append(weight)
        recipe = self.recipe
        return torch.optim.AdamW(
            [
                {
                    "params": weights,
                    "peak": recipe.head_learning_rate if head else recipe.learning_rate,
                    "weight_decay": recipe.weight_decay if matrix else 0.0,
                }
                for (head, matrix), weights in sorted(groups.items(), key=lambda group: group[0])
            ],
            lr=recipe.learning_rate,
            fused=True,
        )

    def _save(self) -> None:
        state = {
            "identity": self._identity(),
            "step": self.step,
            "history": self.history,
            "losses": self._losses,
            "precision": self.recipe.precision,
        }
        save_checkpoint(self.checkpoint, self.teacher, self._optimizer, state)

    def _identity(self) -> str:
        parts = {
            "recipe": dataclasses.asdict(self.recipe),
            "training": self.training.fingerprint(),
            "validation": self.validation.fingerprint(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
