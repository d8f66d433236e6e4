"""`gradewise data texts`: board titles and engaged queries of Pins, made from logs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.data.shared import note
from app.output import OverwriteOption, print_table, progress_bar, refuse_to_overwrite
from relevance.errors import InputError

if TYPE_CHECKING:
    import polars as pl


def texts(
    *,
    pins: Annotated[Path, typer.Option("--pins", help="Table of Pins.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The Pins with these texts.")],
    boards: Annotated[
        Path | None,
        typer.Option("--boards", help="Log of saves: pin_id, user_id, board_title, saved_at."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option("--log", help="Log of engagements: pin_id, user_id, query, engaged_at."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until",
            formats=["%Y-%m-%d"],
            help="Day (UTC) from which events do not count: that of the first label. "
            "Else all events do.",
        ),
    ] = None,
    days: Annotated[int, typer.Option(help="Days before it that count.")] = 730,
    actions: Annotated[
        str | None, typer.Option(help="Engagements that count, as save,long_click; else all.")
    ] = None,
    min_users: Annotated[int, typer.Option(help="Users of a phrase on one Pin.")] = 2,
    privacy_users: Annotated[
        int, typer.Option(help="Users of a phrase in all; what fewer wrote is shown nowhere.")
    ] = 10,
    top: Annotated[int, typer.Option(help="Phrases a Pin.")] = 8,
    without: Annotated[
        Path | None,
        typer.Option(
            "--without", help="Graded pairs whose own query must not count for their Pin."
        ),
    ] = None,
    queries: Annotated[Path | None, typer.Option("--queries", help="Texts of these pairs.")] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Make the board titles and engaged queries of Pins from logs of any size.

    Example: gradewise data texts --pins pins.parquet --boards saves.parquet
    --log engagements.parquet --until 2026-10-01 --out pins-with-texts.parquet
    """
    from dataclasses import replace
    from datetime import UTC

    from relevance.aggregates import BOARDS, ENGAGEMENTS, AggregateConfig, aggregate, open_log
    from relevance.aggregates import with_texts as put
    from relevance.files import hash_file
    from relevance.provenance import write_provenance
    from relevance.tables import read_table, write_table

    if boards is None and log is None:
        raise InputError("give --boards, --log or both")
    refuse_to_overwrite(out, overwrite)
    frame = read_table(pins, "pins")
    judged = _judged(without, queries)
    config = AggregateConfig(
        until=None if until is None else until.replace(tzinfo=UTC),
        days=days,
        min_users=min_users,
        privacy_users=privacy_users,
        top=top,
    )
    names = tuple(one.strip() for one in (actions or "").split(",") if one.strip())
    rows, hashes = [], {"pins": hash_file(pins)}
    for path, kind in ((boards, BOARDS), (log, ENGAGEMENTS)):
        if path is None:
            continue
        saved = kind is BOARDS
        chosen = config if saved else replace(config, actions=names)
        apart = None if saved else judged
        with progress_bar(kind.feature) as progress:
            found, counts = aggregate(
                open_log(path, kind), kind, chosen, without=apart, progress=progress
            )
        frame = put(frame, found, kind)
        hashes[kind.table] = hash_file(path) if path.is_file() else str(path.name)
        rows.append(
            (
                kind.feature,
                f"{counts.n_counted:,} of {counts.n_events:,}",
                f"{counts.n_with_text:,} of {frame.height:,}",
                f"{counts.n_private:,} of {counts.n_phrases:,}",
                f"{counts.since:%Y-%m-%d} to {counts.until:%Y-%m-%d}" if counts.until else "",
            )
        )
    write_table(frame, out, "pins")
    if out.suffix == ".parquet":
        write_provenance(
            out,
            command="gradewise data texts",
            inputs=hashes,
            config={"until": str(config.until), "days": days, "min_users": min_users}
            | {"privacy_users": privacy_users, "top": top, "actions": actions},
        )
    print_table(("feature", "events", "Pins with it", "phrases kept private", "window"), rows)
    if until is None:
        note("without --until these texts may know what came after the labels")


def _judged(pairs: Path | None, queries: Path | None) -> pl.DataFrame | None:
    """pin_id and text of the queries that it was graded for.

    Raises:
        InputError: The texts of the queries are not given.
    """
    if pairs is None:
        return None
    if queries is None:
        raise InputError("--without names queries by id. Add their texts: --queries FILE")
    from relevance.tables import read_table

    asked = read_table(queries, "queries").select("query_id", "text")
    return read_table(pairs, "pairs").join(asked, on="query_id").select("pin_id", "text")
