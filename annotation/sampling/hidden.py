"""Hidden questions: gold pairs whose grade is known, and pairs that are asked a second time."""

from __future__ import annotations

import numpy as np
import polars as pl

from annotation.sampling.costs import Costs, part_of
from annotation.sampling.pooling import PAIR
from annotation.sampling.streams import generator
from annotation.sampling.unequal import equal
from evaluation.planning.allocation import allocate

GOLD, REPEAT = "gold", "repeat"


def locales(queries: pl.DataFrame) -> pl.DataFrame:
    """query_id and its locale: `fr-FR`, or whichever of language and country is given, or empty."""
    there = [name for name in ("language", "country") if name in queries.columns]
    parts = [pl.col(name).cast(pl.String) for name in there]
    text = pl.concat_str(parts, separator="-", ignore_nulls=True) if parts else pl.lit("")
    return queries.select("query_id", text.fill_null("").alias("locale"))


def to_grade(samples: pl.DataFrame) -> pl.DataFrame:
    """The rows that are to be sent: those not graded before."""
    return samples.filter(~pl.col("judged")) if "judged" in samples.columns else samples


def draw_gold(
    gold: pl.DataFrame,
    queries: pl.DataFrame,
    samples: pl.DataFrame,
    costs: Costs,
    *,
    avoid: pl.DataFrame | None = None,
    seed: int = 0,
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Gold questions for every locale in which pairs are drawn, as evenly over grades as there are.

    Args:
        gold: Table `gold`.
        queries: Table `queries`.
        samples: The pairs drawn; those already judged count for nothing.
        costs: How many gold questions a locale gets.
        avoid: Pairs that people have seen, or will: they hide nothing.
        seed: Seed of the draw; a locale's depends on it and its own gold only.

    Returns:
        Rows of `samples` (draw `gold`, stratum the locale), and notes on locales with too few.
    """
    seen = [samples.select(PAIR)] + ([avoid.select(PAIR)] if avoid is not None else [])
    where = locales(queries)
    open_ = gold.join(pl.concat(seen), on=PAIR, how="anti").join(where, on="query_id")
    parts, notes = [_nothing()], []
    for locale, pairs in _new(samples, where).group_by("locale").len().sort("locale").iter_rows():
        wanted = costs.gold.wanted(pairs)
        there = open_.filter(pl.col("locale") == locale).sort("grade", *PAIR)
        if there.height < wanted:
            notes.append(f"{locale or 'all'}: {there.height} gold questions, {wanted} wanted")
        if wanted and there.height:
            chosen = _of_locale(there, min(wanted, there.height), str(locale), seed)
            country = str(locale).rpartition("-")[2]
            overlap = pl.lit(costs.overlap.of(country), dtype=pl.Int64).alias("overlap")
            parts.append(chosen.with_columns(overlap))
    return pl.concat(parts).sort(PAIR), tuple(notes)


def draw_repeats(
    samples: pl.DataFrame, queries: pl.DataFrame, share: float, *, seed: int = 0
) -> pl.DataFrame:
    """Pairs of every locale that are asked again, at random: rows of `samples`, draw `repeat`.

    The same person can only be asked twice if the platform deals both to them: of the r opinions on
    a pair and r on its repeat by A people, r²/A are by the same one on average.

    Args:
        samples: The pairs drawn; those already judged are not repeated.
        queries: Table `queries`.
        share: Of each locale's new pairs, rounded down; one at least.
        seed: Seed of the draw.
    """
    parts = [_nothing()]
    new = _new(samples, locales(queries))
    for (locale,), rows in new.sort("locale", *PAIR).group_by("locale", maintain_order=True):
        n = part_of(rows.height, share)
        chosen = equal(rows.height, n, generator(seed, f"{REPEAT}/{locale}"))
        parts.append(
            rows[chosen].select(
                *PAIR,
                pl.col("inclusion_probability") * (n / rows.height),
                "stratum",
                pl.lit(REPEAT).alias("draw"),
                "overlap",
            )
        )
    return pl.concat(parts).sort(PAIR)


def _of_locale(there: pl.DataFrame, n: int, locale: str, seed: int) -> pl.DataFrame:
    grades = there["grade"].unique().sort().to_list()
    sizes = np.array([there.filter(pl.col("grade") == g).height for g in grades], dtype=np.int64)
    counts = allocate(n, np.ones(len(sizes)), minimum=0, caps=sizes)
    parts = []
    for grade, count in zip(grades, counts.tolist(), strict=True):
        rows = there.filter(pl.col("grade") == grade)
        chosen = equal(rows.height, count, generator(seed, f"{GOLD}/{locale}/{grade}"))
        parts.append(
            rows[chosen].select(
                *PAIR,
                pl.lit(count / rows.height).alias("inclusion_probability"),
                pl.lit(locale).alias("stratum"),
                pl.lit(GOLD).alias("draw"),
            )
        )
    return pl.concat(parts)


def _new(samples: pl.DataFrame, where: pl.DataFrame) -> pl.DataFrame:
    """The drawn pairs that people are still to grade, with their locale."""
    samples = to_grade(samples)
    return samples.join(where, on="query_id")


def _nothing() -> pl.DataFrame:
    text = dict.fromkeys((*PAIR, "stratum", "draw"), pl.String)
    numbers = {"inclusion_probability": pl.Float64, "overlap": pl.Int64}
    return pl.DataFrame(schema={**text, **numbers}).select(
        *PAIR, "inclusion_probability", "stratum", "draw", "overlap"
    )
