"""`gradewise demo`: the whole loop on the built-in world."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.output import SeedOption, notes, print_table

if TYPE_CHECKING:
    from annotation.server import LocalServer
    from app.stages import Finished


def demo(
    workspace: Annotated[
        Path, typer.Option(help="Folder for its tables, models and report.", file_okay=False)
    ] = Path("gradewise-demo"),
    seed: SeedOption = 0,
    serve: Annotated[
        bool,
        typer.Option("--serve/--no-serve", help="Afterwards serve the dashboard and Label Studio."),
    ] = True,
) -> None:
    """Runs the whole loop on the built-in world: from pairs to grades to models to a verdict.

    Every stage runs once: interrupted, the same command goes on where it stopped. At the end,
    in a terminal, the dashboard and Label Studio are served on this machine until Ctrl-C.

    Example: gradewise demo --workspace gradewise-demo --no-serve
    """
    from annotation.server import FOLDER, LocalServer
    from app.loop import stages_of
    from app.loop.bench import Bench
    from app.stages import is_done, run_stages
    from relevance.errors import require_extra

    for package, extra in (("torch", "teacher"), ("label_studio_sdk", "labelstudio")):
        require_extra(package, extra)
    serving = serve and sys.stdout.isatty()
    server = LocalServer(workspace / FOLDER)
    stages = stages_of(Bench(workspace, seed, server))
    grading = next(stage for stage in stages if stage.name == "annotate")
    title = f"gradewise demo · workspace {workspace} · seed {seed}"
    notes.print(title, style="bold", highlight=False)
    try:
        if serving or not is_done(grading, workspace):
            server.start()  # in the background: it takes a while
        finished = run_stages(stages, workspace)
        _print_summary(workspace, finished)
        if serving:
            _serve(workspace, server)
    finally:
        server.stop()


def _print_summary(workspace: Path, finished: list[Finished]) -> None:
    import polars as pl

    from app.loop.bench import RESULT_TABLES
    from app.summary import summary_table, verdict_sentence
    from relevance.results import results_from

    parts = {
        name.removeprefix("results-"): results_from(
            pl.read_parquet(workspace / f"{name}.parquet").to_dicts()
        )
        for name in RESULT_TABLES
    }
    true_lift = json.loads((workspace / "truth.json").read_text())["true_lift"]
    print()
    print_table(*summary_table(parts, true_lift))
    print(f"\nverdict  {verdict_sentence(parts)}")
    print(f"report   {workspace / 'report.html'}")
    took = sum(stage.seconds for stage in finished)
    resumed = sum(stage.resumed for stage in finished)
    note = f" ({resumed} of {len(finished)} stages were done before)" if resumed else ""
    print(f"time     {took / 60:.1f} minutes of work{note}")


def _serve(workspace: Path, server: LocalServer) -> None:
    from app.commands.dashboard import address_of, start_dashboard, stop_dashboard

    server.wait_ready()
    dashboard = start_dashboard(workspace)
    print(f"\ndashboard     {address_of(dashboard)}")
    print(f"Label Studio  {server.url}  (log in as {server.secrets.email}; the password is in")
    print(f"              {server.secrets_path}): open a project and grade the next task")
    print("Ctrl-C stops both.")
    try:
        dashboard.wait()
    except KeyboardInterrupt:
        print("\nstopped")
    finally:
        stop_dashboard(dashboard)
