"""From the options of `gradewise annotation sample` to a draw: each step a small function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.annotation.sample_inputs import (
    MINUTES,
    Numbers,
    file_of,
    gold_wanted,
    judged_pairs,
    numbers,
    overlap_file,
    share,
    table,
)
from relevance.errors import InputError, SettingsError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from annotation.sampling.allotment import Amount
    from annotation.sampling.costs import Costs
    from annotation.sampling.drawing import Design
    from annotation.sampling.frame import Frame
    from relevance.workspace import Workspace

DRAWN = ("measure", "pool", "training")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options as given; see the command's help."""

    run: tuple[str, ...]
    log: str | None
    unjudged: str | None
    depth: int
    queries: str | None
    pairs: str | None
    minutes: str | None
    unit: str | None
    by: str
    classes: int
    allocate: str | None
    measure: str | None
    size: str | None
    rank_weight: str | None
    active: bool
    predictions: str | None
    student: str | None
    past: str | None
    judged: tuple[str, ...]
    judgments: str | None
    overlap: str | None
    adaptive: bool
    seconds: float | None
    gold: str | None
    repeats: str | None
    draw: str
    append: bool
    seed: int

    @property
    def whole(self) -> bool:
        """Whether whole queries are drawn."""
        if self.unit is not None:
            return self.unit == "queries"
        if self.queries is not None:
            return True
        single = self.pairs or self.size or self.active or self.unjudged
        return self.designed and not single

    @property
    def designed(self) -> bool:
        """Whether something is to be drawn at all, rather than everything taken."""
        given = (self.queries, self.pairs, self.minutes, self.size, self.allocate, self.unit)
        return self.active or any(one is not None for one in given)


def check(asked: Asked) -> None:
    """Refuses options that contradict each other.

    Raises:
        InputError: They do; it says which to leave out.
    """
    from annotation.sampling.allotment import ALLOCATIONS
    from relevance.records import DRAWS

    if asked.draw not in DRAWN:
        if asked.draw in DRAWS:
            raise InputError(f"{asked.draw} samples come with other draws. Use --gold or --repeats")
        known = ", ".join(DRAWN)
        raise InputError(f"draw {asked.draw!r} is unknown. Use one of {known}")
    if asked.queries is not None and asked.pairs is not None:
        raise InputError("give --queries or --pairs, not both")
    if asked.minutes is not None and (asked.queries or asked.pairs):
        raise InputError("--minutes says how many are drawn: leave out --queries and --pairs")
    if asked.allocate is not None and asked.allocate not in ALLOCATIONS:
        near = did_you_mean(asked.allocate, ALLOCATIONS)
        raise InputError(
            f"allocation {asked.allocate!r} is unknown.{near} Use {', '.join(ALLOCATIONS)}"
        )
    if asked.unit not in (None, "queries", "pairs"):
        raise InputError(f"--unit must be queries or pairs, got {asked.unit!r}")
    if asked.unjudged is not None and (asked.run or asked.log):
        raise InputError("--unjudged names the candidates: leave out --run and --log")
    for wrong, told in _contradictions(asked):
        if wrong:
            raise InputError(told)


def _contradictions(asked: Asked) -> tuple[tuple[object, str], ...]:
    """Whether options contradict each other, and what to do about it."""
    from annotation.sampling.allotment import NEYMAN

    return (
        (asked.unit == "pairs" and asked.queries, "--queries draws whole queries, not pairs"),
        (asked.unit == "queries" and asked.pairs, "--pairs draws single pairs, not queries"),
        (asked.size and asked.whole, "--size draws single pairs: give --pairs or --minutes"),
        (asked.rank_weight and not asked.size, "--rank-weight is a part of the size: add --size"),
        (
            asked.size and asked.allocate,
            "--size spreads the pairs by their sizes: leave out --allocate",
        ),
        (
            asked.measure and asked.allocate != NEYMAN,
            "--for is what Neyman's allocation serves: add --allocate neyman",
        ),
        (
            asked.active and asked.draw != "training",
            "--active chooses pairs to train on, not to measure on: add --draw training",
        ),
        (asked.active and asked.whole, "--active chooses single pairs: leave out --queries"),
        (
            asked.active and (asked.size or asked.allocate),
            "--active chooses pairs, it draws none at random: leave out --size and --allocate",
        ),
        (asked.active and not asked.predictions, "--active needs the teacher: --predictions FILE"),
        (asked.student and not asked.active, "--student is for --active"),
        (asked.adaptive and not asked.judgments, "--adaptive-overlap needs --judgments FILE"),
    )  # fmt: skip


def amount_of(asked: Asked) -> Amount:
    """How much to draw."""
    from annotation.sampling.allotment import Amount

    if not asked.designed:
        return Amount()
    if asked.minutes is not None or not (asked.queries or asked.pairs):
        given = numbers("minutes", asked.minutes or f"{MINUTES:g}", whole=False)
        return Amount("minutes", given.each, given.named)
    text = asked.queries or asked.pairs or ""
    found = numbers("queries" if asked.queries else "pairs", text)
    each_stratum = bool(asked.queries) and asked.allocate is None and not found.named
    return Amount("units", found.each, found.named, per_stratum=each_stratum)


def per_country(asked: Asked, amount: Amount) -> bool:
    """Whether countries have budgets of their own, and so strata lie within them."""
    if amount.of == "minutes" or amount.named:
        return True
    return bool(asked.queries) and asked.allocate is not None


def candidates_of(
    space: Workspace, asked: Asked
) -> tuple[pl.DataFrame, list[pl.DataFrame], list[Path]]:
    """The candidate pairs, the runs they were pooled from, and these runs' files."""
    from annotation.sampling import ranked_pool, run_of_log

    paths = [file_of(space, name, "runs") for name in asked.run]
    runs = [_named(table(space, name, "runs"), name) for name in asked.run]
    if asked.log is not None:
        runs.append(run_of_log(table(space, asked.log, "pairs")))
    if runs:
        return ranked_pool(runs, asked.depth), runs, paths
    if asked.unjudged is not None:
        holes = table(space, asked.unjudged, "pairs")
        return holes.drop("rank", "n_systems", strict=False), [], []
    pairs = space.read("pairs", made_by="gradewise data import")
    return pairs.drop("rank", strict=False), [], []


def _named(run: pl.DataFrame, name: str) -> pl.DataFrame:
    """The run with a system in every row: the file's name where it has none."""
    import polars as pl

    return run.with_columns(pl.col("system").fill_null(Path(name).stem.removeprefix("runs-")))


def frame_of(
    space: Workspace,
    asked: Asked,
    candidates: pl.DataFrame,
    queries: pl.DataFrame,
    samples: pl.DataFrame | None,
) -> Frame:
    """The frame, without queries of the other side; judged and drawn pairs are marked."""
    import polars as pl

    from annotation.sampling.apart import kept_apart
    from annotation.sampling.frame import make_frame

    by = tuple(name.strip() for name in asked.by.split(",") if name.strip())
    before = None if samples is None else samples.filter(pl.col("draw") == asked.draw)
    frame = make_frame(
        candidates.drop("judged", "asked", "group", "country", "language", strict=False),
        queries,
        by,
        per_country=per_country(asked, amount_of(asked)),
        classes=asked.classes,
        judged=judged_pairs(space, list(asked.judged)),
        asked=before,
    )
    return kept_apart(frame, samples, asked.draw)


def read_files(space: Workspace, asked: Asked) -> dict[str, str]:
    """SHA-256 of every file and table that the options name, and of those read anyway."""
    from relevance.files import hash_file

    kinds = {
        "runs": asked.run, "pairs": (asked.log, asked.unjudged), "qrels": (asked.past,),
        "predictions": (asked.predictions, asked.student), "judgments": (asked.judgments,),
    }  # fmt: skip
    paths = [file_of(space, name, kind) for kind, given in kinds.items() for name in given if name]
    paths += [file_of(space, name, name) for name in asked.judged]
    found = {path.name: hash_file(path) for path in paths if path.is_file()}
    return space.hashes("queries", "pairs", "gold", "qrels", "judgments") | found


def unseen(frame: Frame, runs: list[Path]) -> Frame:
    """The frame without queries that a model behind a run has seen: no figure is made of them."""
    import polars as pl

    from annotation.sampling.apart import without
    from relevance.provenance import hash_query, seen_queries

    seen = frozenset().union(*(seen_queries(path) for path in runs))
    if not seen:
        return frame
    ids = frame.rows["query_id"].unique()
    known = [query for query in ids.to_list() if hash_query(query) in seen]
    return without(frame, pl.Series(known, dtype=pl.String), "seen by a model of the runs")


def costs_of(
    asked: Asked,
    queries: pl.DataFrame,
    judgments: pl.DataFrame | None,
    strata: pl.DataFrame,
) -> Costs:
    """What a pair costs: opinions, pace, gold questions and repeats."""
    from annotation.sampling.costs import Costs, Hidden
    from annotation.sampling.overlap import OVERLAP, Overlap, by_disagreement
    from annotation.sampling.pace import Pace, measured_pace

    given = Numbers(None, {}) if asked.overlap is None else Numbers(*overlap_file(asked.overlap))
    named = {name: int(number) for name, number in given.named.items()}
    overlap = Overlap(int(given.each or OVERLAP), named)
    if asked.adaptive and judgments is not None:
        overlap = by_disagreement(judgments, strata, overlap)
    gold = gold_wanted(asked.gold)
    if asked.seconds is not None and not asked.seconds > 0:
        raise SettingsError(f"--seconds must be above 0, got {asked.seconds:g}")
    return Costs(
        overlap=overlap,
        pace=measured_pace(judgments, queries) if asked.seconds is None else Pace(asked.seconds),
        gold=Hidden(*gold),
        repeats=0.0 if asked.repeats is None else share("repeats", asked.repeats),
    )


def design_of(asked: Asked, costs: Costs) -> Design:
    """The design of the draw."""
    from annotation.sampling.allotment import PROPORTIONAL
    from annotation.sampling.drawing import PAIRS, QUERIES, Design

    return Design(
        unit=QUERIES if asked.whole else PAIRS,
        amount=amount_of(asked),
        allocation=asked.allocate or PROPORTIONAL,
        draw=asked.draw,
        costs=costs,
        seed=asked.seed,
    )
