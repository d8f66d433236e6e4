"""What `gradewise evaluation compare` prints and writes, and when it fails."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from app.commands.evaluation.shared import GATE
from app.output import Format, emit, notes, print_table, refuse_to_overwrite
from app.wording import THIN, baseline_name, remark
from relevance.results import ComparisonRow, PairedRow, Results, markdown_table, show

if TYPE_CHECKING:
    import polars as pl

    from evaluation.compare.query_changes import Place, QueryChange
    from evaluation.compare.sides import Sides

_TITLE = 40  # letters of a Pin's title that are shown
_IN_JSON = "posterior_mean_difference"  # beginning of a note that every row has, too long to read


def print_comparison(results: Results, form: Format) -> None:
    """Prints the rows; for reading, the columns that decide, and remarks under the table."""
    if form in {Format.JSON, Format.CSV} or not any(isinstance(r, PairedRow) for r in results):
        emit(results, form)
        return
    rows = [row for row in results if isinstance(row, PairedRow) and not _says_nothing(row)]
    header, cells = _table(rows)
    lines = [*_remarks(rows), *_meanings(rows)]
    if form is Format.MARKDOWN:
        sys.stdout.write(markdown_table(header, cells) + "\n")
        sys.stdout.writelines(f"\n{line}\n" for line in lines)
        return
    print_table(header, cells, faint=[THIN in row.note for row in rows])
    sys.stdout.writelines(f"{line}\n" for line in lines)


def print_changes(
    sides: Sides,
    form: Format,
    *,
    n: int,
    queries: pl.DataFrame | None = None,
    pins: pl.DataFrame | None = None,
) -> None:
    """Prints both lists of the `n` queries that gained and lost most, by the first metric."""
    if n == 0 or form not in {Format.TEXT, Format.MARKDOWN}:
        return
    from evaluation.compare.query_changes import largest_changes

    for candidate in sides.candidates:
        gained, lost = largest_changes(sides, candidate, n=n, queries=queries, pins=pins)
        for change in [*gained, *lost]:
            _print_change(change, sides.baseline.name, form)


def check_files(paths: Iterable[Path | None], *, overwrite: bool) -> None:
    """Raises InputError if a file to write is there already or has no known ending."""
    for path in paths:
        if path is not None:
            refuse_to_overwrite(path, overwrite)
            _encoded({"query_id": []}, path)


def write_changes(sides: Sides, queries: pl.DataFrame | None, path: Path | None) -> None:
    """Writes every query's values to `path`, if one is given."""
    if path is None:
        return
    from evaluation.compare.query_changes import query_values

    table = query_values(sides, queries)
    _save(table, path)
    notes.print(f"{table.height:,} values of queries → {path}")


def write_unjudged(sides: Sides, path: Path | None) -> None:
    """Writes the unjudged pairs to `path`, if one is given, and says how to have them graded."""
    if path is None:
        return
    from evaluation.compare.unjudged import unjudged_pairs

    pairs = unjudged_pairs(sides)
    _save(pairs, path)
    notes.print(f"{pairs.height:,} unjudged pairs → {path}")
    if pairs.height:
        depth = int(pairs["rank"].to_numpy().max())
        notes.print(
            "have them graded: gradewise annotation sample --workspace DIR --append --draw pool "
            f"--run {path} --depth {depth} && gradewise annotation push --workspace DIR --draw pool"
        )


def check_regress(results: Results, level: float) -> None:
    """Exits with 3 if a tested metric is significantly worse, overall or in any group."""
    from evaluation.metrics import parse

    worse, unknown = [], []
    for row in results:
        if not isinstance(row, ComparisonRow) or "not_tested" in row.note:
            continue
        where = f"{row.metric} of {row.system}, {row.slice} {row.group}".removesuffix(", all all")
        if row.p_adjusted is None or row.difference is None:
            unknown.append(where)
            continue
        better = 1 if parse(row.metric).metric.higher_is_better else -1
        if row.p_adjusted < 1 - level and better * row.difference < 0:
            told = f"{show(row.difference, 'difference')}, p adjusted {show(row.p_adjusted, 'p_')}"
            worse.append(f"{where}: {told}")
    for where in unknown:
        notes.print(f"gate: not enough data to test {where}", markup=False)
    for where in worse:
        notes.print(f"gate: significantly worse: {where}", markup=False)
    if worse:
        raise typer.Exit(GATE)


def _says_nothing(row: PairedRow) -> bool:
    """Whether a group's row of a measure that nobody asked for shows no difference."""
    return row.slice != "all" and "not_tested" in row.note and row.difference == 0


def _table(rows: Sequence[PairedRow]) -> tuple[list[str], list[list[str]]]:
    """Header and cells; columns that say nothing are left out."""
    several = len({row.system for row in rows}) > 1
    slices = len({row.slice for row in rows} - {"all"}) > 1
    columns = {
        "metric": [row.metric for row in rows],
        "system": [row.system if several else "" for row in rows],
        "slice": [row.slice if slices else "" for row in rows],
        "group": [row.group for row in rows],
        "n": [f"{row.n:,}" for row in rows],
        "baseline": [show(row.baseline) for row in rows],
        "value": [show(row.value) for row in rows],
        "difference": [_ends(row, "difference") for row in rows],
        "relative": [_ends(row, "rel_difference") for row in rows],
        "p": [show(row.p_value, "p_") for row in rows],
        "p adj.": [show(row.p_adjusted, "p_") for row in rows],
        "p t": [show(row.p_value_t, "p_") for row in rows],
        "p boot": [show(row.p_value_bootstrap, "p_") for row in rows],
        "win/tie/loss": [_counts(row) for row in rows],
        "MDE": [show(row.mde) for row in rows],
        "unjudged": [f"{row.n_unjudged:,}" if row.n_unjudged else "" for row in rows],
        "worst … best": [_bounds(row) for row in rows],
        "flips": ["" if row.winner_flips is None else f"{row.winner_flips:.1%}" for row in rows],
    }
    told = {name: cells for name, cells in columns.items() if set(cells) - {"", "—"}}
    return list(told), [list(line) for line in zip(*told.values(), strict=True)]


def _ends(row: PairedRow, name: str) -> str:
    value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_ci_low", "_ci_high"))
    ends = "" if low is None else f" [{show(low, name)}, {show(high, name)}]"
    return show(value, name) + ends


def _counts(row: PairedRow) -> str:
    return "" if row.n_wins is None else f"{row.n_wins:,}/{row.n_ties:,}/{row.n_losses:,}"


def _bounds(row: PairedRow) -> str:
    if not row.n_unjudged or row.difference_worst is None:
        return ""
    ends = (row.difference_worst, row.difference_best)
    return " … ".join(show(end, "difference") for end in ends)


def _remarks(rows: Sequence[PairedRow]) -> list[str]:
    """What notes say, each once, with the rows that say it."""
    said: dict[str, list[str]] = {}
    for row in rows:
        parts = [p for p in row.note.split("; ") if not p.startswith(_IN_JSON)]
        if text := remark("; ".join(parts)):
            said.setdefault(text, []).append(f"{row.metric} {row.group}")
    lines = [f"{', '.join(dict.fromkeys(where))}: {text}" for text, where in said.items()]
    names = dict.fromkeys(f"{row.system} against {baseline_name(row.note)}" for row in rows)
    return [f"{', '.join(names)}, on the same queries", *lines]


def _meanings(rows: Sequence[PairedRow]) -> list[str]:
    meant: dict[str, list[str]] = {}
    for row in rows:
        if row.definition:
            meant.setdefault(row.definition, []).append(row.metric)
    lines = [f"{', '.join(dict.fromkeys(names))}: {text}" for text, names in meant.items()]
    return lines + [text for text in dict.fromkeys(row.source for row in rows) if text]


def _print_change(change: QueryChange, baseline: str, form: Format) -> None:
    verb = "gained" if change.difference > 0 else "lost"
    name = " · ".join(filter(None, (change.query_id, change.text, change.country)))
    title = (
        f"{verb}: {name} · {change.metric} {show(change.baseline)} → {show(change.candidate)} "
        f"({show(change.difference, 'difference')})"
    )
    header = ["rank", baseline, "grade", change.system, "grade"]
    pairs = zip_longest(change.before, change.after)
    cells = [
        [str(rank), *_place(old), *_place(new)] for rank, (old, new) in enumerate(pairs, start=1)
    ]
    sys.stdout.write("\n")
    if form is Format.MARKDOWN:
        sys.stdout.write(f"**{title}**\n\n{markdown_table(header, cells)}\n")
    else:
        sys.stdout.write(f"{title}\n")
        print_table(header, cells)


def _place(place: Place | None) -> tuple[str, str]:
    if place is None:
        return "", ""
    title = place.title if len(place.title) <= _TITLE else f"{place.title[: _TITLE - 1]}…"
    grade = "?" if place.grade is None else str(place.grade)
    return f"{place.pin_id} {title}".strip(), grade


def _save(table: pl.DataFrame, path: Path) -> None:
    from relevance.files import atomic

    data = _encoded(table, path)
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def _encoded(table: pl.DataFrame | dict[str, list[str]], path: Path) -> bytes:
    """The table as the bytes of the file; the first rows stay the first."""
    import polars as pl

    from relevance.writing import encode

    return encode(table if isinstance(table, pl.DataFrame) else pl.DataFrame(table), path, "pairs")
