"""The training loop: encoded pairs in, a trained teacher and its history out."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from relevance.errors import ModelError
from relevance.progress import Progress
from relevance.teacher.card import best_epoch
from relevance.teacher.encode import Encoded, Encoder
from relevance.teacher.losses import LOSSES, class_weights, prior_shift
from relevance.teacher.model import Teacher
from relevance.teacher.optimizer import make_optimizer, set_rate
from relevance.teacher.predict import Floats, negative_log_likelihood, predict_logits
from relevance.teacher.processes import Group
from relevance.teacher.trackers import Tracker, epoch_figures, nothing_tracked
from relevance.training import (
    autocast,
    epoch_batches,
    learning_rate,
    load_checkpoint,
    read_checkpoint_state,
    reseed,
    save_checkpoint,
)

BEST = "best.safetensors"
Report = Callable[[Floats], Mapping[str, Any]]
"""Validation logits → figures to keep in the history."""
Told = Callable[[Mapping[str, Any]], None]
"""Is given each entry of the history as it is made."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a teacher is trained; see `TeacherConfig` for the meaning of each.

    Attributes:
        parts: Parts in which an optimiser step is computed.
        loss: A name of `LOSSES`.
        balanced: Whether rare grades weigh as much as frequent ones.
    """

    epochs: int
    batch_size: int
    parts: int
    loss: str
    balanced: bool
    patience: int
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
            digest.update(pair.tobytes())
        return digest.hexdigest()


class Fit:
    """One training run, which can be broken off at any moment and taken up again.

    Args:
        teacher: Trained in place.
        encoder: Lays out the batches.
        training: What is learned from.
        validation: What is only looked at; may be empty.
        recipe: How.
        checkpoint: File of the latest checkpoint; the best epoch's weights lie beside it.
        identity: What decides the result; a checkpoint of another one is not taken up.
        group: The processes that share the work.
    """

    def __init__(
        self,
        teacher: Teacher,
        encoder: Encoder,
        *,
        training: Examples,
        validation: Examples,
        recipe: Recipe,
        checkpoint: Path,
        identity: str,
        group: Group,
    ) -> None:
        self.teacher = teacher
        self.encoder = encoder
        self.training = training
        self.validation = validation
        self.recipe = recipe
        self.checkpoint = checkpoint
        self.identity = identity
        self.group = group
        self.step = 0
        self.history: list[dict[str, Any]] = []
        self._loss_sum, self._loss_count = 0.0, 0
        self._recent: deque[float] = deque(maxlen=20)
        self._per_epoch = math.ceil(len(training.pairs) / recipe.batch_size)
        self._lengths = [len(pair) for pair in training.pairs]
        weights = class_weights(training.targets, balanced=recipe.balanced)
        self._masses = training.targets * weights
        self._shift = prior_shift(weights)
        self._optimizer = make_optimizer(teacher, recipe)
        self._weights = [w for g in self._optimizer.param_groups for w in g["params"]]
        group.alike(self._weights)

    @property
    def steps(self) -> int:
        """Optimiser steps if it is not stopped early."""
        return self._per_epoch * self.recipe.epochs

    @property
    def best_epoch(self) -> int:
        """The epoch of lowest validation loss, counted from 1; the last without validation."""
        return best_epoch(self.history)

    @property
    def is_done(self) -> bool:
        """Whether all epochs are over, or `patience` of them have brought nothing."""
        epoch, at = divmod(self.step, self._per_epoch)
        waited = len(self.history) - self.best_epoch
        stale = bool(self.recipe.patience) and waited >= self.recipe.patience
        return len(self.history) == epoch and at == 0 and (stale or self.step >= self.steps)

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
        if state["identity"] != self.identity:
            if replace_stale:
                return False
            raise ModelError(
                f"{self.checkpoint} was made from other inputs or settings. "
                "Resume with the same ones, or train anew with --overwrite"
            )
        self.step, self.history = state["step"], state["history"]
        self._loss_sum, self._loss_count = state["losses"]
        load_checkpoint(self.checkpoint, self.teacher, self._optimizer, steps=self.step)
        self.group.alike(self._weights)
        return True

    def run(
        self,
        report: Report,
        progress: Progress,
        *,
        told: Told | None = None,
        tracker: Tracker = nothing_tracked,
    ) -> None:
        """Trains to the end, writing a checkpoint every so many steps and after each epoch.

        Args:
            report: Metrics of an epoch's validation logits.
            progress: Told of optimiser steps.
            told: Told of epochs.
            tracker: Told of losses and metrics.

        Raises:
            ModelError: The loss is not a number any more.
        """
        while not self.is_done:
            epoch, at = divmod(self.step, self._per_epoch)
            batches = epoch_batches(
                self._lengths, size=self.recipe.batch_size, seed=self.recipe.seed, epoch=epoch
            )
            for batch in batches[at:]:
                loss = self._take_step(batch)
                tracker({"training/loss": loss, "training/rate": self._rate()}, self.step)
                progress(self.step, self.steps, f"loss {np.mean(self._recent):.3f}")
                if self.step % self.recipe.checkpoint_steps == 0 and self.step % self._per_epoch:
                    self._save()
            entry = self._finish_epoch(epoch, report)
            tracker(epoch_figures(entry), self.step)
            if told is not None:
                told(entry)

    def validate(self) -> Floats:
        """Logits of the validation pairs, shape (pairs, 5), for the grades' true frequencies."""
        self.teacher.eval()
        pairs, group = self.validation.pairs, self.group
        logits = np.zeros((len(pairs), self._masses.shape[1]))
        with self._autocast():
            own = predict_logits(self.teacher, self.encoder, pairs[group.rank :: group.size])
        logits[group.rank :: group.size] = own
        if group.size > 1:
            logits = group.total(torch.from_numpy(logits).float()).double().cpu().numpy()
        return logits + self._shift

    def keep_best(self) -> None:
        """Puts the best epoch's weights back and has the head say the grades' true frequencies."""
        if self.best_epoch != len(self.history):
            best = self.checkpoint.with_name(BEST)
            if read_checkpoint_state(best)["epoch"] != self.best_epoch:
                raise ModelError(f"{best} is of another epoch. Train anew with --overwrite")
            load_checkpoint(best, self.teacher)
        with torch.no_grad():
            shift = torch.from_numpy(self._shift).float()
            self.teacher.head.bias.add_(shift.to(self.teacher.head.bias.device))
        self._shift = np.zeros_like(self._shift)

    def _take_step(self, batch: Sequence[int]) -> float:
        """One optimiser step; the loss is the weighted mean over the whole batch."""
        recipe = self.recipe
        rate = learning_rate(self.step, self.steps, peak=1.0, warmup=recipe.warmup)
        set_rate(self._optimizer, rate)
        self.teacher.train()
        self._optimizer.zero_grad(set_to_none=True)
        whole = float(self._masses[batch].sum())
        own = 0.0
        for number, part in self.group.mine(_cut(batch, recipe.parts)):
            reseed(recipe.seed, self.step, number)
            inputs = self.encoder.batch([self.training.pairs[index] for index in part])
            masses = torch.from_numpy(self._masses[part]).float().to(self.group.device)
            with self._autocast():
                logits = self.teacher(**inputs)
            loss = LOSSES[recipe.loss](logits.float(), masses).sum() / whole
            loss.backward()  # type: ignore[no-untyped-call]
            own += float(loss.detach())
        loss_value = self.group.sum_gradients(self._weights, own)
        self._refuse_divergence(loss_value, f"loss of step {self.step + 1}")
        torch.nn.utils.clip_grad_norm_(self._weights, recipe.clip_norm)
        self._optimizer.step()
        self.step += 1
        self._loss_sum, self._loss_count = self._loss_sum + loss_value, self._loss_count + 1
        self._recent.append(loss_value)
        return loss_value

    def _finish_epoch(self, epoch: int, report: Report) -> dict[str, Any]:
        """Adds the epoch to the history; a resumed run never does it twice."""
        logits = self.validate()
        entry: dict[str, Any] = {"epoch": epoch + 1, "loss": self._loss_sum / self._loss_count}
        if len(logits):
            entry["validation_loss"] = negative_log_likelihood(logits, self.validation.targets)
            self._refuse_divergence(
                entry["validation_loss"], f"validation loss of epoch {epoch + 1}"
            )
            if self.group.is_main:
                entry.update(report(logits))
        self.history.append(entry)
        self._loss_sum, self._loss_count = 0.0, 0
        if self.best_epoch == len(self.history) and len(logits) and self.group.is_main:
            # before the checkpoint that says so: a run killed in between writes it again
            best = self.checkpoint.with_name(BEST)
            save_checkpoint(best, self.teacher, None, {"epoch": epoch + 1})
        self._save()
        return entry

    def _refuse_divergence(self, loss: float, what: str) -> None:
        if not math.isfinite(loss):
            instead = " or use --precision fp32" if self.recipe.precision != "fp32" else ""
            raise ModelError(
                f"training diverged: the {what} is {loss}. Lower --learning-rate{instead}"
            )

    def _rate(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"])

    def _autocast(self) -> torch.autocast:
        return autocast(self.recipe.precision, self.group.device.type)

    def _save(self) -> None:
        if not self.group.is_main:
            return
        state = {
            "identity": self.identity,
            "step": self.step,
            "history": self.history,
            "losses": [self._loss_sum, self._loss_count],
            "precision": self.recipe.precision,
        }
        save_checkpoint(self.checkpoint, self.teacher, self._optimizer, state)


def _cut(batch: Sequence[int], parts: int) -> list[list[int]]:
    """A batch in so many parts of nearly equal size, without empty ones."""
    return [part.tolist() for part in np.array_split(np.asarray(batch), parts) if len(part)]
