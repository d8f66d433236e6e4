"""`gradewise annotation graders`: how everybody grades."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.annotation.grader_tables import print_calibration, print_cards, print_detail
from app.commands.annotation.options import show
from app.commands.evaluation.shared import checked_level
from app.output import Format, FormatOption, LevelOption
from app.scales import ScaleOption, scale_named

if TYPE_CHECKING:
    import polars as pl

    from annotation.graders import Scorecard
    from relevance.grades import GradeScale


def graders(
    judgments: Annotated[
        Path | None, typer.Argument(help="Judgments; by default those of the workspace.")
    ] = None,
    *,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", help="Folder with judgments, repeats, gold, queries."),
    ] = None,
    gold: Annotated[Path | None, typer.Option(help="Pairs whose grade is known.")] = None,
    repeats: Annotated[Path | None, typer.Option(help="Pairs graded a second time.")] = None,
    queries: Annotated[Path | None, typer.Option(help="Queries, for their texts.")] = None,
    detail: Annotated[
        str | None,
        typer.Option(
            metavar="ANNOTATOR", help="One annotator: confusions, weeks, worst disagreements."
        ),
    ] = None,
    calibration: Annotated[
        bool,
        typer.Option(
            "--calibration", help="Who passes the calibration round (gold-calibration, or --gold)."
        ),
    ] = False,
    save: Annotated[
        bool,
        typer.Option(
            "--save", help="Also write results-graders into the workspace, for the dashboard."
        ),
    ] = False,
    fast: Annotated[
        float | None,
        typer.Option(help="Seconds below which a judgment is too fast; a fifth of the median."),
    ] = None,
    scale: ScaleOption = "five",
    level: LevelOption = 0.95,
    form: FormatOption = Format.TEXT,
) -> None:
    """Per annotator: pace, severity, noise, gold, repeats, abstentions, agreement, drift.

    Nobody is flagged on few judgments: it takes evidence, adjusted for how many people are looked
    at, that something is worse than tolerated. The others read "ok" or "too few to tell":

        gradewise annotation graders --workspace demo
    """
    from annotation.graders.cards import Limits
    from annotation.graders.rows import flat, nested
    from annotation.graders.scorecards import cards_of, examine
    from relevance.errors import InputError

    of, level = scale_named(scale), checked_level(level)
    tables = _Tables(workspace, of)
    if save and (workspace is None or calibration):
        raise InputError("--save needs a --workspace to write into, and no --calibration")
    if calibration:
        _calibration(tables, judgments, gold, of, form)
    else:
        limits = Limits(fast_seconds=fast)
        found = examine(
            tables.read("judgments", judgments),
            tables.maybe("repeats", repeats),
            tables.maybe("gold", gold),
            scale=of,
            level=level,
            limits=limits,
        )
        cards = cards_of(found, level=level, limits=limits)
        if save and workspace is not None:
            _save(cards, workspace, (judgments, gold, repeats), level)
        if detail is not None:
            print_detail(found, cards, detail, tables.maybe("queries", queries))
        elif form is Format.JSON:
            levels = [int(one) for one in found.panel.levels]
            show([nested(card, levels) for card in cards], form)
        elif form is Format.CSV:
            show([flat(card) for card in cards], form)
        else:
            print_cards(cards, form, level)


def _calibration(
    tables: _Tables, judgments: Path | None, gold: Path | None, scale: GradeScale, form: Format
) -> None:
    from annotation.graders.calibration import calibrated
    from annotation.graders.rows import calibration_row

    known = tables.read("gold-calibration" if gold is None else "gold", gold)
    given = _of_the_round(tables.read("judgments", judgments))
    rows = [calibration_row(one) for one in calibrated(given, known, scale=scale)]
    if form is Format.TEXT:
        print_calibration(rows)
    else:
        show(rows, form)


def _save(
    cards: list[Scorecard], workspace: Path, given: tuple[Path | None, ...], level: float
) -> None:
    """Writes the table that the dashboard's page of grading reads."""
    from annotation.graders.rows import card_table
    from app.output import notes
    from relevance.files import hash_file
    from relevance.workspace import Workspace

    space = Workspace(workspace)
    inputs = space.hashes("judgments", "repeats", "gold")
    inputs |= {path.name: hash_file(path) for path in given if path is not None}
    path = space.write(
        "results-graders",
        card_table(cards),
        command="annotation graders",
        inputs=inputs,
        config={"level": level},
    )
    notes.print(f"{len(cards)} annotators → {path}", soft_wrap=True)


class _Tables:
    """Tables from files, or from a workspace."""

    def __init__(self, workspace: Path | None, scale: GradeScale) -> None:
        self._workspace = workspace
        self._scale = scale

    def read(self, name: str, path: Path | None) -> pl.DataFrame:
        from relevance.errors import InputError
        from relevance.tables import read_table
        from relevance.workspace import Workspace, kind_of

        if path is not None:
            return read_table(path, kind_of(name), scale=self._scale)
        if self._workspace is None:
            raise InputError(f"give a file of {name}, or a folder with --workspace")
        makers = {
            "judgments": "gradewise annotation pull",
            "gold-calibration": "gradewise annotation queue --for calibration",
        }
        there = Workspace(self._workspace).path(name)
        if there.exists():
            return read_table(there, kind_of(name), scale=self._scale)
        return Workspace(self._workspace).read(name, made_by=makers[name])

    def maybe(self, name: str, path: Path | None) -> pl.DataFrame | None:
        from relevance.workspace import Workspace

        if path is None and (self._workspace is None or not Workspace(self._workspace).has(name)):
            return None
        return self.read(name, path)


def _of_the_round(judgments: pl.DataFrame) -> pl.DataFrame:
    """The extra opinions, where purposes are known: the first round's made the known grades."""
    import polars as pl

    if "purpose" not in judgments.columns:
        return judgments
    extra = judgments.filter(pl.col("purpose").str.starts_with("extra"))
    return extra if extra.height else judgments
