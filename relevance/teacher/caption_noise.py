"""How far wrong image captions carry: one teacher, the same pairs, captions damaged by degrees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from relevance.errors import InputError
from relevance.progress import Progress, silent
from relevance.provenance import hash_query, seen_queries
from relevance.teacher.folds import deal_queries
from relevance.teacher.labelling import LabelConfig, label_pairs
from relevance.teacher.model import read_settings
from relevance.training import hash_rows

CLEAN = "clean"
CAPTION = "image_caption"
SHARES = (0.25, 0.5, 1.0)

Perturb = Callable[[pl.DataFrame, float], pl.DataFrame]
"""Pins and a share → the Pins, that share of their captions damaged."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Labels under damaged captions.

    Attributes:
        name: `clean`, or kind and share of the damage: `drop 25%`.
        share: Share of the captions that were to be damaged; 0 for the clean ones.
        n_changed: Pins whose caption differs from the clean one.
        predictions: The teacher's predictions of the pairs; `model` is the name.
    """

    name: str
    share: float
    n_changed: int
    predictions: pl.DataFrame


def held_out(qrels: pl.DataFrame, *, folds: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pairs to learn from and pairs to test on: the first of `folds` parts of the queries.

    Args:
        qrels: Graded pairs.
        folds: Parts that the queries are dealt into.
        seed: Deals them, as it does the folds of `train_folds`.
    """
    part = deal_queries(qrels["query_id"].unique().to_list(), folds, seed)[0]
    inside = pl.col("query_id").is_in(part)
    return qrels.filter(~inside), qrels.filter(inside)


def unseen_by(model: Path, qrels: pl.DataFrame) -> pl.DataFrame:
    """The pairs whose query the model has not seen.

    Raises:
        InputError: It has seen them all.
    """
    seen = seen_queries(model)
    ids = qrels["query_id"].unique().sort()
    fresh = [query_id for query_id in ids if hash_query(query_id) not in seen]
    if not fresh:
        raise InputError(
            f"{model} has seen all {len(ids)} queries of the qrels. Give qrels of others, or leave "
            "out --model: then one is trained on part of these"
        )
    return qrels.filter(pl.col("query_id").is_in(fresh))


def damaged_labels(
    model: Path,
    qrels: pl.DataFrame,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    out: Path,
    *,
    kind: str,
    perturb: Perturb,
    shares: Sequence[float] = SHARES,
    config: LabelConfig | None = None,
    progress: Progress = silent,
) -> Iterator[Damage]:
    """Labels the pairs with clean captions, then with each share of them damaged.

    Only captions of the pairs' own Pins are touched. Labels that an interrupted run left in `out`
    are used where they are of the same texts.

    Args:
        model: Folder of a teacher that reads captions.
        qrels: Pairs to test on.
        queries: Their queries.
        pins: Their Pins, with captions.
        out: Folder for the labels.
        kind: Name of the damage.
        perturb: Does it.
        shares: Shares of the captions, each in (0, 1].
        config: How pairs are labelled.
        progress: Told of pairs labelled.

    Yields:
        The clean labels, then those of each share.

    Raises:
        InputError: The teacher reads no captions, or none of the Pins has one.
    """
    if CAPTION not in read_settings(model).text_features:
        raise InputError(
            f"{model} was trained without {CAPTION}: damaged captions cannot reach it. "
            "Train one with captions, or leave out --model"
        )
    shown = pins.join(qrels.select("pin_id").unique(), on="pin_id", how="semi").sort("pin_id")
    captions = _captions(shown)
    if captions.is_null().all():
        raise InputError(
            f"none of the {shown.height} Pins of these pairs has an {CAPTION}. "
            "Make some with: gradewise data captions"
        )
    pairs = qrels.select("query_id", "pin_id")
    for share in (0.0, *shares):
        name = f"{kind} {share:.0%}" if share else CLEAN
        texts = perturb(shown, share) if share else shown
        changed = int((~_captions(texts.sort("pin_id")).eq_missing(captions)).sum())
        labels = label_pairs(
            pairs, queries, texts, model, out / _folder(name, texts),
            config=config or LabelConfig(), progress=progress,
        )  # fmt: skip
        yield Damage(name, share, changed, labels.with_columns(model=pl.lit(name)))


def _captions(pins: pl.DataFrame) -> pl.Series:
    """Captions in the order of the Pins; null for none."""
    if CAPTION not in pins.columns:
        return pl.Series(CAPTION, [None] * pins.height, dtype=pl.String)
    text = pl.col(CAPTION).cast(pl.String).str.strip_chars()
    return pins.select(pl.when(text != "").then(text).alias(CAPTION))[CAPTION]


def _folder(name: str, pins: pl.DataFrame) -> str:
    """A folder of its own for each damage and what it made of the captions."""
    shown = pins.select("pin_id", _captions(pins)).sort("pin_id")
    digest = hash_rows(shown, ["pin_id", CAPTION])[:8]
    return f"{name.replace(' ', '-').replace('%', '')}-{digest}"
