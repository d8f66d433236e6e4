"""The plain draw: random queries of each country, with all their pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from annotation.sampling.strata import with_stratum
from annotation.sampling.streams import generator
from relevance.errors import InputError

SAMPLE_COLUMNS = ("query_id", "pin_id", "inclusion_probability", "stratum", "draw")
_KEY = ["query_id", "pin_id", "draw"]


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """What to draw in each country.

    Attributes:
        measure: Queries of each country to measure on; all their candidate pairs are graded.
        training: Country → queries to train on, none of them measured on; all their pairs.
        pool: Pairs of each country, of the queries that are left, as open work for people.
    """

    measure: int = 36
    training: Mapping[str, int] = field(default_factory=lambda: {"US": 60})
    pool: int = 0


def draw_samples(
    queries: pl.DataFrame, pairs: pl.DataFrame, plan: SamplePlan = SamplePlan(), *, seed: int = 0
) -> pl.DataFrame:
    """Queries drawn at random within each country, with all their candidate pairs.

    A country's draw depends on the seed and its own queries only. Queries to measure on come first,
    those to train on from the rest, so each query has inclusion probability drawn / there are.

    Args:
        queries: Table `queries`, with country.
        pairs: Table `pairs`: the candidates.
        plan: How many.
        seed: Seed of the draw.

    Returns:
        Table `samples`, in key order; stratum is the country.

    Raises:
        InputError: A country has fewer queries with candidates than the plan wants.
    """
    asked = with_stratum(queries, ("country",)).join(pairs, on="query_id", how="semi")
    parts = []
    for (country,), group in asked.sort("query_id").group_by("stratum", maintain_order=True):
        name = str(country)
        wanted = plan.training.get(name, 0)
        if plan.measure + wanted > group.height:
            raise InputError(
                f"{name} has {group.height} queries with candidate pairs; {plan.measure} to "
                f"measure and {wanted} to train on were wanted. Ask for fewer, or add queries"
            )
        order = generator(seed, name).permutation(group["query_id"].to_numpy())
        cuts = {"measure": order[: plan.measure], "training": order[plan.measure :][:wanted]}
        for draw, chosen in cuts.items():
            share = len(chosen) / group.height
            parts.append(_whole(pairs, list(chosen), share or 1.0, name, draw))
        rest = pairs.join(pl.DataFrame({"query_id": order[plan.measure + wanted :]}), on="query_id")
        parts.append(_some(rest, min(plan.pool, rest.height), name, "pool", seed))
    return pl.concat(parts).sort(_KEY)


def _whole(
    pairs: pl.DataFrame, query_ids: Sequence[str], probability: float, stratum: str, draw: str
) -> pl.DataFrame:
    chosen = pl.DataFrame({"query_id": query_ids}, schema={"query_id": pl.String})
    return _sample(pairs.join(chosen, on="query_id", how="semi"), probability, stratum, draw)


def _some(rows: pl.DataFrame, n: int, stratum: str, draw: str, seed: int) -> pl.DataFrame:
    ordered = rows.select("query_id", "pin_id").sort(pl.all())
    if not n:
        return _empty()
    chosen = generator(seed, f"{draw}/{stratum}").choice(rows.height, n, replace=False)
    return _sample(ordered[np.sort(chosen)], n / rows.height, stratum, draw)


def _sample(pairs: pl.DataFrame, probability: float, stratum: str, draw: str) -> pl.DataFrame:
    return pairs.select(
        "query_id",
        "pin_id",
        pl.lit(probability).alias("inclusion_probability"),
        pl.lit(stratum).alias("stratum"),
        pl.lit(draw).alias("draw"),
    )


def _empty() -> pl.DataFrame:
    schema = dict.fromkeys(SAMPLE_COLUMNS, pl.String)
    return pl.DataFrame(schema={**schema, "inclusion_probability": pl.Float64})
