"""`gradewise evaluation ranking`: ranked lists against human grades."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.evaluation.shared import (
    AllowSeenOption,
    AssistedOption,
    ByOption,
    DrawnOption,
    DrawOption,
    Draws,
    EmptyOption,
    FailUnderOption,
    LabelNoiseOption,
    PairsOption,
    QueriesOption,
    RepsOption,
    SampledOption,
    SamplesOption,
    Sources,
    TiesOption,
    check_gates,
    checked_level,
    explained,
    gates_of,
    named_file,
    read,
    read_queries,
    seen,
    systems,
    told_of_draws,
)
from app.output import (
    Format,
    FormatOption,
    LevelOption,
    OverwriteOption,
    SeedOption,
    emit,
    notes,
    refuse_to_overwrite,
)
from app.scales import ScaleOption, scale_named
from relevance.errors import SettingsError

if TYPE_CHECKING:
    import polars as pl

    from relevance.grades import GradeScale
    from relevance.results import Results

    _Tables = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame | None]

_COMMAND = "gradewise evaluation ranking --write-joined"


def ranking(
    *,
    run: Annotated[
        list[str] | None,
        typer.Option("--run", help="[NAME=]FILE of ranked Pins; may be repeated."),
    ] = None,
    qrels: Annotated[Path | None, typer.Option("--qrels", help="Human grades, one a pair.")] = None,
    joined: Annotated[
        str | None,
        typer.Option(
            "--joined",
            help="[NAME=]FILE that holds runs and grades side by side, instead of --run, --qrels.",
        ),
    ] = None,
    queries: QueriesOption = None,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Comma-separated; see: gradewise evaluation metrics.")
    ] = "nDCG@20,P@8",
    by: ByOption = None,
    scale: ScaleOption = "five",
    ties: TiesOption = "docid",
    empty: EmptyOption = None,
    allow_seen: AllowSeenOption = False,
    label_noise: LabelNoiseOption = 0,
    assisted: AssistedOption = None,
    sampled: SampledOption = False,
    samples: SamplesOption = None,
    draw: DrawOption = None,
    drawn: DrawnOption = None,
    pairs: PairsOption = None,
    fail_under: FailUnderOption = None,
    level: LevelOption = 0.95,
    reps: RepsOption = None,
    seed: SeedOption = 0,
    write_joined: Annotated[
        Path | None,
        typer.Option(
            "--write-joined", help="Parquet file for runs and grades side by side, for --joined."
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    form: FormatOption = Format.TEXT,
) -> None:
    """Ranked lists against human grades; Judged@k stands beside.

    gradewise evaluation ranking --run production=a.parquet --run candidate=b.parquet
    --qrels qrels.parquet --metrics "nDCG@20,P(rel=3)@8"

    Where grades were drawn with unequal probabilities, --sampled gives the figures of everything.
    Evaluated more than once, runs and grades are best joined once: write them with --write-joined
    FILE, then give --joined FILE instead.
    """
    gates = gates_of(fail_under)
    options: dict[str, Any] = {
        "metrics": metrics, "by": by, "scale": scale_named(scale), "ties": ties, "empty": empty,
        "level": checked_level(level), "seed": seed, "allow_seen": allow_seen,
    }  # fmt: skip
    intervals: dict[str, Any] = {"label_noise": label_noise}
    intervals |= {} if reps is None else {"reps": reps}
    draws = Draws(sampled, samples, drawn, pairs, draw)
    draws.check(
        joined=joined, assisted=assisted, label_noise=label_noise, write_joined=write_joined
    )
    if joined is not None:
        _alone(run=run, qrels=qrels, assisted=assisted, write_joined=write_joined)
        results = _from_joined(joined, queries, options | intervals)
    else:
        files = _Files(run or (), qrels, queries, assisted, write_joined, draws)
        files.check(overwrite=overwrite)
        if draws.sampled:
            results = _sampled(files, options | ({} if reps is None else {"reps": reps}))
        elif assisted is None:
            results = _from_files(files, options | intervals)
        else:
            if label_noise or reps is not None:
                raise SettingsError(
                    "--assisted has intervals of its own: leave out --label-noise and --reps"
                )
            results = _assisted(files, assisted, options)
    emit(results, form)
    check_gates(results, gates)


@dataclass(frozen=True, slots=True)
class _Files:
    """What is evaluated, from one file a table."""

    run: Sequence[str]
    qrels: Path | None
    queries: Path | None
    assisted: Path | None
    write_joined: Path | None
    draws: Draws

    def check(self, *, overwrite: bool) -> None:
        if not self.run or self.qrels is None:
            missing = "--qrels" if self.run else "--run"
            raise SettingsError(
                f"{missing} is missing. Give --run FILE and --qrels FILE, or --joined FILE"
            )
        if self.write_joined is not None:
            refuse_to_overwrite(self.write_joined, overwrite)

    @property
    def runs(self) -> list[tuple[str | None, Path]]:
        return [named_file(text) for text in self.run]

    @property
    def paths(self) -> dict[str, Path | None]:
        """Every input by its name."""
        numbered = {f"run{i or ''}": path for i, (_, path) in enumerate(self.runs)}
        return {
            **numbered, "qrels": self.qrels, "queries": self.queries, "assisted": self.assisted,
            "samples": self.draws.samples, "pairs": self.draws.pairs,
        }  # fmt: skip

    def seen(self) -> frozenset[str]:
        """Queries that a model behind any of the files has seen."""
        models = [path for _, path in self.runs]
        return seen([*models, self.assisted] if self.assisted else models)

    def tables(
        self, scale: GradeScale, *, grades_only: bool = False, distinct: bool = True
    ) -> _Tables:
        """Runs of all systems, qrels and queries.

        Args:
            scale: Scale of the grades.
            grades_only: Whether ids, grades and chances are all that is wanted of the qrels.
            distinct: Whether to refuse a pair that a file has twice.
        """
        import polars as pl

        from relevance.tables import read_table

        with ThreadPoolExecutor(max_workers=1) as pool:
            qrels = pool.submit(
                read_table,
                self.qrels or "",
                "qrels",
                scale=scale,
                columns=("inclusion_probability",) if grades_only else None,
                distinct=distinct,
            )
            frames = [
                systems(name, path, "runs", "system", scale, distinct=distinct)
                for name, path in self.runs
            ]
        runs = frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")
        return runs, qrels.result(), read_queries(self.queries)


def _from_files(files: _Files, options: dict[str, Any]) -> Results:
    from evaluation.ranking import RepeatedError, evaluate_ranking

    sources = Sources(files.paths)
    plain = not options["label_noise"] and files.write_joined is None
    tables = files.tables(options["scale"], grades_only=plain, distinct=False)
    try:
        results = evaluate_ranking(*tables, seen=files.seen(), **options)
    except RepeatedError:
        files.tables(options["scale"])  # says in which line, unless it takes two files
        raise
    if files.write_joined is not None:
        _write_joined(files, files.write_joined, tables)
    return told_of_draws(results, tables[1]).sourced(sources.text)


def _sampled(files: _Files, options: dict[str, Any]) -> Results:
    from evaluation.sampled import evaluate_sampled_ranking

    sources = Sources(files.paths)
    tables = files.tables(options["scale"])
    arguments = options | files.draws.arguments()
    results = evaluate_sampled_ranking(*tables, seen=files.seen(), **arguments)
    return explained(results).sourced(sources.text)


def _assisted(files: _Files, predictions: Path, options: dict[str, Any]) -> Results:
    from evaluation.assisted import assist_ranking

    sources = Sources(files.paths)
    scale = options["scale"]
    runs, qrels, queries = files.tables(scale)
    teacher = read(predictions, "predictions", scale)
    results = assist_ranking(runs, qrels, teacher, queries, seen=files.seen(), **options)
    if files.write_joined is not None:
        _write_joined(files, files.write_joined, (runs, qrels, queries))
    return results.sourced(sources.text)


def _from_joined(text: str, queries: Path | None, options: dict[str, Any]) -> Results:
    from evaluation.joined import evaluate_joined

    name, path = named_file(text)
    sources = Sources({"joined": path, "queries": queries})
    results = evaluate_joined(
        path, read_queries(queries), name=name or path.stem, seen=seen([path]), **options
    )
    return results.sourced(sources.text)


def _write_joined(files: _Files, out: Path, tables: _Tables) -> None:
    """Writes the joined table and its provenance, which hands on what the models have seen."""
    from evaluation.joined.making import join_tables, write_joined
    from relevance.files import hash_file
    from relevance.provenance import write_provenance

    frame = join_tables(*tables)
    write_joined(frame, out)
    inputs = {name: hash_file(path) for name, path in files.paths.items() if path is not None}
    write_provenance(out, command=_COMMAND, inputs=inputs, seen_queries=files.seen())
    notes.print(f"{frame.height:,} rows of runs and grades → {out}", highlight=False)


def _alone(**others: object) -> None:
    """Raises SettingsError if anything is given that --joined takes the place of."""
    given = [f"--{name.replace('_', '-')}" for name, value in others.items() if value]
    if given:
        raise SettingsError(f"--joined holds runs and grades already: leave out {', '.join(given)}")
