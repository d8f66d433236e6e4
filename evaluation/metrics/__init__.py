"""Every metric by its name, and the one parser of their spelling: `nDCG@20`, `P(rel=3)@8`.

A metric is a function in its family's file (`ranking`, `pointwise`, `threshold`) and one line in
`METRICS`. What users write, tables show and commands take is the `Measure`: a metric with its
options and cutoff, which prints as it parses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evaluation.metrics import pointwise, ranking, threshold
from relevance.errors import InputError, did_you_mean
from relevance.grades import GAINS

RANKING, PAIRS, THRESHOLD = "ranking", "pairs", "threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Declaration of a metric.

    Attributes:
        name: As the field spells it.
        family: `ranking` (a value a query), `pairs` (a value a pair) or `threshold` (one value).
        function: What computes it; see the family's file.
        doc: One sentence.
        cutoff: Whether `@k` (`@t` for thresholds) is `required`, `optional` or `none`.
        options: Names that may stand in parentheses: `gain` (a name), `rel` (a grade).
        low: Smallest possible value.
        high: Largest possible value; None = depends on the scale.
        higher_is_better: Otherwise lower is.
        perfect: Value of a perfect answer; None = depends on the data.
        undefined: Reason a unit has no value: `no_relevant`, `missing`, `one_class` or none.
        source: Where its definition comes from.
    """

    name: str
    family: str
    function: Callable[..., Any]
    doc: str
    cutoff: str = "none"
    options: tuple[str, ...] = ()
    low: float = 0.0
    high: float | None = 1.0
    higher_is_better: bool = True
    perfect: float | None = 1.0
    undefined: str = ""
    source: str = ""


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="nDCG",
            family=RANKING,
            function=ranking.ndcg,
            doc="DCG of the list over that of the best order of all judged Pins of the query.",
            cutoff="optional",
            options=("gain",),
            undefined="no_relevant",
            source="Järvelin and Kekäläinen, TOIS 2002",
        ),
        Metric(
            name="sDCG",
            family=RANKING,
            function=ranking.sdcg,
            doc="DCG of the list over that of k Pins of the best grade.",
            cutoff="required",
            options=("gain",),
            perfect=None,
            source="arXiv 2509.03764",
        ),
        Metric(
            name="DCG",
            family=RANKING,
            function=ranking.dcg,
            doc="Sum of gain / log2(rank + 1).",
            cutoff="optional",
            options=("gain",),
            high=None,
            perfect=None,
            source="Järvelin and Kekäläinen, TOIS 2002",
        ),
        Metric(
            name="P",
            family=RANKING,
            function=ranking.precision,
            doc="Share of the first k that is relevant, divided by k whatever was returned.",
            cutoff="required",
            options=("rel",),
            perfect=None,
            source="trec_eval P",
        ),
        Metric(
            name="R",
            family=RANKING,
            function=ranking.recall,
            doc="Share of the relevant Pins that is among the first k.",
            cutoff="optional",
            options=("rel",),
            perfect=None,
            undefined="no_relevant",
            source="trec_eval recall",
        ),
        Metric(
            name="RR",
            family=RANKING,
            function=ranking.reciprocal_rank,
            doc="1 / rank of the first relevant Pin.",
            cutoff="optional",
            options=("rel",),
            undefined="no_relevant",
            source="trec_eval recip_rank",
        ),
        Metric(
            name="AP",
            family=RANKING,
            function=ranking.average_precision,
            doc="Mean over the relevant Pins of the precision at their rank.",
            cutoff="optional",
            options=("rel",),
            perfect=None,
            undefined="no_relevant",
            source="trec_eval map, map_cut",
        ),
        Metric(
            name="ERR",
            family=RANKING,
            function=ranking.err,
            doc="Expected 1 / rank at which a reader who stops at good Pins stops.",
            cutoff="required",
            perfect=None,
            source="Chapelle et al., CIKM 2009",
        ),
        Metric(
            name="Judged",
            family=RANKING,
            function=ranking.judged,
            doc="Share of the returned first k that was judged.",
            cutoff="optional",
            perfect=None,
            undefined="missing",
            source="ir_measures Judged",
        ),
        Metric(
            name="accuracy",
            family=PAIRS,
            function=pointwise.accuracy,
            doc="Share of pairs whose most probable grade is the human grade.",
        ),
        Metric(
            name="within1",
            family=PAIRS,
            function=pointwise.within1,
            doc="Share of pairs whose most probable grade is at most one off.",
        ),
        Metric(
            name="MAE",
            family=PAIRS,
            function=pointwise.mae,
            doc="Mean distance of the most probable grade from the human grade.",
            high=None,
            higher_is_better=False,
            perfect=0.0,
        ),
        Metric(
            name="AUROC",
            family=THRESHOLD,
            function=threshold.auroc,
            doc="Chance that P(grade ≥ t) is higher for a pair graded ≥ t than for one below.",
            cutoff="required",
            undefined="one_class",
            source="DeLong et al., Biometrics 1988; intervals: Obuchowski, Biometrics 1997",
        ),
        Metric(
            name="AUPRC",
            family=THRESHOLD,
            function=threshold.auprc,
            doc="Average precision of P(grade ≥ t) for the pairs graded ≥ t.",
            cutoff="required",
            undefined="one_class",
            source="scikit-learn average_precision_score",
        ),
    )
}
"""Every metric by name."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric with its options and cutoff; `parse(repr(measure)) == measure`.

    Attributes:
        metric: Its declaration.
        cutoff: k (ranks) or t (a grade); None without.
        options: Values of the options that were given.
        text: As it was written, blanks removed; the key in every table.
    """

    metric: Metric
    cutoff: int | None = None
    options: tuple[tuple[str, str | int], ...] = ()
    text: str = field(default="", compare=False)

    def __repr__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options)
        cutoff = "" if self.cutoff is None else f"@{self.cutoff}"
        return f"{self.metric.name}{f'({options})' if options else ''}{cutoff}"

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of a ranking metric's function."""
        cutoff = {} if self.cutoff is None else {"k": self.cutoff}
        return {**cutoff, **dict(self.options)}


_SPELLING = re.compile(r"([A-Za-z]\w*?)(?:\(([^()]*)\))?(?:@(\d+))?")


def parse(text: str) -> Measure:
    """The measure that `text` spells.

    Args:
        text: `name`, options in parentheses, `@` cutoff: `nDCG(gain=exp)@20`. Blanks are ignored.

    Raises:
        InputError: No metric is called so, an option or the cutoff is unknown, missing or wrong.

    Example:
        >>> parse("P( rel = 3 )@8")
        P(rel=3)@8
    """
    compact = re.sub(r"\s+", "", text)
    match = _SPELLING.fullmatch(compact)
    if match is None:
        raise InputError(f"metric {text!r} is not understood. Write it like nDCG@20 or P(rel=3)@8")
    name, options, cutoff = match.groups()
    metric = _metric(name)
    _check_cutoff(metric, cutoff, compact)
    return Measure(
        metric=metric,
        cutoff=None if cutoff is None else int(cutoff),
        options=tuple(sorted(_option(metric, part) for part in _split(options or ""))),
        text=compact,
    )


def parse_all(
    metrics: str | Iterable[str | Measure], *, families: tuple[str, ...] = ()
) -> tuple[Measure, ...]:
    """The measures of a list such as `"nDCG@20,P(rel=4)@8"`, each once.

    Args:
        metrics: One text with commas between, or several texts or measures.
        families: Families that make sense where they are used; empty for all.

    Raises:
        InputError: As `parse`; none was given; one of another family.
    """
    parts = _split(re.sub(r"\s+", "", metrics)) if isinstance(metrics, str) else list(metrics)
    measures = [part if isinstance(part, Measure) else parse(part) for part in parts]
    for measure in measures:
        if families and measure.metric.family not in families:
            fitting = ", ".join(m.name for m in METRICS.values() if m.family in families)
            raise InputError(f"metric {measure!r} does not fit here. Use one of {fitting}")
    if not measures:
        raise InputError("no metric was given. Write them like nDCG@20,P@8")
    return tuple(dict.fromkeys(measures))


def _split(text: str) -> list[str]:
    """Parts between the commas that stand outside parentheses."""
    return [part for part in re.split(r",(?![^()]*\))", text) if part]


def _metric(name: str) -> Metric:
    if name in METRICS:
        return METRICS[name]
    same = [known for known in METRICS if known.lower() == name.lower()]
    hint = f" Did you mean {same[0]!r}?" if same else did_you_mean(name, METRICS)
    raise InputError(f"metric {name!r} is unknown.{hint} They are: {', '.join(METRICS)}")


def _check_cutoff(metric: Metric, cutoff: str | None, text: str) -> None:
    example = f"{metric.name}@{4 if metric.family == THRESHOLD else 20}"
    if cutoff is None and metric.cutoff == "required":
        raise InputError(f"metric {text!r} needs a cutoff. Write it like {example}")
    if cutoff is not None and metric.cutoff == "none":
        raise InputError(f"metric {text!r} takes no cutoff. Write {metric.name}")
    if cutoff is not None and int(cutoff) < 1:
        raise InputError(f"cutoff of metric {text!r} must be at least 1. Write it like {example}")


def _option(metric: Metric, text: str) -> tuple[str, str | int]:
    key, _, value = text.partition("=")
    if key not in metric.options:
        allowed = ", ".join(metric.options) or "none"
        raise InputError(f"option {text!r} of metric {metric.name} is unknown. It takes: {allowed}")
    if key == "gain":
        if value not in GAINS:
            raise InputError(f"gain {value!r} is unknown. Use one of {', '.join(GAINS)}")
        return key, value
    if not re.fullmatch(r"-?\d+", value):
        raise InputError(f"option {text!r} of metric {metric.name} must be a grade, such as rel=3")
    return key, int(value)
