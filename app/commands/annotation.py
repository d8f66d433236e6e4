"""`gradewise annotation`: sample pairs, have them graded in Label Studio, adjudicate the grades."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.output import (
    Format,
    FormatOption,
    OverwriteOption,
    SeedOption,
    notes,
    print_table,
    progress_bar,
    refuse_to_overwrite,
)

if TYPE_CHECKING:
    import polars as pl

    from annotation.desk import Desk
    from annotation.push import Pushed
    from relevance.workspace import Workspace

app = typer.Typer(
    help="Sample pairs, have them graded in Label Studio, adjudicate the grades.",
    no_args_is_help=True,
)

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", help="Folder of the named tables.", file_okay=False)
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        help="Address of a Label Studio; its token comes from LABEL_STUDIO_API_KEY. "
        "Default: the one that `annotation serve` runs for the workspace.",
    ),
]
DEFAULT_WORKSPACE = Path("gradewise-demo")


@app.command()
def serve(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    port: Annotated[int, typer.Option(help="Port on loopback; 0 for 8080 or any free one.")] = 0,
    install_only: Annotated[
        bool, typer.Option("--install-only", help="Install Label Studio and stop.")
    ] = False,
) -> None:
    """Runs a real Label Studio for a workspace until Ctrl-C.

    It has its own environment in the cache folder (installed at the first call; 1 to 3 minutes),
    keeps its data in WORKSPACE/label-studio and listens on loopback only. The environment variable
    GRADEWISE_LABEL_STUDIO names an existing label-studio command to use instead:

        gradewise annotation serve --workspace demo
    """
    import signal

    from annotation.install import install
    from annotation.server import FOLDER, LocalServer

    with progress_bar("Label Studio") as progress:
        executable = install(progress)
    if install_only:
        notes.print(f"Label Studio is ready: {executable}")
        return
    server = LocalServer(workspace / FOLDER, port=port)
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        with progress_bar("Label Studio") as progress:
            server.start().wait_ready(progress=progress)
        print_table(
            ["Label Studio", server.url],
            [
                ["e-mail", server.secrets.email],
                ["password", f"in {server.secrets_path}"],
                ["stop", "Ctrl-C"],
            ],
        )
        server.wait()
    except KeyboardInterrupt:
        notes.print("stopping Label Studio")
    finally:
        server.stop()
        for number, handler in zip(numbers, former, strict=True):
            signal.signal(number, handler)


@app.command()
def sample(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    run: Annotated[
        list[str] | None,
        typer.Option(help="A run to pool: a file, or a table runs-NAME of the workspace."),
    ] = None,
    depth: Annotated[int, typer.Option(help="Pool the first DEPTH Pins of each run.")] = 20,
    queries: Annotated[
        int | None, typer.Option(help="Random queries of each stratum, with all their pairs.")
    ] = None,
    pairs: Annotated[
        int | None, typer.Option(help="Random pairs, in proportion over the strata.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="Columns of queries that make strata, with commas; '' for none.")
    ] = "country",
    draw: Annotated[str, typer.Option(help="pool, measure or training.")] = "measure",
    append: Annotated[bool, typer.Option("--append", help="Add to the samples there are.")] = False,
    seed: SeedOption = 0,
    overwrite: OverwriteOption = False,
) -> None:
    """Draws the pairs to grade and writes `samples` with their inclusion probabilities.

    Candidates are the pooled runs, or else the table `pairs`; of these all are taken, or random
    queries, or random pairs:

        gradewise annotation sample --workspace demo --run production --run candidate --queries 30
    """
    from annotation import sampling
    from relevance.errors import InputError
    from relevance.records import DRAWS
    from relevance.workspace import Workspace

    if draw not in DRAWS:
        raise InputError(f"draw {draw!r} is unknown. Use one of {', '.join(DRAWS)}")
    if queries is not None and pairs is not None:
        raise InputError("give --queries or --pairs, not both")
    space = Workspace(workspace)
    if not append:
        refuse_to_overwrite(space.path("samples"), overwrite)
    asked = space.read("queries", made_by="gradewise data import, or gradewise demo")
    strata = tuple(name for name in by.split(",") if name)
    candidates = _candidates(space, run or [], depth)
    if queries is not None:
        drawn = sampling.sample_queries(candidates, asked, queries, by=strata, draw=draw, seed=seed)
    elif pairs is not None:
        drawn = sampling.sample_pairs(candidates, asked, pairs, by=strata, draw=draw, seed=seed)
    else:
        drawn = sampling.everything(candidates, asked, by=strata, draw=draw)
    space.write(
        "samples",
        _appended(space, drawn) if append else drawn,
        command="annotation sample",
        inputs=space.hashes("queries", "pairs"),
        config={"runs": run or [], "depth": depth, "queries": queries, "pairs": pairs, "by": by},
        seed=seed,
    )
    notes.print(f"{drawn.height:,} of {candidates.height:,} candidate pairs drawn ({draw})")


@app.command()
def push(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    server: ServerOption = None,
    draw: Annotated[
        list[str] | None, typer.Option(help="Only samples drawn for this (measure, training, …).")
    ] = None,
    overlap: Annotated[int, typer.Option(help="Annotators a pair.", min=1)] = 3,
    finished: Annotated[
        Path | None, typer.Option(help="Judgments made elsewhere, to import with their pairs.")
    ] = None,
    image_host: Annotated[
        list[str] | None,
        typer.Option(help="A host that annotators' browsers may load https pictures from."),
    ] = None,
) -> None:
    """Sends the sampled pairs to Label Studio, one project a country; nothing is sent twice.

    gradewise annotation push --workspace demo
    """
    import polars as pl

    from annotation.sync import push as send
    from relevance.tables import read_table
    from relevance.workspace import Workspace

    space = Workspace(workspace)
    samples = space.read("samples", made_by="gradewise annotation sample")
    if draw:
        samples = samples.filter(pl.col("draw").is_in(draw))
    queries, pins = space.read("queries"), space.read("pins")
    ready = None if finished is None else read_table(finished, "judgments")
    with _desk(workspace, server, image_host or []) as desk, progress_bar("push") as progress:
        pushed = send(
            desk, queries, pins, samples, overlap=overlap, finished=ready, progress=progress
        )
    _tell(pushed)
    _show([{"country": name, "project": n} for name, n in pushed.countries.items()], Format.TEXT)


def _tell(pushed: Pushed) -> None:
    there = pushed.n_pairs - pushed.n_new
    notes.print(f"{pushed.n_new:,} pairs pushed, {there:,} were there already")
    if pushed.n_finished:
        notes.print(f"{pushed.n_finished:,} finished judgments imported with them")
    if pushed.n_unsent:
        notes.print(f"{pushed.n_unsent:,} judgments not imported: their pairs were there already")
    if pushed.n_without_picture:
        notes.print(
            f"{pushed.n_without_picture:,} pictures cannot be shown: use images/ of the workspace "
            "with its own server, or name their host with --image-host"
        )


@app.command()
def status(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    server: ServerOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Shows how far each country's project is.

    gradewise annotation status --workspace demo
    """
    import dataclasses

    from annotation.sync import status as ask

    with _desk(workspace, server, []) as desk:
        rows = [dataclasses.asdict(one) for one in ask(desk)]
    if not rows:
        notes.print("nothing was pushed yet. Push: gradewise annotation push --workspace DIR")
    _show(rows, form)


@app.command()
def pull(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    server: ServerOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Brings the judgments into the table `judgments`; run again, it brings the newer ones too.

    What cannot be a judgment (unknown grade, two grades, …) goes to judgments-rejected.jsonl with
    its reason. A table that an import made is kept unless --overwrite is given:

        gradewise annotation pull --workspace demo
    """
    from annotation.sync import pull as bring
    from relevance.files import atomic
    from relevance.provenance import read_provenance
    from relevance.workspace import Workspace

    space = Workspace(workspace)
    made_by = (read_provenance(space.path("judgments")) or {}).get("command")
    if made_by != "annotation pull":
        refuse_to_overwrite(space.path("judgments"), overwrite)
    with _desk(workspace, server, []) as desk, progress_bar("pull") as progress:
        pulled = bring(desk, progress=progress)
    space.write("judgments", pulled.judgments, command="annotation pull")
    rejected = workspace / "judgments-rejected.jsonl"
    with atomic(rejected) as temporary:
        pulled.rejected.write_ndjson(temporary)
    ways = pulled.by_source
    notes.print(
        f"{pulled.judgments.height:,} judgments: {ways['endpoint']:,} graded in Label Studio, "
        f"{ways['import']:,} imported as finished annotations"
    )
    if pulled.rejected.height:
        notes.print(f"{pulled.rejected.height:,} set aside, with reasons: {rejected}")
    for note in pulled.notes:
        notes.print(f"note: {note}")


@app.command()
def adjudicate(
    *,
    judgments: Annotated[Path, typer.Argument(help="Judgments: CSV, JSONL or Parquet.")],
    out: Annotated[Path, typer.Option(help="File of the qrels; its ending names the format.")],
    method: Annotated[
        str, typer.Option(help="auto, majority, median, smoothed or dawid-skene[-shrunk].")
    ] = "auto",
    samples: Annotated[
        Path | None, typer.Option(help="Samples whose inclusion probabilities to hand on.")
    ] = None,
    scale: Annotated[str, typer.Option(help="Scale of the grades: five, trec, esci.")] = "five",
    overwrite: OverwriteOption = False,
) -> None:
    """Turns judgments into qrels: one grade a pair, with a posterior over the grades.

    gradewise annotation adjudicate demo/judgments.parquet --out demo/qrels.parquet
    """
    from annotation.adjudicate import adjudicate as settle
    from relevance.errors import InputError, did_you_mean
    from relevance.files import hash_file
    from relevance.grades import SCALES
    from relevance.provenance import write_provenance
    from relevance.tables import read_table, write_table

    if scale not in SCALES:
        raise InputError(f"scale {scale!r} is unknown.{did_you_mean(scale, SCALES)}")
    refuse_to_overwrite(out, overwrite)
    given = read_table(judgments, "judgments", scale=SCALES[scale])
    qrels = settle(given, method, SCALES[scale])
    if samples is not None:
        qrels = _with_probabilities(qrels, read_table(samples, "samples"))
    write_table(qrels, out, "qrels")
    write_provenance(
        out,
        command="annotation adjudicate",
        inputs={judgments.name: hash_file(judgments)},
        config={"method": method, "scale": scale},
    )
    abstained = given.select("query_id", "pin_id").n_unique() - qrels.height
    used = qrels["method"][0] if qrels.height else method
    notes.print(f"{qrels.height:,} pairs adjudicated by {used} → {out}")
    if abstained:
        notes.print(f"{abstained:,} pairs left out: everybody abstained")


def _desk(workspace: Path, server: str | None, image_hosts: list[str]) -> Desk:
    from annotation.desk import open_desk

    return open_desk(workspace, server=server, image_hosts=image_hosts)


def _candidates(space: Workspace, runs: list[str], depth: int) -> pl.DataFrame:
    from annotation.sampling import pool
    from relevance.tables import read_table

    if not runs:
        pairs = space.read("pairs", made_by="gradewise data import")
        return pairs.select("query_id", "pin_id")
    frames = [
        read_table(name, "runs") if Path(name).is_file() else space.read(f"runs-{name}")
        for name in runs
    ]
    return pool(frames, depth)


def _appended(space: Workspace, drawn: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    if not space.has("samples"):
        return drawn
    both = pl.concat([space.read("samples"), drawn], how="diagonal_relaxed")
    return both.unique(["query_id", "pin_id", "draw"], keep="first")


def _with_probabilities(qrels: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    largest = samples.group_by("query_id", "pin_id").agg(pl.col("inclusion_probability").max())
    return qrels.drop("inclusion_probability", strict=False).join(
        largest, on=["query_id", "pin_id"], how="left", maintain_order="left"
    )


def _show(rows: list[dict[str, Any]], form: Format) -> None:
    import json

    if form is Format.JSON:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    elif rows:
        header = list(rows[0])
        cells = [["—" if one is None else str(one) for one in row.values()] for row in rows]
        if form is Format.TEXT:
            print_table(header, cells)
        elif form is Format.CSV:
            typer.echo("\n".join(",".join(row) for row in [header, *cells]))
        else:
            from relevance.results import markdown_table

            typer.echo(markdown_table(header, cells))
