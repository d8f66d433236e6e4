"""`gradewise data`: bring tables in, check them, convert them, look at them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.output import OverwriteOption, notes, print_table, refuse_to_overwrite
from app.scales import ScaleOption, scale_named
from relevance.errors import InputError, did_you_mean
from relevance.records import TABLES

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer(
    help="Tables: import public data, check, convert, describe.", no_args_is_help=True
)

TableOption = Annotated[
    str, typer.Option("--table", "-t", help=f"What it is: {', '.join(TABLES)}.")
]


_Column = Annotated[
    str | None, typer.Option(help="Name of this column of ratings, if not a usual one.")
]


@app.command("import")
def import_(
    *,
    dataset: Annotated[
        str,
        typer.Argument(
            help="What it is: esci, mediasearch, beir, trec, chorus, quepid, label-studio or "
            "ratings."
        ),
    ],
    source: Annotated[
        Path, typer.Argument(help="Its folder (esci, beir, trec) or file (the others).")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the workspace.")],
    scale: Annotated[
        str | None,
        typer.Option(
            "--scale",
            help="Scale of the grades, but of esci and mediasearch: five, trec or a TOML file; "
            "else told from the grades.",
        ),
    ] = None,
    query_column: _Column = None,
    pin_column: _Column = None,
    grade_column: Annotated[
        str | None,
        typer.Option(help="Column of the grade; with commas: a column a rater."),
    ] = None,
    annotator_column: _Column = None,
    time_column: _Column = None,
    grade_map: Annotated[
        str | None,
        typer.Option(help="What grades mean: 0=1,1=2,relevant=5,skip=cannot_judge."),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Turn a public data set or another tool's export into a workspace, all of it or nothing.

    Example: gradewise data import ratings grades.csv --grade-map 0=1,1=3,2=5 --out workspace

    Of ratings, what cannot be a grade is set aside, counted, and listed with its line, column and
    reason in import-rejected.csv.
    """
    from relevance.importers import FILE, IMPORTERS, RatingOptions, import_tables

    if dataset not in IMPORTERS:
        raise InputError(
            f"no importer is called {dataset!r}.{did_you_mean(dataset, IMPORTERS)} "
            f"Use {', '.join(IMPORTERS)}"
        )
    command = f"gradewise data import {dataset} {source.name}"
    importer = IMPORTERS[dataset]
    of = None if scale is None else scale_named(scale)
    options = RatingOptions(
        query_column=query_column,
        pin_column=pin_column,
        grade_column=grade_column,
        annotator_column=annotator_column,
        time_column=time_column,
        grade_map=grade_map,
    )
    made = import_tables(
        importer, source, out, command=command, overwrite=overwrite, scale=of, options=options
    )
    _note(f"{importer.about} → {out}")
    for line in made.summary():
        _note(line)
    if made.rejected:
        _note(f"each with its line and reason: {out / FILE}")
    _print_workspace(out)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSONL, JSON, Parquet or TREC file.")],
    table: TableOption,
    scale: ScaleOption = "five",
) -> None:
    """Say what is wrong with a file, each problem with its place and way out; exit 1 if any.

    Example: gradewise data check grades.csv --table judgments
    """
    from relevance.checks import LIMIT
    from relevance.tables import check_table, read_table

    problems = check_table(file, _known(table), scale=scale_named(scale))
    for problem in problems:
        _note(str(problem))
    if problems:
        shown = "problem" if len(problems) == 1 else "problems"
        more = "the first " if len(problems) == LIMIT else ""
        raise InputError(f"{file}: {more}{len(problems)} {shown} shown; nothing was imported")
    frame = read_table(file, table, scale=scale_named(scale))
    docs = {column.name: column.doc for column in TABLES[table].columns}
    rows = []
    for name, dtype in frame.schema.items():
        filled = frame.height - frame[name].null_count()
        if filled or name not in docs:
            rows.append((name, str(dtype), f"{filled:,}", docs.get(name, "(further column)")))
    print_table(("column", "type", "filled", "meaning"), rows)
    _note(f"{file}: {frame.height:,} {table}, nothing wrong")


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="What to read; its format is found by content.")],
    *,
    table: TableOption,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="What to write; the ending names the format.")
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="The format, if not the ending's: parquet, csv, tsv, jsonl, json, trec, beir, "
            "pytrec (nested JSON) or quepid.",
        ),
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", help="Queries, whose texts Quepid knows them by (--to quepid)."),
    ] = None,
    scale: ScaleOption = "five",
    overwrite: OverwriteOption = False,
) -> None:
    """Read a table, check it, and write it in another format.

    Example: gradewise data convert qrels.trec --table qrels --scale trec --to beir --out test.tsv
    """
    from relevance.tables import read_table, write_table

    refuse_to_overwrite(out, overwrite)
    frame = read_table(file, _known(table), scale=scale_named(scale))
    if queries is not None:
        frame = _with_texts(frame, queries, to)
    write_table(frame, out, table, to=to)
    _note(f"{out}: {frame.height:,} {table}")


def _with_texts(frame: pl.DataFrame, queries: Path, to: str | None) -> pl.DataFrame:
    """The rows with the texts of their queries.

    Raises:
        InputError: The format does not take texts, or a query is not among the queries.
    """
    from relevance.tables import read_table

    if to != "quepid":
        raise InputError("--queries goes with --to quepid, which knows queries by their texts")
    texts = read_table(queries, "queries").select("query_id", "text")
    unknown = frame.join(texts, on="query_id", how="anti")
    if unknown.height:
        raise InputError(f"query {unknown['query_id'][0]!r} is not in {queries}. Add it")
    return frame.drop("text", strict=False).join(texts, on="query_id", how="left")


@app.command()
def describe(
    workspace: Annotated[Path, typer.Argument(help="Folder of the workspace.")],
) -> None:
    """Show which tables a workspace holds: rows, queries, Pins, countries, grades, maker.

    Example: gradewise data describe gradewise-demo
    """
    if not workspace.is_dir():
        raise InputError(
            f"{workspace} is not a folder. Make a workspace with: gradewise data import"
        )
    _print_workspace(workspace)


def _note(text: str) -> None:
    notes.print(text, markup=False, highlight=False, soft_wrap=True)


def _known(table: str) -> str:
    if table not in TABLES:
        raise InputError(
            f"no table is called {table!r}.{did_you_mean(table, TABLES)} Use {', '.join(TABLES)}"
        )
    return table


def _print_workspace(root: Path) -> None:
    from relevance.workspace import RESULTS, Workspace

    workspace = Workspace(root)
    rows = []
    for path in sorted(root.glob("*.parquet")):
        kind = path.stem.split("-", 1)[0]
        if kind not in TABLES and kind != RESULTS:
            continue
        frame = workspace.read(path.stem)
        rows.append((path.stem, *_facts(frame), _maker(path)))
    if not rows:
        raise InputError(f"{root} holds no tables. Fill it with: gradewise data import or demo")
    header = ("table", "rows", "queries", "Pins", "countries", "languages", "grades")
    print_table((*header, "made by"), rows)


def _facts(frame: object) -> tuple[str, str, str, str, str, str]:
    """Rows, queries, Pins, countries, languages and grades of a frame, as cells."""
    import polars as pl

    assert isinstance(frame, pl.DataFrame)

    def distinct(name: str) -> str:
        return f"{frame[name].n_unique():,}" if name in frame.columns else ""

    def shares(name: str) -> str:
        if name not in frame.columns or frame[name].null_count() == frame.height:
            return ""
        counts = frame[name].drop_nulls().value_counts(sort=True).rows()
        shown = " ".join(f"{value}:{count:,}" for value, count in counts[:6])
        return shown + (f" +{len(counts) - 6}" if len(counts) > 6 else "")

    grades = ""
    if "grade" in frame.columns:
        counted = frame["grade"].drop_nulls().value_counts().sort("grade").rows()
        grades = " ".join(f"{grade}:{count:,}" for grade, count in counted)
    return (
        f"{frame.height:,}",
        distinct("query_id"),
        distinct("pin_id"),
        shares("country"),
        shares("language"),
        grades,
    )


def _maker(path: Path) -> str:
    from relevance.provenance import read_provenance

    return str((read_provenance(path) or {}).get("command", ""))
