"""What the papers report: shown beside our figures, never as ours.

"Improving Pinterest Search Relevance Using Large Language Models" (arXiv 2410.17152). Other data,
another annotation guideline: these figures show the shape to expect, not a score to reach.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "arXiv 2410.17152"
THRESHOLDS = ("AUROC@3", "AUROC@4", "AUROC@5")


@dataclass(frozen=True, slots=True)
class Published:
    """A row of the paper's tables.

    Attributes:
        model: What the paper measured.
        role: `teacher` or `student`.
        values: accuracy, AUROC@3, AUROC@4, AUROC@5.
        status: `verified` in the paper itself, `secondary` (two agreeing secondary sources), or
            `disputed` between sources.
    """

    model: str
    role: str
    values: tuple[float, float, float, float]
    status: str = "secondary"

    def value(self, metric: str) -> float | None:
        """The paper's figure of a metric, None if it reports none."""
        return dict(zip(("accuracy", *THRESHOLDS), self.values, strict=True)).get(metric)


PUBLISHED: tuple[Published, ...] = (
    Published("SearchSAGE embeddings", "teacher", (0.503, 0.878, 0.845, 0.826)),
    Published("Multilingual BERT-base", "teacher", (0.535, 0.887, 0.864, 0.861)),
    Published("T5-base", "teacher", (0.569, 0.909, 0.884, 0.886)),
    Published("mDeBERTa-v3-base", "teacher", (0.580, 0.917, 0.892, 0.895)),
    Published("XLM-RoBERTa-large", "teacher", (0.588, 0.919, 0.897, 0.900)),
    Published("Llama-3-8B (4-bit, LoRA)", "teacher", (0.602, 0.930, 0.904, 0.908)),
    Published("Student, 0.3 M human labels", "student", (0.484, 0.850, 0.817, 0.794)),
    Published("Student, 6 M distilled", "student", (0.535, 0.897, 0.850, 0.841)),
    Published("Student, 12 M distilled", "student", (0.539, 0.903, 0.856, 0.847)),
    Published("Student, 30 M distilled", "student", (0.548, 0.908, 0.860, 0.850)),
)
"""The paper's teachers and students, weakest first."""

ONLINE: tuple[tuple[str, str, str], ...] = (
    ("nDCG@20, offline", "+2.18%", "secondary"),
    ("Search fulfillment rate, all countries", "more than +1.5%", "secondary"),
    ("Search fulfillment rate by country", "sources contradict each other", "disputed"),
)
"""Figure, what the paper reports of its launch, and how far that is known."""

COUNTERPARTS = {
    "teacher": "Llama-3-8B (4-bit, LoRA)",
    "student": "Student, 30 M distilled",
    "student_human": "Student, 0.3 M human labels",
}
"""Our system → the paper's row of the same role."""


def published_beside(system: str) -> Published | None:
    """The paper's row that plays the same role as one of our systems, None if there is none."""
    model = COUNTERPARTS.get(system)
    return next((row for row in PUBLISHED if row.model == model), None)


BASES = {
    "search-embeddings": "SearchSAGE embeddings",
    "multilingual-bert-base": "Multilingual BERT-base",
    "t5-base": "T5-base",
    "mdeberta-v3-base": "mDeBERTa-v3-base",
    "xlm-roberta-large": "XLM-RoBERTa-large",
    "llama-3-8b": "Llama-3-8B (4-bit, LoRA)",
}
"""Base of ours → the paper's teacher of the same base, or of the same kind (embeddings)."""


def published_base(base: str) -> Published | None:
    """The paper's teacher that was made from a base, None if there is none."""
    model = BASES.get(base)
    return next((row for row in PUBLISHED if row.model == model), None)
