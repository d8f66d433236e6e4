"""The one parser of how metrics are spelled: `nDCG@20`, `P(rel=3)@8`, `confusion`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from evaluation.metrics.declaration import THRESHOLD, Metric, read_option
from evaluation.metrics.measure import Measure
from evaluation.metrics.registry import METRICS
from relevance.errors import InputError, did_you_mean

_SPELLING = re.compile(r"([A-Za-z]\w*?)(?:\(([^()]*)\))?(?:@(\d+))?", re.ASCII)
_LEVELS = (1, 2, 3, 4, 5)
_LARGEST_CUTOFF = 10**9


def parse(text: str) -> Measure:
    """The measure that `text` spells.

    Args:
        text: `name`, options in parentheses, `@` cutoff: `nDCG(gain=exp)@20`. Blanks are ignored.

    Raises:
        InputError: No metric is called so, an option or the cutoff is unknown, missing, twice or
            wrong.

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
    found = [read_option(metric, part) for part in _split(options or "")]
    if len(dict(found)) < len(found):
        raise InputError(f"metric {compact!r} gives an option twice. Keep one of them")
    return Measure(
        metric=metric,
        cutoff=None if cutoff is None else int(cutoff),
        options=tuple(sorted(found)),
        text=compact,
    )


def parse_all(
    metrics: str | Iterable[str | Measure],
    *,
    families: tuple[str, ...] = (),
    levels: Sequence[int] = _LEVELS,
) -> tuple[Measure, ...]:
    """The measures of a list such as `"nDCG@20,P(rel=4)@8"`, each once.

    Args:
        metrics: One text with commas between, or several texts or measures.
        families: Families that make sense where they are used; empty for all.
        levels: Grades that `confusion` stands for, where it does not name them.

    Raises:
        InputError: As `parse`; none was given; one of another family.

    Example:
        >>> parse_all("confusion(grade=1), P@8", levels=(1, 2))
        (confusion(grade=1,predicted=1), confusion(grade=1,predicted=2), P@8)
    """
    parts = _split(re.sub(r"\s+", "", metrics)) if isinstance(metrics, str) else list(metrics)
    measures = [part if isinstance(part, Measure) else parse(part) for part in parts]
    for measure in measures:
        if families and measure.metric.family not in families:
            fitting = ", ".join(m.name for m in METRICS.values() if m.family in families)
            raise InputError(f"metric {measure!r} does not fit here. Use one of {fitting}")
    if not measures:
        raise InputError("no metric was given. Write them like nDCG@20,P@8")
    return tuple(dict.fromkeys(one for measure in measures for one in _each(measure, levels)))


def _each(measure: Measure, levels: Sequence[int]) -> list[Measure]:
    """The measure itself, or every cell that an open `confusion` stands for."""
    given = dict(measure.options)
    if measure.metric.name != "confusion" or len(given) == len(measure.metric.options):
        return [measure]
    rows = [given["grade"]] if "grade" in given else list(levels)
    columns = [given["predicted"]] if "predicted" in given else list(levels)
    cells = [
        Measure(measure.metric, options=(("grade", row), ("predicted", column)))
        for row in rows
        for column in columns
    ]
    return [Measure(cell.metric, options=cell.options, text=repr(cell)) for cell in cells]


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
    if cutoff is not None and int(cutoff) > _LARGEST_CUTOFF:
        raise InputError(
            f"cutoff of metric {text!r} must be at most {_LARGEST_CUTOFF:,}. "
            f"Write it like {example}"
        )
