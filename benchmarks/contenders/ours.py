"""Gradewise through its own command line, in this process: arguments in, a CSV table out."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

Figures = Mapping[str, float]
Work = tuple[Callable[[str], Figures], Mapping[str, float]]

COMMANDS = {
    "ranking_files": "ranking --run {run} --qrels {qrels} --queries {queries}"
    " --metrics nDCG@20,P@8 --by country",
    "ranking_files_points": "ranking --run {run} --qrels {qrels} --queries {queries}"
    " --metrics nDCG@20,P@8 --by country --reps 0",
    "ranking_joined": "ranking --joined {joined} --metrics nDCG@20,P@8 --by country",
    "ranking_joined_points": "ranking --joined {joined} --metrics nDCG@20,P@8 --by country"
    " --reps 0",
    "grades_points": "grades --joined {predictions} --metrics accuracy,AUROC@3,AUROC@4,AUROC@5"
    " --reps 0",
    "grades_intervals": "grades --joined {predictions} --metrics accuracy,AUROC@3,AUROC@4,AUROC@5"
    " --reps 1000 --seed {seed}",
    "alpha": "agreement {judgments} --metrics alpha(ordinal)",
    "experiment": "experiment analyze {sessions} --by country --start 2026-03-02 --no-duplicates",
    "experiment_duplicates": "experiment analyze {sessions} --by country --start 2026-03-02",
}
"""Function → what a user would type after `gradewise evaluation`, or `gradewise`."""

IMPORTS = {
    "ranking_files": ("evaluation.ranking", "relevance.tables", "scipy.special", "xxhash"),
    "ranking_files_points": ("evaluation.ranking", "relevance.tables", "scipy.special", "xxhash"),
    "ranking_joined": ("evaluation.joined", "scipy.special", "xxhash"),
    "ranking_joined_points": ("evaluation.joined", "scipy.special", "xxhash"),
    "grades_points": ("evaluation.pointwise", "pyarrow.parquet", "numpy.ma", "xxhash"),
    "grades_intervals": ("evaluation.pointwise", "pyarrow.parquet", "scipy.special", "xxhash"),
    "alpha": ("evaluation.agreement", "relevance.tables", "scipy.special", "xxhash"),
    "experiment": ("evaluation.experiment", "ibis.backends.duckdb", "pyarrow", "xxhash"),
    "experiment_duplicates": (
        *("evaluation.experiment", "ibis.backends.duckdb", "pyarrow", "xxhash"),
    ),
}
"""Function → what its command imports when it is run; no more, as libraries take memory, too."""


def warm_up() -> None:
    """Builds the command lines; lists the metrics, for which one imports what it needs itself."""
    _run(["metrics"])
    _command("experiment")
    version("numpy")  # which imports a parser of package metadata


def work(function: str, files: Mapping[str, Path]) -> Work:
    """Runs a command; its figures are read from the printed table later.

    Args:
        function: Key of `COMMANDS`.
        files: What its command names: files, and the seed.
    """
    _run([word.format(**files) for word in COMMANDS[function].split()])
    return _figures, {}


def _run(words: Sequence[str]) -> None:
    noun, verbs = ("experiment", words[1:]) if words[0] == "experiment" else ("evaluation", words)
    _command(noun).main([*verbs, "--format", "csv"], standalone_mode=False)


@functools.cache
def _command(noun: str) -> Any:
    """The command line of a noun, which a program has before it opens a file."""
    from typer.main import get_command

    from app.commands import evaluation, experiment

    return get_command({"evaluation": evaluation.app, "experiment": experiment.app}[noun])


def _figures(table: str) -> Figures:
    """The figures of a table: of the groups of a slice where there is one, else the overall."""
    rows = [row for row in csv.DictReader(io.StringIO(table)) if row["value"]]
    groups = [row for row in rows if row["slice"] != "all" and not row["group"].startswith("(")]
    plain = [row for row in rows if row["metric"].endswith("(unadjusted)")]
    return {
        f"{row['metric']} {row['group']}{'' if name == 'value' else f' {name}'}": float(row[name])
        for row in (*(groups or rows), *plain)
        for name in ("value", "ci_low", "ci_high", "difference")
        if row.get(name)
    }
