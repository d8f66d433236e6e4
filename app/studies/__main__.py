"""`python -m app.studies --data FOLDER [--slice]`: runs the studies and writes their page."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.output import Format, emit, notes
from app.studies.catalogue import STUDIES
from app.studies.document import document
from app.studies.running import Options, run_study
from app.studies.study import SLICE_PAIRS
from relevance.errors import GradewiseError, InputError, did_you_mean
from relevance.files import atomic


def run(  # noqa: PLR0917 - typer passes them by name
    data: Annotated[Path, typer.Option("--data", help="Folder of the public data sets.")],
    out: Annotated[Path, typer.Option("--out", help="Page to write.")] = Path("docs/real-data.md"),
    workspace: Annotated[
        Path | None, typer.Option("--workspace", help="Where studies live, and are resumed.")
    ] = None,
    sliced: Annotated[
        bool, typer.Option("--slice", help=f"{SLICE_PAIRS} pairs and one fold each.")
    ] = False,
    only: Annotated[str | None, typer.Option("--only", help=", ".join(STUDIES))] = None,
    push: Annotated[bool, typer.Option(help="Send pairs through Label Studio, too.")] = True,
    threads: Annotated[int | None, typer.Option(help="Threads; default: every core.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    form: Annotated[Format, typer.Option("--format", help="Of the long table.")] = Format.TEXT,
) -> None:
    """Run the studies on public data: long tables on stdout, a page with the tables into --out.

    Each section of the page is written when its study is done; the other sections stay.
    """
    if only is not None and only not in STUDIES:
        raise InputError(f"no study is called {only!r}.{did_you_mean(only, STUDIES)}")
    root = workspace or Path("gradewise-real-data" + ("-slice" if sliced else ""))
    options = Options(data, root, sliced, push, threads, seed)
    if only is not None:
        chosen = [STUDIES[only]]
    else:
        chosen = [study for study in STUDIES.values() if study.sliced or not sliced]
    for study in chosen:
        outcome = run_study(study, options)
        emit(outcome.results, form)
        text = document(
            [outcome],
            options,
            commit=commit(),
            now=datetime.now(UTC),
            before=out.read_text(encoding="utf-8") if out.exists() else "",
            order=tuple(STUDIES.values()),
        )
        with atomic(out) as temporary:
            temporary.write_text(text, encoding="utf-8")
        notes.print(f"{study.name}: {out} written", markup=False, highlight=False, soft_wrap=True)


def commit() -> str:
    """Short hash of the commit this program is at, with `+` if files differ from it."""
    folder = Path(__file__).parent
    asked = ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
app.command()(run)


def main() -> None:
    """Runs it; a user's error is one line and exit code 1."""
    try:
        app()
    except GradewiseError as error:
        if os.environ.get("GRADEWISE_TRACEBACK"):
            raise
        print(f"studies: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
