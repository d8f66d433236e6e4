"""The page that defines every metric, made from METRICS: docs/metrics.md."""

from __future__ import annotations

from evaluation.metrics.declaration import OPTIONS, PAIRS, RANKING, SUMS, THRESHOLD, Metric
from evaluation.metrics.parser import parse
from evaluation.metrics.registry import METRICS
from relevance.grades import FIVE

_CALLS = {
    RANKING: "gradewise evaluation ranking --run run.parquet --qrels qrels.parquet",
    PAIRS: "gradewise evaluation grades --predictions predictions.parquet --qrels qrels.parquet",
}

_HEAD = """\
# Metrics

<!-- Made by: gradewise evaluation metrics --format markdown > docs/metrics.md -->

Every metric of `gradewise evaluation`: how it is spelled, its formula, its range, where it is
undefined and where its definition comes from. This page is made from the registry
(`evaluation/metrics/registry.py`), and a test holds it to that.

A metric is written as the field writes it: its name, options in parentheses, `@` and a cutoff:
`nDCG@20`, `P(rel=3)@8`, `AUROC@4`. The spelling is the same in Python (`evaluation.metrics.parse`),
on the command line, in TOML files and in every table, and a printed name parses back to the same
metric. Several are separated by commas; blanks do not matter, capitals do. Brackets below mark what
may be left out.

In the formulas g is the human grade, p_k the predicted probability of grade k of K = 5, g_i the
grade of the Pin at rank i (an unjudged Pin has gain 0 and is not relevant), n the number of pairs,
[…] is 1 where true and else 0, and k without a cutoff is the length of the list.
"""

_SHARED = """\
## What all of them share

**Scale.** `--scale` says what grades are: `five` (default: gain grade − 1, relevant from 4), `trec`
(any integer: gain max(grade, 0), relevant from 1), `esci`, or a TOML file. With `trec`, nDCG, P, R,
RR and AP are those of `trec_eval -c`.

**Order.** Pins are ordered by score, descending, compared as 32-bit floats as trec_eval does; equal
scores by pin_id, descending by UTF-8 bytes. `rank` is used where a run has no score; where both are
there and disagree, the note `rank_disagrees` counts the queries.

**Ties.** `--ties average` gives the exact expectation over the orders of Pins with equal scores
(McSherry and Najork, ECIR 2008) instead, which does not depend on ids.

**Missing, empty, not judged** are three things. A query of the qrels that the run misses counts 0
(note `missing`). A query with nothing to find has no nDCG, AP, RR or R (note `no_relevant`): it is
left out of the mean and counted in `n_undefined`; `--empty zero`, the default of `--scale trec`,
counts it 0. A query of the run without any judgment is never in a mean (note `not_judged`).

**Undefined** is an empty cell (`null` in JSON) with its reason in `note`, never a made-up 0 or 1.

**Seen queries.** Queries that a model was trained, tuned or calibrated on are left out and counted
(`seen_in_training`); `--allow-seen` keeps them and marks every figure.

**Intervals** resample queries, never rows (BCa bootstrap; its closed form where queries are many):
`n` counts queries for ranked lists and pairs for predicted grades, and the pairs of a query stay
together. A mean over groups (`(mean)`, `(traffic)`) is never the pooled figure (`all`).

**Definition.** Every figure of a table carries in `definition` what it means there, as quoted below
for scale `five`.
"""


_CHECKING = """\
## Checking them

`gradewise evaluation verify --run run.parquet --qrels qrels.parquet` holds the figures against
trec_eval's, `--predictions predictions.parquet` against scikit-learn's, on your own files.
"""


def page() -> str:
    """docs/metrics.md, ending with a newline."""
    ranked = [metric for metric in METRICS.values() if metric.family == RANKING]
    predicted = [metric for metric in METRICS.values() if metric.family != RANKING]
    parts = [
        _HEAD,
        "## Options\n\n" + _options(),
        "## All of them\n\n" + overview_table(),
        _SHARED,
        "## Ranked lists\n\nThe figure is the mean over queries.\n",
        *(_section(metric) for metric in ranked),
        "## Predicted grades\n\nThe figure is over all pairs of a group.\n",
        *(_section(metric) for metric in predicted),
        _CHECKING,
    ]
    return "\n".join(parts)


OVERVIEW = ("metric", "needs", "range", "better", "undefined", "meaning", "source")
"""Header of the overview."""


def overview() -> list[list[str]]:
    """A row of `OVERVIEW` a metric."""
    return [
        [
            metric.spelling,
            "runs" if metric.family == RANKING else "predictions",
            range_of(metric),
            "higher" if metric.higher_is_better else "lower",
            metric.undefined,
            metric.doc,
            metric.source,
        ]
        for metric in METRICS.values()
    ]


def overview_table() -> str:
    """The overview as a Markdown table with links to the definitions."""
    lines = ["| metric | range | better | meaning |", "|---|---|---|---|"]
    lines += [
        f"| [{m.spelling.replace('[', '&#91;')}](#{m.name.lower()}) | {range_of(m)} | "
        f"{'higher' if m.higher_is_better else 'lower'} | {m.doc} |"
        for m in METRICS.values()
    ]
    return "\n".join(lines) + "\n"


def range_of(metric: Metric) -> str:
    """Smallest and largest possible value, such as `0 … 1`."""
    return f"{metric.low:g} … {'∞' if metric.high is None else format(metric.high, '.4g')}"


def _options() -> str:
    lines = ["| option | says | example | of |", "|---|---|---|---|"]
    for name, option in OPTIONS.items():
        of = ", ".join(m.name for m in METRICS.values() if name in m.options)
        lines.append(f"| `{name}` | {option.doc} | `{name}={option.example}` | {of} |")
    return "\n".join(lines) + "\n"


def _section(metric: Metric) -> str:
    better = "higher" if metric.higher_is_better else "lower"
    perfect = "depends on the data" if metric.perfect is None else f"{metric.perfect:g}"
    measure = parse(metric.example)
    lines = [
        f"### {metric.name}",
        "",
        f"`{metric.spelling}`: {metric.doc}",
        "",
        f"    {metric.formula}",
        "",
        f"- Range: {range_of(metric)}; {better} is better; perfect: {perfect}.",
        f"- Undefined: {_undefined(metric)}.",
        *([f"- {metric.remark}"] if metric.remark else []),
        f"- `definition` of `{measure!r}`: `{measure.definition(FIVE)}`",
        f"- Source: {metric.source}.",
        "",
        "```",
        f"{_call(metric)} --metrics {_quoted(metric.example)}",
        "```",
        "",
    ]
    return "\n".join(lines)


def _undefined(metric: Metric) -> str:
    if metric.undefined:
        return f"{metric.undefined_when} (note `{metric.undefined}`)"
    return "never" if metric.family == RANKING else "there is no pair (note `no_pair`)"


def _call(metric: Metric) -> str:
    family = PAIRS if metric.family in (SUMS, THRESHOLD) else metric.family
    return _CALLS[family]


def _quoted(text: str) -> str:
    return f'"{text}"' if "(" in text else text
