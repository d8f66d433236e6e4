"""What was left out of an analysis, and why: the funnel from the log to the users analysed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import polars as pl

from evaluation.experiment.cautions import is_share
from evaluation.experiment.cells import Cells
from evaluation.outcomes import Outcome
from evaluation.sessions import DUPLICATES_UP_TO, SessionMoments
from relevance.results import ExperimentRow


def count_rows(
    moments: SessionMoments,
    variants: Collection[str],
    by: Mapping[str, str],
    positions: Mapping[Outcome, int],
) -> list[ExperimentRow]:
    """Counts of users (`n`) and sessions (`n_sessions`), with their share of the log in `value`.

    `log` is everything, `excluded(…)` was left out, `kept(…)` stays and is worth knowing,
    `analysed` is what the figures rest on, `outcome` warns of values that are no rate.

    Args:
        moments: Of the whole log.
        variants: Those that are compared.
        by: Column split by → its column in the cells.
        positions: Outcome → its position in the cells, the primary first.
    """
    cells = moments.cells
    exposed = cells.filter(pl.col("variant").is_not_null())
    clean = exposed.filter(~pl.col("contaminated") & pl.col("variant").is_in(list(variants)))
    everyone, held = int(cells["users"].sum()), Cells(clean, positions)
    rows = [
        ExperimentRow(metric="log", value=1.0, n=everyone, n_sessions=moments.rows),
        *_users(cells, exposed, clean, everyone, by),
        *_sessions(moments, held),
        _analysed(clean, everyone),
        *_outcome_notes(held),
    ]
    return [replace(row, role="count") for row in rows]


def _users(
    cells: pl.DataFrame,
    exposed: pl.DataFrame,
    clean: pl.DataFrame,
    everyone: int,
    by: Mapping[str, str],
) -> Iterator[ExperimentRow]:
    pure = exposed.filter(~pl.col("contaminated"))
    unexposed = cells.filter(pl.col("variant").is_null())
    known = pl.col("variant").is_in(clean["variant"].unique().to_list())
    counts = [
        ("excluded(not_exposed)", unexposed, "users", "without an exposed session"),
        ("excluded(contaminated)", exposed.filter("contaminated"), "users", "seen in two variants"),
        ("excluded(unknown_variant)", pure.filter(~known), "users", "in a variant not compared"),
        ("kept(with_pre_period)", clean, "with_pre_period", "with sessions before"),
    ]
    for name, column in by.items():
        nowhere = clean.filter(pl.col(column).is_null())
        why = f"whose first exposed session has no {name}"
        counts.append((f"kept(no_{name})", nowhere, "users", why))
        if column == "group_0":
            note = "the first exposed session decides"
            counts.append((f"kept(several_{name})", clean, "several_groups", note))
    for metric, part, column, note in counts:
        users = int(part[column].sum())
        share = users / everyone if everyone else None
        yield ExperimentRow(metric=metric, value=share, n=users, note=note)


def _sessions(moments: SessionMoments, clean: Cells) -> Iterator[ExperimentRow]:
    cells = moments.cells
    unexposed = "with an exposure but no variant; not taken as exposed"
    outside = "outside start and end, or between start and first exposure"
    counts = [
        ("duplicate_sessions", moments.duplicates or 0, _repeated(moments)),
        ("no_unit", moments.no_unit, "without a user"),
        ("no_variant", int(cells["no_variant"].sum()), unexposed),
        ("outside_window", int(cells["outside"].sum()), outside),
    ]
    for name, count, note in counts:
        share = count / moments.rows if moments.rows else None
        yield ExperimentRow(metric=f"excluded({name})", value=share, n_sessions=count, note=note)
    for number, outcome in enumerate(clean.positions):
        yield _missing(moments, clean, outcome, primary=number == 0)


def _missing(
    moments: SessionMoments, clean: Cells, outcome: Outcome, *, primary: bool
) -> ExperimentRow:
    count, of_users = clean.missing(outcome), outcome.kind == "user"
    whole = int(moments.cells["users"].sum()) if of_users else moments.rows
    stays = "" if of_users else "; the user stays"
    return ExperimentRow(
        metric="excluded(missing_outcome)",
        slice="all" if primary else "outcome",
        group="all" if primary else outcome.name,
        value=count / whole if whole else None,
        n=count if of_users else 0,
        n_sessions=0 if of_users else count,
        note=f"without {outcome.name}{stays}",
    )


def _repeated(moments: SessionMoments) -> str:
    if moments.duplicates is not None:
        return "repeated; counted once"
    if moments.rows > DUPLICATES_UP_TO:
        return "not looked for: too many rows"
    return "not looked for: not asked for, no session column, or removed before"


def _analysed(clean: pl.DataFrame, everyone: int) -> ExperimentRow:
    users, sessions = int(clean["users"].sum()), int(clean["sessions"].sum())
    share = users / everyone if everyone else None
    return ExperimentRow(metric="analysed", value=share, n=users, n_sessions=sessions)


def _outcome_notes(clean: Cells) -> Iterator[ExperimentRow]:
    """Rows that warn of rates whose values are beyond 0 and 1."""
    for number, outcome in enumerate(clean.positions):
        low, high = clean.value_range(outcome)
        if outcome.kind != "rate" or is_share(outcome, (low, high)):
            continue
        yield ExperimentRow(
            metric="outcome",
            slice="outcome" if number else "all",
            group=outcome.name if number else "all",
            note=f"outcomes from {low:g} to {high:g}: a mean per session, not a rate",
        )
