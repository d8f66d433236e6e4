"""`gradewise annotation sample`: which pairs to grade."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.annotation.options import (
    DEFAULT_WORKSPACE,
    WorkspaceOption,
)
from app.output import (
    OverwriteOption,
    SeedOption,
    notes,
    refuse_to_overwrite,
)

if TYPE_CHECKING:
    import polars as pl

    from relevance.workspace import Workspace


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
