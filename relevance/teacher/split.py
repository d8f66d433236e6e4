"""Graded pairs with their texts, split into what is learned from and what is only looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from relevance.errors import InputError
from relevance.teacher.config import TeacherConfig
from relevance.teacher.losses import choose_loss
from relevance.teacher.pairs import has_soft_labels, join_texts, with_targets
from relevance.teacher.predict import PROBABILITIES
from relevance.text import pick_features
from relevance.training import hash_rows

_FEWEST = 2
_FEWEST_TO_SPLIT = 5


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pairs with texts and labels, split by query.

    Attributes:
        training: query_id, pin_id, p1…p5, query, pin.
        validation: The same for the queries held back; empty where there are too few.
        queries: Their rows of the `queries` table.
        digest: Name of a table → SHA-256 of what was read of it.
        loss: The loss that suits the labels.
    """

    training: pl.DataFrame
    validation: pl.DataFrame
    queries: pl.DataFrame
    digest: Mapping[str, str]
    loss: str

    @property
    def query_ids(self) -> list[str]:
        """Every query that was seen, for training or validation."""
        return self.queries["query_id"].unique().sort().to_list()

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Part → (queries, pairs)."""
        return {
            "training": (self.training["query_id"].n_unique(), self.training.height),
            "validation": (self.validation["query_id"].n_unique(), self.validation.height),
        }


def split_pairs(
    qrels: pl.DataFrame, queries: pl.DataFrame, pins: pl.DataFrame, config: TeacherConfig
) -> Labelled:
    """The pairs of `qrels` with texts and labels, a share of the queries held back.

    Raises:
        InputError: A pair's query or Pin is missing, a grade is not 1-5, the loss does not suit the
            labels, or there are fewer than two queries.
    """
    loss = choose_loss(config.loss, soft_labels=has_soft_labels(qrels))
    targets = with_targets(qrels, soft=loss != "hard")
    rows = join_texts(targets, queries, pins, config.text_features)
    ids = rows["query_id"].unique().sort().to_list()
    if len(ids) < _FEWEST:
        raise InputError(
            f"qrels hold pairs of {len(ids)} query, too few to learn what makes a Pin relevant. "
            f"Grade pairs of more queries (from {_FEWEST_TO_SPLIT} on, some are held back)"
        )
    held = _held_back(ids, config)
    names = [feature.name for feature in pick_features(config.text_features)]
    keys = ["query_id", "pin_id"]
    return Labelled(
        training=rows.filter(~pl.col("query_id").is_in(held)),
        validation=rows.filter(pl.col("query_id").is_in(held)),
        queries=queries.join(rows.select("query_id").unique(), on="query_id", how="semi"),
        digest={
            "qrels": hash_rows(rows, [*keys, *PROBABILITIES]),
            "queries": hash_rows(queries.sort("query_id"), ["query_id", "text"]),
            "pins": hash_rows(pins.sort("pin_id"), ["pin_id", *names]),
        },
        loss=loss,
    )


def _held_back(query_ids: list[str], config: TeacherConfig) -> list[str]:
    """Queries for validation: a share, at least one, none where there are fewer than five."""
    if len(query_ids) < _FEWEST_TO_SPLIT or config.validation_share <= 0:
        return []
    count = max(1, round(len(query_ids) * config.validation_share))
    rng = np.random.default_rng(config.seed)
    return sorted(rng.permutation(query_ids)[:count].tolist())
