"""The model card: what a model folder's README says."""

from __future__ import annotations

from collections.abc import Mapping

from relevance.results import markdown_table, show
from relevance.teacher.bases import find_base
from relevance.teacher.model import Settings

_ABOUT = (
    "Reads a query and the text of a Pin together and gives the probability of each of the five "
    "relevance grades. Made with gradewise."
)
_USE = (
    "Intended for labelling query-Pin pairs to train a smaller model and to assist, never to "
    "replace, human measurement. Queries it has seen are listed by hash in provenance.json; "
    "evaluation leaves them out."
)


def model_card(
    settings: Settings, counts: Mapping[str, tuple[int, int]], *, layers: int | None = None
) -> str:
    """Markdown for the README of a model folder.

    Args:
        settings: What was trained.
        counts: Part (`"training"`) → (queries, pairs).
        layers: Layers of the base that are used.
    """
    base = find_base(settings.base)
    lines = [
        "# Relevance teacher",
        "",
        _ABOUT,
        "",
        f"- Base: {base.hub} ({base.parameters / 1e6:.0f} M parameters, {base.licence})",
        f"- Weights from: {settings.source}",
        *([f"- Layers used: the lowest {layers}"] if layers else []),
        f"- Languages of the base: {base.languages}",
        *([f"- Note: {settings.note}"] if settings.note else []),
        f"- Text of a Pin: {', '.join(settings.text_features)}",
        f"- Longest input: {settings.max_tokens} tokens, query included",
        *(f"- {part}: {pairs:,} pairs of {n:,} queries" for part, (n, pairs) in counts.items()),
        f"- Temperature, fitted on the validation queries: {settings.temperature:.3f}",
        "",
        _USE,
        "",
        "## Epochs",
        "",
        *_epochs(settings),
        "",
    ]
    return "\n".join(lines)


def _epochs(settings: Settings) -> list[str]:
    """Loss and overall metrics by epoch, as a table."""
    names: list[str] = []
    rows = []
    for entry in settings.history:
        figures = {
            figure["metric"]: figure["value"]
            for figure in entry.get("metrics", ())
            if figure["group"] == "all"
        }
        names += [name for name in figures if name not in names]
        rows.append((entry, figures))
    return [
        markdown_table(
            ["epoch", "loss", "validation loss", *names],
            [
                [
                    str(entry["epoch"]),
                    show(entry["loss"]),
                    show(entry.get("validation_loss")),
                    *(show(figures.get(name)) for name in names),
                ]
                for entry, figures in rows
            ],
        )
    ]
