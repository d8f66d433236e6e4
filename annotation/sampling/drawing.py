"""Draws for measuring: single pairs or whole queries, of every stratum, by the design's counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.sampling.allotment import (
    NEYMAN,
    PROPORTIONAL,
    Amount,
    Floats,
    Ints,
    Strata,
    units_of,
)
from annotation.sampling.costs import Costs
from annotation.sampling.frame import LEVEL, Frame
from annotation.sampling.pooling import PAIR
from annotation.sampling.streams import generator
from annotation.sampling.unequal import equal, inclusion_probabilities, systematic
from evaluation.planning import moderated
from relevance.errors import InputError

PAIRS, QUERIES = "pairs", "queries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How pairs are drawn for measuring.

    Attributes:
        unit: `pairs`, or `queries` with all their candidate pairs.
        amount: How many units, or for how many minutes.
        allocation: How they are spread over the strata of a group: `proportional` (to the total
            size of the pairs, which is their number unless the frame gives them sizes), `neyman`
            or `even`.
        draw: What they are drawn for.
        costs: What a pair costs.
        seed: Seed of the draw; a group's depends on it and its own rows only.
    """

    unit: str = PAIRS
    amount: Amount = field(default_factory=Amount)
    allocation: str = PROPORTIONAL
    draw: str = "measure"
    costs: Costs = field(default_factory=Costs)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Drawn:
    """A frame with its draw.

    Attributes:
        frame: Its rows have moreover `stratum`, `probability` (0 where nothing was to be drawn),
            `drawn` and `overlap`.
        design: How it was drawn.
        notes: What is worth knowing, in words.
    """

    frame: Frame
    design: Design
    notes: tuple[str, ...]

    @property
    def samples(self) -> pl.DataFrame:
        """Table `samples` in key order; `judged` = graded before, and so not to be sent."""
        rows = self.frame.rows.filter("drawn")
        columns: list[str | pl.Expr] = [
            *PAIR,
            pl.col("probability").alias("inclusion_probability"),
            "stratum",
            pl.lit(self.design.draw).alias("draw"),
            pl.col("overlap").cast(pl.Int64),
        ]
        return rows.select(*columns, *(["judged"] if rows["judged"].any() else []))

    @property
    def new(self) -> pl.DataFrame:
        """The samples that people have not been asked yet."""
        known = self.frame.rows.filter(pl.col("judged") | pl.col("asked")).select(PAIR)
        return self.samples.join(known, on=PAIR, how="anti", maintain_order="left")

    @property
    def known(self) -> pl.DataFrame:
        """query_id and pin_id of the samples that cost nothing."""
        rows = self.frame.rows.filter("drawn")
        return rows.filter(pl.col("judged") | pl.col("asked")).select(PAIR)


def draw(frame: Frame, design: Design, figures: pl.DataFrame | None = None) -> Drawn:
    """Draws pairs of a frame, so that each is drawn with exactly the probability written.

    Pairs that were judged before cost nothing and are known for certain. Where pairs are drawn they
    are counted in with probability 1 and the draw is from the rest: given what is known, weighted
    totals stay unbiased however it came to be known. Where whole queries are drawn, a query all of
    whose pairs are known is certain; another's known pairs come with it if it is drawn, with the
    query's probability, as a query's figure needs all of its pairs or none.

    Args:
        frame: The candidates.
        design: How to draw.
        figures: For Neyman's allocation, what units were or should be like: query_id (and pin_id,
            where pairs are drawn), `mean`, and `noise` (variance of what the mean is not known to).

    Raises:
        InputError: More units than there are, fewer than strata, or minutes that buy none.
    """
    parts, notes = [], list(frame.notes)
    for (group,), rows in frame.rows.group_by("group", maintain_order=True):
        depth, told = _fitting_depth(frame, rows, str(group), design, figures)
        notes += [told] if told else []
        inside = rows.with_columns(pl.col(f"{LEVEL}{depth}").alias("stratum"))
        parts.append(_drawn_group(inside, str(group), design, figures))
    rows = pl.concat(parts).sort(PAIR)
    overlap = {s: design.costs.overlap.of(s) for s in rows["stratum"].unique().to_list()}
    rows = rows.with_columns(
        pl.col("stratum").replace_strict(overlap, return_dtype=pl.Int64).alias("overlap")
    )
    strata = rows["stratum"].unique().to_list() + frame.rows[f"{LEVEL}{frame.depth}"].to_list()
    unused = design.costs.overlap.unused(sorted(set(strata)))
    notes += [f"overlap of {name!r} is of no stratum of the candidates" for name in unused]
    return Drawn(replace(frame, rows=rows), design, tuple(notes))


def _fitting_depth(
    frame: Frame, rows: pl.DataFrame, group: str, design: Design, figures: pl.DataFrame | None
) -> tuple[int, str]:
    """The finest strata that get two units each, and a note if they are not those asked for."""
    amount = design.amount
    if amount.of == "all" or amount.per_stratum or amount.for_group(group) is None:
        return frame.depth, ""
    wanted = float(amount.for_group(group) or 0.0)
    for depth in range(frame.depth, 0, -1):
        there = rows.with_columns(pl.col(f"{LEVEL}{depth}").alias("stratum"))
        units = _units(there, design)
        strata = _strata(units, design, figures)
        n = int(wanted)
        if amount.of == "minutes":
            left = wanted - _reserved(rows, units, design)
            n = strata.affordable(left, design.allocation)
        if n >= strata.least or depth == 1:
            break
    if depth == frame.depth:
        return depth, ""
    fine = rows[f"{LEVEL}{frame.depth}"].n_unique()
    where = f"{group}: " if group else ""
    return depth, (
        f"{where}too few {design.unit} for two of each of {fine} strata; "
        f"{len(strata.names)} coarser ones are used"
    )


def _drawn_group(
    rows: pl.DataFrame, group: str, design: Design, figures: pl.DataFrame | None
) -> pl.DataFrame:
    """The rows of a group, stratum by stratum, with probability and drawn."""
    units = _units(rows, design)
    strata = _strata(units, design, figures)
    reserved = _reserved(rows, units, design)
    counts = units_of(
        strata, design.amount, group, allocation=design.allocation, reserved=reserved,
        unit=design.unit,
    )  # fmt: skip
    nothing = (counts == 0) & (strata.units > 0)
    if nothing.any() and counts.any():
        raise InputError(
            f"{int(counts.sum())} {design.unit} cannot be spread over {len(strata.names)} strata: "
            f"{strata.names[int(np.argmax(nothing))]!r} would get none. Ask for more, or for fewer "
            "strata (--by)"
        )
    wanted = design.amount.of == "all" or design.amount.for_group(group) is not None
    open_ = ~units["certain"].to_numpy()
    chance = np.where(open_, 0.0, float(wanted))
    hit = ~open_ & wanted
    sizes = units["size"].to_numpy()
    for place, (name, n) in _slices(units, strata, counts):
        inside = place[open_[place]]
        rng = generator(design.seed, f"{design.draw}/{name}")
        chance[inside], chosen = _chosen(sizes[inside], n, rng)
        hit[inside[chosen]] = True
    found = units.select("unit").with_columns(probability=chance, drawn=hit)
    key = PAIR if design.unit == PAIRS else ["query_id"]
    return rows.join(found.unnest("unit"), on=key, how="left", maintain_order="left")


def _reserved(rows: pl.DataFrame, units: pl.DataFrame, design: Design) -> float:
    """Minutes that are spent in any case: fixed gold questions, new pairs of certain queries."""
    certain = units.filter("certain")["minutes"].sum()
    return design.costs.reserved(rows) + float(certain)


def _chosen(sizes: Floats, n: int, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Probabilities of the units of a stratum and the places of those drawn."""
    if n == 0:
        return np.zeros(len(sizes)), np.zeros(0, dtype=np.int64)
    if np.ptp(sizes) == 0:
        return np.full(len(sizes), n / len(sizes)), equal(len(sizes), n, rng)
    chance = inclusion_probabilities(sizes, n)
    return chance, systematic(chance, rng)


def _slices(
    units: pl.DataFrame, strata: Strata, counts: Ints
) -> Iterator[tuple[NDArray[np.int64], tuple[str, int]]]:
    """Places of each stratum's units, in key order, with its name and count."""
    codes = units["code"].to_numpy()
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(counts)))
    for place, name, n in zip(
        np.split(order, ends[:-1]), strata.names, counts.tolist(), strict=True
    ):
        yield place, (name, n)


def _units(rows: pl.DataFrame, design: Design) -> pl.DataFrame:
    """What can be drawn: unit (its key), stratum, code, certain, size, minutes still to pay."""
    paid = design.costs.minutes(rows["language"], rows["stratum"])
    rows = rows.with_columns(
        pl.Series("minutes", paid) * ~(pl.col("judged") | pl.col("asked")),
        pl.col("stratum").rank("dense").cast(pl.Int64) - 1,
    ).with_columns(code=pl.col("stratum"), stratum=rows["stratum"])
    if design.unit == PAIRS:
        return rows.select(
            pl.struct(PAIR).alias("unit"),
            "stratum",
            "code",
            (pl.col("judged") | pl.col("asked")).alias("certain"),
            "size",
            "minutes",
        )
    return rows.group_by(pl.struct("query_id").alias("unit"), maintain_order=True).agg(
        pl.col("stratum").first(), pl.col("code").first(),
        (pl.col("judged").all() | pl.col("asked").any()).alias("certain"),
        pl.lit(1.0).alias("size"), pl.col("minutes").sum(),
    )  # fmt: skip


def _strata(units: pl.DataFrame, design: Design, figures: pl.DataFrame | None) -> Strata:
    """The strata of units, in the order of their names."""
    named = units.group_by("code").agg(pl.col("stratum").first()).sort("code")["stratum"].to_list()
    open_ = ~units["certain"].to_numpy()
    codes = units["code"].to_numpy()[open_]
    count = len(named)
    number = np.bincount(codes, minlength=count)
    minutes = np.bincount(codes, weights=units["minutes"].to_numpy()[open_], minlength=count)
    sizes = np.bincount(codes, weights=units["size"].to_numpy()[open_], minlength=count)
    sd = None
    if design.allocation == NEYMAN and figures is not None:
        sd = _deviations(units.filter(pl.Series(open_)), figures, count)
    return Strata(
        names=tuple(named),
        units=number.astype(np.int64),
        sizes=sizes.astype(np.float64),
        minutes=np.divide(minutes, number, out=np.zeros(count), where=number > 0),
        sd=sd,
    )


def _deviations(units: pl.DataFrame, figures: pl.DataFrame, count: int) -> Floats | None:
    """(H,) standard deviation of the units' figures in each stratum; None if nothing is known."""
    joined = units.unnest("unit").join(
        figures, on=[name for name in PAIR if name in figures.columns]
    )
    if joined.height < 2:
        return None
    codes, mean = joined["code"].to_numpy(), joined["mean"].to_numpy()
    n = np.bincount(codes, minlength=count).astype(np.float64)
    centre = np.bincount(codes, weights=mean, minlength=count) / np.maximum(n, 1)
    squares = np.bincount(codes, weights=(mean - centre[codes]) ** 2, minlength=count)
    df = np.maximum(n - 1, 0.0)
    noise = np.bincount(codes, weights=joined["noise"].to_numpy(), minlength=count)
    squares = squares + noise * df / np.maximum(n, 1)
    return np.sqrt(moderated(squares, df, fallback=float(np.var(mean))))
