"""The page of human grading: progress, annotators, adjudication, what waits for a senior."""

from __future__ import annotations

from app import grading_tabulate as tabulate
from app import wording
from app.blocks import UNDEFINED, Block, KeyFigure, KeyFigures, Notice, Page
from app.grading_tables import GRADERS, JUDGMENTS, QRELS, QUEUE, REJECTED, Grading, Progress
from app.grading_tabulate import share
from app.loading import Tables

LEAD = "How far grading is, how everybody grades, and which pairs wait for a senior."


def page(tables: Tables) -> Page:
    """Progress by country, annotators, adjudication and disputes, as far as they are known."""
    found = tables.grading
    if not found.progress:
        pull = f"gradewise annotation pull --workspace {tables.name}"
        return Page("Grading", LEAD, (_missing(found, JUDGMENTS, "table of judgments", pull),))
    blocks: list[Block] = [key_figures(found), tabulate.progress_table(found)]
    if found.reasons:
        blocks.append(tabulate.reasons_table(found))
    elif REJECTED in found.problems:
        blocks.append(Notice(found.problems[REJECTED]))
    blocks += _annotators(tables)
    blocks.append(_adjudication(tables))
    blocks.append(_disputes(tables))
    return Page("Grading", LEAD, tuple(blocks))


def key_figures(found: Grading) -> KeyFigures:
    """How far it is, how sure, and what waits."""
    total = found.progress[0]
    return KeyFigures(
        (
            KeyFigure("Pairs graded", wording.count(total.graded), basis=_of_drawn(total)),
            KeyFigure("Judgments", wording.count(total.judgments), basis=_of_judgments(total)),
            KeyFigure(
                "Set aside",
                wording.count(total.rejected),
                basis=f"{share(total.rejected, total.rejected + total.judgments)} of what came",
                hint="Judgments that do not count, each with its reason; none is dropped.",
            ),
            _sure_figure(found, total),
            _waiting_figure(found),
        )
    )


def _annotators(tables: Tables) -> list[Block]:
    if not tables.grading.graders:
        command = f"gradewise annotation graders --workspace {tables.name} --save"
        return [_missing(tables.grading, GRADERS, "table of annotators", command)]
    return [tabulate.annotators_table(tables), tabulate.annotator_charts(tables.grading)]


def _adjudication(tables: Tables) -> Block:
    if tables.grading.methods:
        return tabulate.adjudication_table(tables.grading)
    name = tables.name
    command = f"gradewise annotation adjudicate {name}/{JUDGMENTS} --out {name}/{QRELS}"
    return _missing(tables.grading, QRELS, "table of trusted grades", command)


def _disputes(tables: Tables) -> Block:
    found = tables.grading.disputes
    if found is None:
        command = f"gradewise annotation queue --workspace {tables.name} --for senior"
        return _missing(tables.grading, QUEUE, "queue of disputes", command)
    ruled = f" {found.ruled:,} of its pairs are ruled." if found.ruled else ""
    return tabulate.disputes_table(tables) or Notice(f"No dispute waits for a senior.{ruled}")


def _missing(found: Grading, file: str, what: str, command: str) -> Notice:
    told = f"There is no {what} in this workspace yet ({file})."
    return Notice(found.problems.get(file, told), (command, "gradewise demo"))


def _of_drawn(total: Progress) -> str:
    return "" if total.drawn is None else f"of {wording.count(total.drawn)} drawn"


def _of_judgments(total: Progress) -> str:
    each = f"{total.judgments / total.graded:.1f} a pair" if total.graded else "no pair has a grade"
    again = f", {wording.count(total.repeats)} repeats besides" if total.repeats else ""
    return f"{each}{again}"


def _sure_figure(found: Grading, total: Progress) -> KeyFigure:
    hint = "Share of the trusted grades whose posterior is in no doubt."
    if total.sure is None:
        why = "the trusted grades have no posterior" if found.methods else "no trusted grades yet"
        return KeyFigure("Sure grades", UNDEFINED, basis=why, hint=hint)
    basis = f"of {wording.count(total.adjudicated)} trusted grades"
    return KeyFigure("Sure grades", share(total.sure, total.adjudicated), basis=basis, hint=hint)


def _waiting_figure(found: Grading) -> KeyFigure:
    label, hint = "Waiting for a senior", "Pairs on which people are far apart or nobody is sure."
    if found.disputes is None:
        return KeyFigure(label, UNDEFINED, basis="no queue was made", hint=hint)
    parts = [f"{found.disputes.minutes:.0f} minutes"]
    if found.disputes.ruled:
        parts.append(f"{wording.count(found.disputes.ruled)} ruled")
    count = wording.count(found.disputes.waiting)
    return KeyFigure(label, count, basis=", ".join(parts), hint=hint)
