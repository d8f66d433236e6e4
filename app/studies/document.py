"""What studies found, as Markdown: one row a model, one column a metric."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from app.studies.folding import MODELS
from app.studies.running import Options, Outcome
from app.studies.study import SLICE_PAIRS
from relevance.results import Results, Row, markdown_table

NAMES = {
    "teacher": "teacher",
    "student": "student, distilled",
    "student_human": "student, human labels only",
    "bm25": "BM25",
    "majority": "majority grade",
    "chance": "chance",
}
FEWEST_PAIRS = 30
SOURCES = (
    "The data sets are not part of the project; each importer's docstring names its source, "
    "licence and how its grades map to 1–5. Made by"
)
SHORTER = (
    "In a slice the lists of Pins are shorter than in the whole data, which makes nDCG easier; "
    "compare it within a table only."
)
UNSEEN = (
    "Every figure is over pairs of queries that no model in its row was trained, tuned or "
    "calibrated on; the 95 % intervals resample queries."
)


def document(outcomes: Sequence[Outcome], options: Options, *, commit: str, now: datetime) -> str:
    """The page, from date and commit to the last table.

    Args:
        outcomes: What came of each study.
        options: How they were run.
        commit: Commit of the program.
        now: When.
    """
    minutes = sum(stage.seconds for outcome in outcomes for stage in outcome.stages) / 60
    flag = " SLICE=1" if options.sliced else ""
    lines = [
        "# Real data",
        "",
        f"{now:%Y-%m-%d}, commit {commit}, {minutes:.0f} minutes of work"
        + (f"; a slice of {SLICE_PAIRS:,} pairs a study and one fold." if flag else "."),
        "",
        SOURCES,
        "",
        "```",
        "python -m app.studies --data FOLDER --slice" if flag else "make real-data DATA=FOLDER",
        "```",
        "",
        UNSEEN,
        *([SHORTER] if options.sliced else []),
    ]
    for outcome in outcomes:
        lines += ["", *_section(outcome)]
    return "\n".join(lines) + "\n"


def _section(outcome: Outcome) -> list[str]:
    study = outcome.study
    tested = (
        f"Tested on {outcome.n_pairs:,} pairs of {outcome.n_queries:,} queries; teacher: "
        f"{study.base}, {study.epochs} epochs, {study.max_tokens} tokens."
    )
    lines = [
        f"## {study.title}",
        "",
        study.about,
        "",
        tested,
        "",
        models_table(outcome.results, (*study.grades, *study.ranking)),
    ]
    if study.by:
        lines += ["", *_groups(outcome, study.by)]
    if study.references:
        lines += ["", *_references(outcome)]
    if study.reading:
        lines += ["", study.reading]
    lines += ["", "What was done:", ""]
    lines += [
        f"- {stage.stage}: {stage.summary} ({stage.seconds:.0f} s)" for stage in outcome.stages
    ]
    return lines


def models_table(results: Results, metrics: Sequence[str]) -> str:
    """One row a model and one column a metric, over all pairs."""
    rows = [
        [NAMES[model], *(cell(results.find(metric, system=model)) for metric in metrics)]
        for model in MODELS
        if any(row.system == model for row in results)
    ]
    return markdown_table(["model", *metrics], rows)


def cell(row: Row | None) -> str:
    """A figure with its interval: `.653 [.640, .667]`; a dash where there is none."""
    if row is None or row.value is None:
        return "—"
    if row.ci_low is None or row.ci_high is None:
        return _figure(row.value)
    return f"{_figure(row.value)} [{_figure(row.ci_low)}, {_figure(row.ci_high)}]"


def _groups(outcome: Outcome, by: str) -> list[str]:
    """The last metric of grades by group, for groups with enough pairs."""
    metric = outcome.study.grades[-1]
    shown = ("teacher", "student", "student_human", "bm25")
    found = pl.DataFrame(
        [
            {"group": row.group, "n": row.n}
            for row in outcome.results
            if (row.metric, row.slice, row.system) == (metric, by, "teacher")
            and not row.group.startswith("(")
        ],
        schema={"group": pl.String, "n": pl.Int64},
    )
    kept = found.filter(pl.col("n") >= FEWEST_PAIRS).sort("n", "group", descending=[True, False])
    known = {
        group: figure
        for _, name, group, figure in outcome.study.references
        if name == metric and group != "all"
    }
    header = [by, "pairs", *(NAMES[model] for model in shown)]
    rows = []
    for group, n in kept.rows():
        cells = [cell(outcome.results.find(metric, group=group, system=model)) for model in shown]
        rows.append([group, f"{n:,}", *cells])
        if known:
            rows[-1].append(_figure(known[group]) if group in known else "—")
    if known:
        header.append(f"{outcome.study.references[0][0]} (measured elsewhere)")
    return [f"{metric} by {by}:", "", markdown_table(header, rows)]


def _references(outcome: Outcome) -> list[str]:
    """What others measured on all of the same data, to judge whether ours is plausible."""
    rows = [
        [what, metric, _figure(figure)]
        for what, metric, group, figure in outcome.study.references
        if group == "all"
    ]
    if not rows:
        return []
    return [
        "Measured elsewhere on the whole data set:",
        "",
        markdown_table(["what", "metric", "figure"], rows),
    ]


def _figure(value: float) -> str:
    return f"{value:.3f}".removeprefix("0") if value >= 0 else f"-{_figure(-value)}"
