"""Reads the results tables of a workspace, once a version: what every page and the report show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from app.grading_tables import FILES, Grading, read_grading
from relevance.formats import armed
from relevance.provenance import read_provenance
from relevance.results import Results, results_from

MADE_BY: Mapping[str, str] = {
    "agreement": "gradewise evaluation agreement",
    "grades": "gradewise evaluation grades",
    "ranking": "gradewise evaluation ranking",
    "compare": "gradewise evaluation compare",
    "experiment": "gradewise experiment analyze",
}
"""Results table → the command that makes it; `gradewise demo` makes them all.

The tables are `results-….parquet` as `Results.to_frame` gives them, or what these commands print
with `--format csv`, kept as `results-….csv` in the workspace.
"""

ENDINGS = (".parquet", ".csv", ".json")
COUNTED = ("judgments", "qrels")
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """The results tables of a workspace.

    Attributes:
        name: Name of the workspace's folder.
        results: Table (`grades` for `results-grades`) → its rows; those that are there.
        provenance: Table → what its provenance file says; those that have one.
        counts: `judgments`, `qrels` → rows; those that are there.
        problems: Table → why it is there but cannot be read.
        grading: What is known of human grading.
    """

    name: str
    results: Mapping[str, Results] = field(default_factory=dict)
    provenance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    grading: Grading = field(default_factory=Grading)

    def rows(self, name: str) -> Results:
        """Rows of a results table; none if it is missing."""
        return self.results.get(name, Results(()))

    @property
    def made_at(self) -> str:
        """When the newest results table was made (UTC); empty if no provenance says so."""
        return max((str(each.get("made_at", "")) for each in self.provenance.values()), default="")

    @property
    def level(self) -> float | None:
        """Confidence level of the intervals; None if the tables differ or do not say."""
        levels = {
            float(each["config"]["level"])
            for each in self.provenance.values()
            if isinstance(each.get("config"), dict) and "level" in each["config"]
        }
        return levels.pop() if len(levels) == 1 else None


def load(root: Path) -> Tables:
    """The workspace's results tables; read again only when a file has changed."""
    return _load(root, _stamp(root))


def _stamp(root: Path) -> Stamp:
    """Name, size and time of every file that is shown."""
    names = [f"results-{name}" for name in MADE_BY] + list(COUNTED)
    files = [f"{name}{ending}" for name in names for ending in ENDINGS]
    found = []
    for path in (root / name for name in dict.fromkeys((*files, *FILES))):
        if path.exists():
            stat = path.stat()
            found.append((path.name, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


@lru_cache(maxsize=4)
def _load(root: Path, stamp: Stamp) -> Tables:
    present = {name for name, _, _ in stamp}
    results: dict[str, Results] = {}
    provenance: dict[str, Mapping[str, Any]] = {}
    counts: dict[str, int] = {}
    problems: dict[str, str] = {}
    for name in (*MADE_BY, *COUNTED):
        stem = name if name in COUNTED else f"results-{name}"
        file = next((each for each in (f"{stem}.parquet", f"{stem}.csv") if each in present), None)
        if file is None:
            continue
        try:
            if name in COUNTED:
                counts[name] = pl.scan_parquet(root / file).select(pl.len()).collect().item()
                continue
            results[name] = results_from(_frame(root / file).to_dicts())
            provenance[name] = read_provenance(root / file) or {}
        except (pl.exceptions.PolarsError, OSError, KeyError, ValueError) as error:
            first_line = (str(error).splitlines() or [""])[0]
            problems[name] = f"{file} cannot be read: {first_line.rstrip('.')}."
    made = {name: said for name, said in provenance.items() if said}
    return Tables(root.name, results, made, counts, problems, read_grading(root))


def _frame(path: Path) -> pl.DataFrame:
    """A results table from Parquet, or from the CSV that a command printed."""
    if path.suffix != ".csv":
        return pl.read_parquet(path)
    schema = Results(()).to_frame().schema
    frame = armed(pl.read_csv(path, infer_schema=False))
    return frame.with_columns(_typed(name, schema.get(name, pl.String())) for name in frame.columns)


def _typed(name: str, kind: pl.DataType) -> pl.Expr:
    """A column of text as the table's column."""
    if kind == pl.String:
        return pl.col(name).fill_null("")
    known = pl.col(name).replace("", None)
    return known == "True" if kind == pl.Boolean else known.cast(kind)
