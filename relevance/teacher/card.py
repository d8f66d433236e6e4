"""The model card: what a model folder's README says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from relevance.results import markdown_table, show
from relevance.teacher.bases import find_base
from relevance.teacher.config import TeacherConfig
from relevance.teacher.model import Settings

CARD = "README.md"
_ABOUT = (
    "Reads a query and the text of a Pin together and gives the probability of each of the five "
    "relevance grades. Made with gradewise."
)
_USE = (
    "Intended for labelling query-Pin pairs to train a smaller model and to assist, never to "
    "replace, human measurement. Queries it has seen are listed by hash in provenance.json; "
    "evaluation leaves them out."
)
_LIMITS = (
    "It repeats the judgment, and the slips, of the people whose grades it learned, for the kind "
    "of queries and Pins below. Where a country or a language is missing there, check it against "
    "people's grades first (gradewise evaluation judge). It reads text, not images: what no text "
    "feature says, it does not see. It judges relevance, not quality, safety or truth."
)
_LOSSES = {
    "soft": "cross-entropy against the adjudicated p1…p5",
    "hard": "cross-entropy against the adjudicated grade",
    "ordinal": "cross-entropy over the thresholds between grades (ranked ignorance score)",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card tells beside the settings.

    Attributes:
        counts: Part (`"training"`) → (queries, pairs).
        queries: Rows of the `queries` table that were seen.
        hashes: What was read or written → SHA-256.
        loss: Name of the loss.
        config: How it was trained.
    """

    counts: Mapping[str, tuple[int, int]]
    queries: pl.DataFrame
    hashes: Mapping[str, str]
    loss: str
    config: TeacherConfig


def model_card(settings: Settings, facts: Facts) -> str:
    """Markdown for the README of a model folder."""
    sections = {
        "# Relevance teacher": [_ABOUT, "", *_model(settings)],
        "## Use": [_USE],
        "## Limits": [_LIMITS, *([settings.note] if settings.note else [])],
        "## Data": _data(facts),
        "## Training": _training(settings, facts),
        "## Epochs": [_epochs(settings.history)],
    }
    if by_group := _by_group(settings.history):
        sections["## Validation queries, by group"] = [by_group]
    return (
        "\n\n".join(f"{title}\n\n" + "\n".join(lines) for title, lines in sections.items()) + "\n"
    )


def _model(settings: Settings) -> list[str]:
    base = find_base(settings.base)
    return [
        f"- Base: {base.hub} ({base.parameters / 1e6:.0f} M parameters, {base.licence})",
        f"- Weights from: {settings.source}",
        f"- Languages of the base: {base.languages}",
        f"- Text of a Pin: {', '.join(settings.text_features)}",
        f"- Longest input: {settings.max_tokens} tokens, query included",
        f"- Temperature, fitted on the validation queries: {settings.temperature:.3f}",
    ]


def _data(facts: Facts) -> list[str]:
    return [
        *(
            f"- {part}: {pairs:,} pairs of {n:,} queries"
            for part, (n, pairs) in facts.counts.items()
        ),
        f"- Languages of the queries: {_shares(facts.queries, 'language')}",
        f"- Countries of the queries: {_shares(facts.queries, 'country')}",
        *(f"- SHA-256 of {name}: `{digest}`" for name, digest in facts.hashes.items()),
    ]


def _shares(queries: pl.DataFrame, column: str) -> str:
    """`en 80 %, fr 20 %`, most frequent first."""
    if column not in queries.columns or queries[column].null_count() == queries.height:
        return "not given"
    counts = (
        queries.select(pl.col(column).fill_null("not given").alias("value"))
        .group_by("value")
        .len()
        .sort("len", "value", descending=[True, False])
    )
    return ", ".join(f"{value} {n / queries.height:.0%}" for value, n in counts.rows())


def _training(settings: Settings, facts: Facts) -> list[str]:
    config, tuning = facts.config, settings.tuning
    kind = tuning.get("kind", "full")
    layers = tuning.get("layers")
    adapters = f", rank {tuning['rank']}, alpha {tuning['alpha']}" if kind != "full" else ""
    frozen = [
        *(["word embeddings"] if tuning.get("frozen_embeddings") or kind != "full" else []),
        *([f"the lowest {n} layers"] if (n := tuning.get("frozen_layers")) else []),
    ]
    rate = config.rate_for(find_base(settings.base))
    head = f"(head {config.head_learning_rate:g})"
    steps = f"{config.batch_size} pairs a step, peak learning rate {rate:g} {head}"
    best = f"weights of epoch {best_epoch(settings.history)}"
    return [
        f"- Tuning: {kind}{adapters}; frozen: {' and '.join(frozen) or 'nothing'}",
        f"- Layers used: {f'the lowest {layers}' if layers else 'all'}",
        f"- Loss: {_LOSSES[facts.loss]}; class weights: {config.class_weights}",
        f"- {steps}, seed {config.seed}",
        f"- Epochs: {len(settings.history)} of {config.epochs}, {best}",
    ]


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int:
    """The epoch of lowest validation loss, counted from 1; the last without validation."""
    losses = [entry["validation_loss"] for entry in history if "validation_loss" in entry]
    return losses.index(min(losses)) + 1 if losses else len(history)


def _epochs(history: Sequence[Mapping[str, Any]]) -> str:
    """Loss and overall metrics by epoch, as a table."""
    overall = [_figures(entry, "all") for entry in history]
    names = list(dict.fromkeys(name for figures in overall for name in figures))
    header = ["epoch", "loss", "validation loss", *names]
    return markdown_table(
        header,
        [
            [
                str(entry["epoch"]),
                show(entry["loss"]),
                show(entry.get("validation_loss")),
                *(show(figures.get(name)) for name in names),
            ]
            for entry, figures in zip(history, overall, strict=True)
        ],
    )


def _by_group(history: Sequence[Mapping[str, Any]]) -> str:
    """The best epoch's metrics by country, each with what it rests on; empty without any."""
    if not history:
        return ""
    rows = history[best_epoch(history) - 1].get("metrics", ())
    names = list(dict.fromkeys(row["metric"] for row in rows))
    groups = list(dict.fromkeys(row["group"] for row in rows if row["group"] != "all"))
    cells = {(row["group"], row["metric"]): row for row in rows}

    def cell(group: str, name: str) -> str:
        row = cells.get((group, name))
        return f"{show(row['value'])} (n {row.get('n', 0):,})" if row else "—"

    table = [[group, *(cell(group, name) for name in names)] for group in groups]
    return markdown_table(["group", *names], table) if groups else ""


def _figures(entry: Mapping[str, Any], group: str) -> dict[str, float | None]:
    return {
        row["metric"]: row["value"] for row in entry.get("metrics", ()) if row["group"] == group
    }
