"""Teaches a student the teacher's soft labels (or people's grades): cross-entropy to p1…p5."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from relevance.blend import PROBABILITIES
from relevance.errors import InputError, SettingsError
from relevance.features import StudentInputs, context
from relevance.grades import FIVE
from relevance.progress import Progress, silent
from relevance.provenance import hash_query, write_provenance
from relevance.results import Evaluate
from relevance.student.card import write_card
from relevance.student.folder import TrainedStudent, save_student, write_json
from relevance.student.matrix import FeatureStatistics, fit_features
from relevance.student.model import Student, StudentShape
from relevance.student.score import Tensors, predict, predictions_frame, tensors_of
from relevance.training import learning_rate, threads

__all__ = ["StudentConfig", "StudentInputs", "distill_student", "target_matrix"]


@dataclass(frozen=True, slots=True)
class StudentConfig:
    """How a student is trained.

    Attributes:
        epochs: Passes over the pairs, at most.
        patience: Epochs without a better validation loss after which training stops.
        batch_size: Pairs a step.
        learning_rate: Peak of AdamW's; warms up over 5 % of the steps, then falls linearly.
        weight_decay: AdamW's.
        hidden: Widths of the hidden layers.
        factors: Products of projected search embeddings, at most their dimensions.
        category_size: Dimensions of a category's embedding.
        dropout: Probability of dropping a hidden unit.
        input_dropout: Probability of dropping a coordinate of a query's or Pin's input: with few
            queries a network would rather learn their vectors by heart.
        category_dropout: Probability of hiding a category, which teaches the unknown one.
        validation_share: Share of the queries kept for early stopping, 0 for none.
        seed: Of initialisation, split, order and dropout.
        threads: Processor threads; None = every core. The result depends on it in the last digits.
    """

    epochs: int = 30
    patience: int = 5
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    hidden: tuple[int, ...] = (256, 128)
    factors: int = 16
    category_size: int = 8
    dropout: float = 0.4
    input_dropout: float = 0.4
    category_dropout: float = 0.1
    validation_share: float = 0.1
    seed: int = 0
    threads: int | None = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "batch_size", "learning_rate", "category_size"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"student {name} must be > 0, got {getattr(self, name)}")
        if self.factors < 0:
            raise SettingsError(f"student factors must be ≥ 0, got {self.factors}")
        for name in ("dropout", "input_dropout", "category_dropout", "validation_share"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"student {name} must be in [0, 1), got {getattr(self, name)}")
        if not self.hidden or min(self.hidden) <= 0:
            raise SettingsError(f"student hidden must name widths > 0, got {self.hidden}")


def distill_student(
    targets: pl.DataFrame,
    inputs: StudentInputs,
    out: Path,
    config: StudentConfig,
    *,
    seen_queries: Iterable[str] = (),
    made_from: Mapping[str, str] | None = None,
    evaluate: Evaluate | None = None,
    progress: Progress = silent,
) -> Path:
    """Trains a student and writes it into a folder.

    Args:
        targets: query_id, pin_id, and p1…p5 (soft labels) or grade (one-hot).
        inputs: What the features are computed from.
        out: Folder to write; see `relevance.student.folder`.
        config: Settings.
        seen_queries: Hashed ids of the queries that whoever made the targets has seen: they are
            the student's too, beside those of the targets.
        made_from: Name → SHA-256 of the tables, for the provenance.
        evaluate: Computes figures of the predictions on the validation queries for the card.
        progress: Told of each epoch.

    Returns:
        `out`.

    Raises:
        InputError: No targets, or targets that are neither probabilities nor grades.
    """
    targets = targets.sort("query_id", "pin_id")
    labels = torch.from_numpy(target_matrix(targets))
    validation = _validation(targets["query_id"], config)
    with threads(config.threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        given = context(targets.select("query_id", "pin_id"), inputs)
        statistics = fit_features(given, np.flatnonzero(~validation))
        tensors = tensors_of(statistics.transform(given))
        network = Student(shape_of(statistics, config))
        history = _train(network, tensors, labels, validation, config=config, progress=progress)
        logits = _logits(network.eval(), tensors, torch.from_numpy(np.flatnonzero(validation)))
    figures = []
    if evaluate is not None and validation.any():
        figures = evaluate(predictions_frame(targets.filter(validation), logits, out.name))
    report = {
        "n_pairs": targets.height,
        "n_queries": targets["query_id"].n_unique(),
        "n_validation_pairs": int(validation.sum()),
        "history": history,
        "validation": [dataclasses.asdict(row) for row in figures],
    }
    settings = dataclasses.asdict(config)
    write_json(out / "metrics.json", report)
    write_card(out, report, inputs.embeddings, settings)
    save_student(TrainedStudent(network, statistics, inputs.embeddings), out, settings)
    write_provenance(
        out,
        command="student distill",
        inputs=made_from,
        config=settings,
        seed=config.seed,
        seen_queries={*map(hash_query, targets["query_id"].unique()), *seen_queries},
    )
    return out


def target_matrix(targets: pl.DataFrame) -> NDArray[np.float32]:
    """(n, 5) target distributions: p1…p5 where all are there, else the grade as one-hot.

    Raises:
        InputError: No rows, a pair twice, no label columns, or a row without a label.
    """
    if targets.height == 0:
        raise InputError("no targets to distil from. Make them with: gradewise teacher label")
    if targets.select("query_id", "pin_id").is_duplicated().any():
        raise InputError(
            "targets name the same pair twice, such as those of several models. Keep one of each"
        )
    if set(PROBABILITIES) <= set(targets.columns):
        soft: NDArray[np.float32] = targets.select(PROBABILITIES).to_numpy().astype(np.float32)
        totals = soft.sum(axis=1, keepdims=True)
        if not (np.isfinite(totals).all() and (totals > 0).all()):
            raise InputError("targets: p1…p5 must be there in every row and add up to more than 0")
        soft /= totals
        return soft
    if "grade" not in targets.columns:
        raise InputError(
            f"targets need p1…p5 or grade, got columns {', '.join(targets.columns)}. "
            "Give predictions of a teacher, or adjudicated grades"
        )
    odd = targets.filter(~pl.col("grade").is_in(FIVE.levels) | pl.col("grade").is_null())
    if odd.height:
        raise InputError(
            f"targets: grade must be 1–5, got {odd['grade'][0]} for query "
            f"{odd['query_id'][0]!r}, Pin {odd['pin_id'][0]!r}. Fix it, or drop the row"
        )
    grades = targets["grade"].to_numpy()
    one_hot: NDArray[np.bool_] = grades[:, None] == np.array(FIVE.levels)
    return one_hot.astype(np.float32)


def shape_of(statistics: FeatureStatistics, config: StudentConfig) -> StudentShape:
    """The network's dimensions for these features."""
    query, pin = statistics.columns("query_search"), statistics.columns("pin_search")
    size = query[1] - query[0]
    usable = size > 0 and size == pin[1] - pin[0]
    return StudentShape(
        query_numbers=statistics.width("query"),
        pin_numbers=statistics.width("pin"),
        pair_numbers=statistics.width("pair"),
        query_categories=tuple(statistics.vocabularies("query")),
        pin_categories=tuple(statistics.vocabularies("pin")),
        query_search=query,
        pin_search=pin,
        hidden=tuple(config.hidden),
        factors=min(config.factors, size) if usable else 0,
        category_size=config.category_size,
        dropout=config.dropout,
        input_dropout=config.input_dropout,
    )


def _validation(query_ids: pl.Series, config: StudentConfig) -> NDArray[np.bool_]:
    """(n,) whether each row's query is kept for validation; none with fewer than 2 queries."""
    queries = query_ids.unique().sort()
    n = min(max(round(len(queries) * config.validation_share), 1), len(queries) - 1)
    if config.validation_share == 0 or n < 1:
        return np.zeros(len(query_ids), dtype=np.bool_)
    kept = np.random.default_rng(config.seed).choice(len(queries), n, replace=False)
    mask: NDArray[np.bool_] = query_ids.is_in(queries.gather(np.sort(kept)).implode()).to_numpy()
    return mask


def _train(
    network: Student,
    inputs: Tensors,
    target: Tensor,
    validation: NDArray[np.bool_],
    *,
    config: StudentConfig,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Trains in place, leaves the best epoch's weights, returns a row an epoch."""
    training = torch.from_numpy(np.flatnonzero(~validation))
    held_out = torch.from_numpy(np.flatnonzero(validation))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    rates = _rates(config, config.epochs * -(-len(training) // config.batch_size))
    best, best_epoch, history = math.inf, 0, []
    weights = copy.deepcopy(network.state_dict())
    for epoch in range(1, config.epochs + 1):
        rows = training[torch.randperm(len(training))]
        loss = _epoch(network, optimizer, inputs, target, rows, config=config, rates=rates)
        if not math.isfinite(loss):
            raise SettingsError(
                f"the student's loss became {loss} in epoch {epoch}. "
                f"Lower learning_rate, now {config.learning_rate}"
            )
        judged = _validation_loss(network, inputs, target, held_out)
        history.append({"epoch": epoch, "loss": loss, "validation_loss": judged})
        progress(epoch, config.epochs, f"loss {loss if judged is None else judged:.4f}")
        if judged is None or judged < best:
            best, best_epoch = math.inf if judged is None else judged, epoch
            weights = copy.deepcopy(network.state_dict())
        elif epoch - best_epoch >= config.patience:
            break
    network.load_state_dict(weights)
    return history


def _rates(config: StudentConfig, steps: int) -> Iterator[float]:
    """The learning rate of each step."""
    for step in range(steps):
        yield learning_rate(step, steps, peak=config.learning_rate, warmup=0.05)


def _epoch(
    network: Student,
    optimizer: torch.optim.Optimizer,
    inputs: Tensors,
    target: Tensor,
    rows: Tensor,
    *,
    config: StudentConfig,
    rates: Iterator[float],
) -> float:
    """One pass over the pairs of `rows` in their order; returns the mean loss."""
    network.train()
    total = 0.0
    for batch in torch.split(rows, config.batch_size):
        for group in optimizer.param_groups:
            group["lr"] = next(rates)
        logits = network(*inputs.batch(batch, config.category_dropout))
        loss = functional.cross_entropy(logits, target[batch])
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        total += loss.item() * len(batch)
    return total / len(rows)


def _validation_loss(
    network: Student, inputs: Tensors, target: Tensor, rows: Tensor
) -> float | None:
    """Mean cross-entropy on the held-out queries, or None without any."""
    if len(rows) == 0:
        return None
    network.eval()
    return float(functional.cross_entropy(_logits(network, inputs, rows), target[rows]))


def _logits(network: Student, inputs: Tensors, rows: Tensor) -> Tensor:
    with torch.inference_mode():
        return predict(network, inputs, rows)
