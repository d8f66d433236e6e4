"""What `gradewise evaluation` takes from `gradewise.toml`, section `[evaluation]`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """Defaults of the evaluation commands; a flag or an environment variable wins.

    Attributes:
        metrics: Measures of rankings, as they are spelled: a text with commas, or a list.
        grade_metrics: Measures of predicted grades.
        by: Columns of the queries to split by; `country:segment` is a crossing.
        scale: Scale of the grades: `five`, `trec`, `esci` or a TOML file.
        ties: Equal scores: `docid` or `average`.
        empty: Queries without anything to find: `undefined` or `zero`; None = the scale's rule.
        level: Confidence level of intervals.
        seed: Seed of everything random.
        label_noise: Draws of the grades from their posterior; 0 = none.
    """

    metrics: str | tuple[str, ...] = "nDCG@20,P@8"
    grade_metrics: str | tuple[str, ...] = "accuracy,within1,MAE,AUROC@3,AUROC@4,AUROC@5"
    by: str | tuple[str, ...] = ()
    scale: str = "five"
    ties: str = "docid"
    empty: str | None = None
    level: float = 0.95
    seed: int = 0
    label_noise: int = 0
