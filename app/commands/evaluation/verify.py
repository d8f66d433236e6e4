"""`gradewise evaluation verify`: our figures against trec_eval and scikit-learn, on your files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.evaluation.shared import GATE, QrelsOption, named_file, read, systems
from app.output import Format, FormatOption, notes, print_table
from app.scales import ScaleOption, scale_named
from relevance.errors import SettingsError
from relevance.formulas import guard

if TYPE_CHECKING:
    from evaluation.verify import Check

HEADER = ("system", "metric", "ours", "theirs", "largest difference", "n", "ok", "note")


def verify(
    *,
    run: Annotated[
        list[str] | None, typer.Option("--run", help="[NAME=]FILE of ranked Pins; may be repeated.")
    ] = None,
    qrels: QrelsOption,
    predictions: Annotated[
        list[str] | None,
        typer.Option("--predictions", help="[NAME=]FILE of p1…p5; may be repeated."),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", help="Comma-separated; without it, all that can be compared."),
    ] = None,
    scale: ScaleOption = "five",
    form: FormatOption = Format.TEXT,
) -> None:
    """Our figures beside trec_eval's and scikit-learn's, per query too; exit 3 if any differs.

    gradewise evaluation verify --run run.txt --qrels qrels.txt --scale trec
    """
    if not run and not predictions:
        raise SettingsError("nothing to verify. Give --run FILE, --predictions FILE or both")
    checks = _checks(run or [], qrels, predictions or [], metrics, scale)
    _print(checks, form)
    failed = [check for check in checks if check.ok is False]
    if failed:
        names = ", ".join(dict.fromkeys(check.metric for check in failed))
        notes.print(f"verify: {len(failed)} of {len(checks)} figures differ: {names}")
        raise typer.Exit(GATE)


def _checks(
    run: list[str], qrels: Path, predictions: list[str], metrics: str | None, scale: str
) -> list[Check]:
    from evaluation.metrics import RANKING, parse_all
    from evaluation.verify import verify_grades, verify_ranking

    of = scale_named(scale)
    grades = read(qrels, "qrels", of)
    asked = parse_all(metrics) if metrics else ()
    ranked = [m for m in asked if m.metric.family == RANKING]
    predicted = [m for m in asked if m.metric.family != RANKING]
    checks: list[Check] = []
    if ranked and not run:
        raise SettingsError(f"{ranked[0]!r} is of ranked lists. Add --run FILE")
    if predicted and not predictions:
        raise SettingsError(f"{predicted[0]!r} is of predicted grades. Add --predictions FILE")
    if ranked or not asked:
        for name, path in map(named_file, run):
            frame = systems(name, path, "runs", "system", of)
            checks += verify_ranking(frame, grades, metrics=ranked, scale=of)
    if predicted or not asked:
        for name, path in map(named_file, predictions):
            frame = systems(name, path, "predictions", "model", of)
            checks += verify_grades(frame, grades, metrics=predicted, scale=of)
    return checks


def _print(checks: list[Check], form: Format) -> None:
    import csv
    import dataclasses
    import json
    import math
    import sys

    from relevance.results import markdown_table

    if form is Format.JSON:
        rows = [dataclasses.asdict(check) for check in checks]
        for row in rows:
            if row["difference"] is not None and not math.isfinite(row["difference"]):
                row["difference"] = None  # defined on one side only: ok is false
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
        return
    cells = [_cells(check) for check in checks]
    if form is Format.CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows(
            [HEADER, *([guard(cell) for cell in row] for row in cells)]
        )
    elif form is Format.MARKDOWN:
        sys.stdout.write(markdown_table(HEADER, cells) + "\n")
    else:
        print_table(HEADER, cells)


def _cells(check: Check) -> list[str]:
    def figure(value: float | None) -> str:
        return "—" if value is None else f"{value:.6f}"

    ok = {True: "yes", False: "NO", None: "—"}[check.ok]
    gap = "—" if check.difference is None else f"{check.difference:.1e}"
    return [
        check.system,
        check.metric,
        figure(check.ours),
        figure(check.theirs),
        gap,
        f"{check.n:,}",
        ok,
        check.note,
    ]
