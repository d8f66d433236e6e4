"""`gradewise student`: the fast model that learns from the teacher."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.output import Format, FormatOption, OverwriteOption, SeedOption

if TYPE_CHECKING:
    import polars as pl

    from relevance.features import StudentInputs

app = typer.Typer(help="The fast model over precomputed features.", no_args_is_help=True)

PairsOption = Annotated[
    Path, typer.Option("--pairs", help="Pairs: query_id, pin_id, and the log's counts.")
]
QueriesOption = Annotated[Path, typer.Option("--queries", help="Queries: query_id, text.")]
PinsOption = Annotated[Path, typer.Option("--pins", help="Pins: pin_id and texts; all of them.")]
QueryEmbeddingsOption = Annotated[
    Path | None, typer.Option("--query-embeddings", help="query_id, search.")
]
PinEmbeddingsOption = Annotated[
    Path | None, typer.Option("--pin-embeddings", help="pin_id, search, visual, graph.")
]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="Processor threads.")]
ModelOption = Annotated[Path, typer.Option("--model", help="Folder of the student.")]


@app.command()
def distill(
    *,
    targets: Annotated[
        Path,
        typer.Option("--targets", help="Predictions of a teacher (p1…p5), or qrels."),
    ],
    pairs: PairsOption,
    queries: QueriesOption,
    pins: PinsOption,
    out: Annotated[Path, typer.Option("--out", help="Folder to write the student to.")],
    query_embeddings: QueryEmbeddingsOption = None,
    pin_embeddings: PinEmbeddingsOption = None,
    without_embeddings: Annotated[
        bool, typer.Option("--without-embeddings", help="Encode nothing where none are given.")
    ] = False,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes, at most.")] = 30,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    overwrite: OverwriteOption = False,
) -> None:
    """Trains a student on the teacher's soft labels, or on people's grades.

    gradewise student distill --targets predictions.parquet --pairs pairs.parquet
    --queries queries.parquet --pins pins.parquet --out models/student

    Without embedding files the texts are encoded by the multilingual encoder of the extra
    `demo-models`. Queries that the targets' makers have seen count as seen by the student.
    """
    from app.output import notes, progress_bar, refuse_to_overwrite
    from relevance.files import hash_file
    from relevance.provenance import seen_queries
    from relevance.student.distill import StudentConfig, distill_student

    refuse_to_overwrite(out, overwrite)
    config = StudentConfig(epochs=epochs, seed=seed, threads=threads)
    labels = _read_targets(targets)
    inputs = _inputs(pairs, queries, pins, query_embeddings, pin_embeddings)
    files = (targets, pairs, queries, pins, query_embeddings, pin_embeddings)
    if not without_embeddings:
        inputs = _encoded(inputs, threads)
    with progress_bar("distilling") as progress:
        distill_student(
            labels,
            inputs,
            out,
            config,
            seen_queries=seen_queries(targets),
            made_from={path.name: hash_file(path) for path in files if path is not None},
            progress=progress,
        )
    notes.print(f"Student in {out}, from {labels.height:,} pairs.", markup=False)


@app.command()
def score(
    *,
    pairs: PairsOption,
    queries: QueriesOption,
    pins: PinsOption,
    model: ModelOption,
    out: Annotated[Path, typer.Option("--out", help="Predictions to write.")],
    run: Annotated[Path | None, typer.Option("--run", help="Run to write, too.")] = None,
    query_embeddings: QueryEmbeddingsOption = None,
    pin_embeddings: PinEmbeddingsOption = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model; default: its folder's.")
    ] = None,
    threads: ThreadsOption = 1,
    overwrite: OverwriteOption = False,
) -> None:
    """Writes the student's grade probabilities of pairs and, with --run, its ranking.

    gradewise student score --pairs pairs.parquet --queries queries.parquet --pins pins.parquet
    --model models/student --out predictions.parquet --run run.parquet
    """
    from app.output import notes, progress_bar, refuse_to_overwrite
    from relevance.blend import runs_from
    from relevance.student.encoders import ENCODER
    from relevance.student.folder import load_student
    from relevance.student.score import score_pairs
    from relevance.tables import read_table

    for path in filter(None, (out, run)):
        refuse_to_overwrite(path, overwrite)
    inputs = _inputs(pairs, queries, pins, query_embeddings, pin_embeddings)
    if load_student(model).embeddings == ENCODER:
        inputs = _encoded(inputs, threads)
    system = name or model.name
    with progress_bar("scoring") as progress:
        predictions = score_pairs(
            read_table(pairs, "pairs"),
            inputs,
            model,
            name=system,
            threads=threads,
            progress=progress,
        )
    _write(predictions, out, "predictions", model)
    if run is not None:
        _write(runs_from(predictions, system), run, "runs", model)
    notes.print(f"{predictions.height:,} pairs scored into {out}.", markup=False)


@app.command()
def latency(
    model: ModelOption,
    n_pins: Annotated[int, typer.Option("--pins", min=1, help="Pins of a request.")] = 1000,
    repeats: Annotated[int, typer.Option("--repeats", min=2, help="Requests measured.")] = 300,
    form: FormatOption = Format.TEXT,
) -> None:
    """Measures one query against 1,000 Pins on one thread: median and 99th percentile.

    gradewise student latency --model models/student --format json

    `full` computes everything from raw features; `precomputed` has the Pins' halves in store.
    """
    from app.output import emit
    from relevance.student.latency import measure_latency

    emit(measure_latency(model, n_pins=n_pins, repeats=repeats), form)


def _read_targets(path: Path) -> pl.DataFrame:
    """Predictions where the file has p1…p5, else qrels."""
    from relevance.formats import read_source
    from relevance.records import TABLES
    from relevance.tables import read_table

    soft = "p1" in read_source(path, TABLES["qrels"]).frame.columns
    return read_table(path, "predictions" if soft else "qrels")


def _inputs(
    pairs: Path,
    queries: Path,
    pins: Path,
    query_embeddings: Path | None,
    pin_embeddings: Path | None,
) -> StudentInputs:
    from relevance.features import StudentInputs
    from relevance.tables import read_table

    return StudentInputs(
        queries=read_table(queries, "queries"),
        pins=read_table(pins, "pins"),
        pairs=read_table(pairs, "pairs"),
        query_embeddings=_optional(query_embeddings, "query_embeddings"),
        pin_embeddings=_optional(pin_embeddings, "pin_embeddings"),
    )


def _optional(path: Path | None, table: str) -> pl.DataFrame | None:
    from relevance.tables import read_table

    return None if path is None else read_table(path, table)


def _encoded(inputs: StudentInputs, threads: int) -> StudentInputs:
    from app.output import progress_bar
    from relevance.student.encoders import with_embeddings

    with progress_bar("encoding texts") as progress:
        return with_embeddings(inputs, threads=threads, progress=progress)


def _write(frame: pl.DataFrame, path: Path, table: str, model: Path) -> None:
    """Writes a table that hands on the model's seen queries."""
    from relevance.provenance import seen_queries, write_provenance
    from relevance.tables import write_table

    write_table(frame, path, table)
    write_provenance(
        path,
        command="student score",
        config={"model": model.name},
        seen_queries=seen_queries(model),
    )
