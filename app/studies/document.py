"""What studies found, as Markdown: one row a model, one column a metric."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from app.studies.running import Options, Outcome
from app.studies.study import SLICE_PAIRS, Study, against
from relevance.results import ComparisonRow, Results, Row, markdown_table

FEWEST_PAIRS = 30
SOURCES = (
    "The data sets are not part of the project; each importer's docstring names its source, "
    "licence and how its grades map to 1–5. Made by"
)
COMMANDS = (
    "make real-data DATA=FOLDER                          # all of it, an hour and a quarter",
    "python -m app.studies --data FOLDER --only NAME     # one section; the others stay",
    "python -m app.studies --data FOLDER --slice         # a few hundred pairs each",
)
SHORTER = (
    "In a slice the lists of Pins are shorter than in the whole data, which makes nDCG easier; "
    "compare it within a table only."
)
UNSEEN = (
    "Every figure is over pairs of queries that no model in its row was trained, tuned or "
    "calibrated on; the 95 % intervals resample queries. Differences are paired: both models "
    "predict the same pairs, and an interval that leaves out 0 is one that would seldom come of "
    "chance."
)


def document(
    outcomes: Sequence[Outcome],
    options: Options,
    *,
    commit: str,
    now: datetime,
    before: str = "",
    order: Sequence[Study] = (),
) -> str:
    """The page: what is said of all studies, then a section each.

    Args:
        outcomes: What came of each study.
        options: How they were run.
        commit: Commit of the program.
        now: When.
        before: The page as it was: sections of other studies stay, and so do sections that are no
            study's, which come first.
        order: The studies in the order of their sections.
    """
    sections = _sections(before)
    for outcome in outcomes:
        lines = _section(outcome, options, f"{now:%Y-%m-%d}, commit {commit}")
        sections[outcome.study.title] = "\n".join(lines)
    places = {study.title: place for place, study in enumerate(order)}
    titles = sorted(sections, key=lambda title: places.get(title, -1 if title in before else 99))
    opening = ["# Real data", "", SOURCES, "", "```", *COMMANDS, "```", "", UNSEEN]
    opening += ["", SHORTER] if options.sliced else []
    return "\n\n".join(["\n".join(opening), *(sections[title] for title in titles)]) + "\n"


def _sections(page: str) -> dict[str, str]:
    """Heading → section of a page, heading and all."""
    _, *parts = f"\n{page}".split("\n## ")
    return {part.partition("\n")[0].strip(): f"## {part.strip()}" for part in parts}


def _section(outcome: Outcome, options: Options, stamp: str) -> list[str]:
    study = outcome.study
    minutes = sum(stage.seconds for stage in outcome.stages) / 60
    piece = f"; a slice of {SLICE_PAIRS:,} pairs and one fold" if options.sliced else ""
    tested = (
        f"Measured {stamp}, {minutes:.0f} minutes of work{piece}. Tested on {outcome.n_pairs:,} "
        f"pairs of {outcome.n_queries:,} queries. {_recipes(study)}"
    )
    lines = [
        f"## {study.title}",
        "",
        study.about,
        "",
        tested,
        "",
        models_table(study, outcome.results),
    ]
    for table in (
        _budgets(study, outcome.results),
        _differences(study, outcome.results),
        _groups(outcome, study.by) if study.by else [],
        _references(outcome),
        [study.reading] if study.reading else [],
    ):
        lines += ["", *table] if table else []
    lines += ["", "What was done:", ""]
    lines += [
        f"- {stage.stage}: {stage.summary} ({stage.seconds:.0f} s)" for stage in outcome.stages
    ]
    return lines


def _recipes(study: Study) -> str:
    """How the teachers were taught."""
    epochs = dict.fromkeys(teaching.epochs for teaching in study.teachers)
    if len(study.teachers) == 1:
        (only,) = study.teachers
        return f"Teacher: {only.base}, {only.epochs} epochs, {study.max_tokens} tokens."
    if len(epochs) == 1:
        return f"Teachers: {next(iter(epochs))} epochs, {study.max_tokens} tokens."
    each = dict.fromkeys((teaching.pairs, teaching.epochs) for teaching in study.teachers)
    told = ", ".join(
        f"{number} epochs of {'all' if pairs is None else f'{pairs:,}'} pairs"
        for pairs, number in each
    )
    return f"Teachers: {told}; {study.max_tokens} tokens."


def models_table(study: Study, results: Results) -> str:
    """One row a model and one column a metric, over all pairs."""
    metrics = (*study.grades, *study.ranking)
    rows = [
        [title, *(cell(results.find(metric, system=model)) for metric in metrics)]
        for model, title in study.models.items()
        if any(row.system == model for row in results)
    ]
    return markdown_table(["model", *metrics], rows)


def _budgets(study: Study, results: Results) -> list[str]:
    """The last metric of grades by number of graded pairs, where a base has several."""
    metric = study.grades[-1]
    numbers = sorted({teaching.pairs or 0 for teaching in study.teachers})
    if len(numbers) < 2:
        return []
    key_of = {
        (f"{teaching.base}, {teaching.tuning}", teaching.pairs or 0): teaching.key
        for teaching in study.teachers
    }
    bases = dict.fromkeys(base for base, _ in key_of)
    rows = []
    for base in bases:
        keys = [key_of.get((base, number)) for number in numbers]
        found = [key and results.find(metric, system=key) for key in keys]
        rows.append([base.removesuffix(", full"), *(cell(row or None) for row in found)])
    header = ["base", *(f"{number:,} pairs" if number else "all pairs" for number in numbers)]
    return [f"{metric} by number of graded pairs to learn from:", "", markdown_table(header, rows)]


def _differences(study: Study, results: Results) -> list[str]:
    """Paired differences of the models that a study compares."""
    metrics = (*study.grades[1:], *study.ranking)
    rows = [
        [
            against(study.models[new], study.models[old]),
            *(difference(results.find(metric, system=against(new, old))) for metric in metrics),
        ]
        for new, old in study.compared
    ]
    if not rows:
        return []
    return ["Differences on the same pairs:", "", markdown_table(["models", *metrics], rows)]


def difference(row: Row | None) -> str:
    """A difference with its interval: `+.021 [-.002, +.044]`; a dash where there is none."""
    if not isinstance(row, ComparisonRow) or row.difference is None:
        return "—"
    ends = (row.difference_ci_low, row.difference_ci_high)
    low, high = (None if end is None else signed(end) for end in ends)
    told = signed(row.difference)
    return told if low is None or high is None else f"{told} [{low}, {high}]"


def signed(value: float) -> str:
    """`+.021`, `-.021`."""
    return f"{'-' if value < 0 else '+'}{_figure(abs(value))}"


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
    models = outcome.study.models
    shown = [model for model in models if model not in ("majority", "chance")]
    found = pl.DataFrame(
        [
            {"group": row.group, "n": row.n}
            for row in outcome.results
            if (row.metric, row.slice, row.system) == (metric, by, shown[0])
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
    header = [by, "pairs", *(models[model] for model in shown)]
    rows = []
    for group, n in kept.rows():
        cells = [cell(outcome.results.find(metric, group=group, system=model)) for model in shown]
        rows.append([group, f"{n:,}", *cells])
        if known:
            rows[-1].append(_figure(known[group]) if group in known else "—")
    if known:
        header.append(f"{outcome.study.references[0][0]} (measured elsewhere)")
    return [f"{metric} by {by}:", "", markdown_table(header, rows).rstrip()]


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
