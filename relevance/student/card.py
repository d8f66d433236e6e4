"""The card of a student: what it is, from what it was made, how it did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relevance.features import STUDENT_FEATURES
from relevance.files import atomic
from relevance.results import markdown_table, show

_TEMPLATE = """# Student relevance model

A feed-forward network that gives the probabilities of the grades 1–5 of a query–Pin pair, from
precomputed features. Made from {n_pairs:,} pairs of {n_queries:,} queries; {n_validation_pairs:,}
of them, of queries held out, chose the epoch. Embeddings: {embeddings}.

Use: ranking and grading the kind of pairs it was trained on. The hashed ids of the queries it has
seen are in provenance.json; evaluation leaves them out.

## Loss (cross-entropy)

{history}
{validation}
## Settings

{settings}

## Features

{features}
"""


def write_card(
    out: Path,
    report: Mapping[str, Any],
    embeddings: str,
    settings: Mapping[str, Any],
) -> None:
    """Writes README.md into a student's folder.

    Args:
        out: The folder.
        report: n_pairs, n_queries, n_validation_pairs, history and validation (rows).
        embeddings: Who made the embeddings.
        settings: How it was trained.
    """
    epochs = [[show(row[name]) for name in row] for row in report["history"]]
    features = [[f.name, f.side, f.kind, f.doc] for f in STUDENT_FEATURES.values()]
    text = _TEMPLATE.format(
        **{name: report[name] for name in ("n_pairs", "n_queries", "n_validation_pairs")},
        embeddings=embeddings,
        history=markdown_table(["epoch", "training", "validation"], epochs),
        validation=_validation(report["validation"]),
        settings=markdown_table(["setting", "value"], [[k, str(v)] for k, v in settings.items()]),
        features=markdown_table(["feature", "of", "kind", "meaning"], features),
    )
    with atomic(out / "README.md") as temporary:
        temporary.write_text(text)


def _validation(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    names = ["metric", "slice", "group", "value", "ci_low", "ci_high", "n"]
    table = markdown_table(names, [[show(row[name], name) for name in names] for row in rows])
    return f"\n## Validation queries\n\n{table}\n"
