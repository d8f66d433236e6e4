"""A seeded, synthetic visual-discovery world in which the truth is known.

Queries and Pins in English, French, Spanish and Japanese are composed from attributes, so that the
true grade of every pair follows from a rule (`grading`). Graders, engagement logs, two ranking
systems and an A/B test are simulated on top of it. All words are our own.

Example:
    >>> world = make_world(tiny(seed=1))
    >>> world.truth["grade"].min(), world.truth["grade"].max()
    (1, 5)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from relevance.errors import InputError
from relevance.world.config import LANGUAGES, WorldConfig, tiny
from relevance.world.embeddings import pin_embeddings, query_embeddings
from relevance.world.graders import GRADERS, Grader, simulate
from relevance.world.grading import codes_of, true_grades
from relevance.world.images import draw
from relevance.world.logs import make_pairs
from relevance.world.phrases import Meaning
from relevance.world.pins import make_pins
from relevance.world.pools import make_pools
from relevance.world.queries import make_queries
from relevance.world.ranking import make_runs
from relevance.world.sessions import make_sessions

__all__ = [
    "GRADERS",
    "LANGUAGES",
    "Grader",
    "World",
    "WorldConfig",
    "grade_pairs",
    "image_of",
    "make_world",
    "tiny",
    "true_grades_of",
    "write_images",
]


@dataclass(frozen=True, slots=True)
class World:
    """Everything of a world; frames are tables of `relevance.records`.

    Attributes:
        config: What it was made from.
        queries: Table `queries`, with `shopping_interest` (0-1).
        pins: Table `pins`, with language, country, interest.
        pairs: Table `pairs`: every query with its pool, and the production log's position,
            impressions, clicks, long_clicks and saves.
        truth: Table `qrels` with the true grade of every pair.
        query_embeddings: Table `query_embeddings`.
        pin_embeddings: Table `pin_embeddings`.
        runs_production: Table `runs` of the production system.
        runs_candidate: Table `runs` of the candidate.
        sessions: Table `sessions` of the A/B test and the weeks before it.
        query_attributes: query_id and attribute codes (see `grading.ATTRIBUTES`).
        pin_attributes: pin_id, popularity and attribute codes.
        graders: Who can grade.
        true_lift: Relative lift in fulfillment rate by country, and of `all`.
    """

    config: WorldConfig
    queries: pl.DataFrame
    pins: pl.DataFrame
    pairs: pl.DataFrame
    truth: pl.DataFrame
    query_embeddings: pl.DataFrame
    pin_embeddings: pl.DataFrame
    runs_production: pl.DataFrame
    runs_candidate: pl.DataFrame
    sessions: pl.DataFrame
    query_attributes: pl.DataFrame
    pin_attributes: pl.DataFrame
    graders: tuple[Grader, ...]
    true_lift: Mapping[str, float]


def make_world(config: WorldConfig | None = None) -> World:
    """The world of a configuration; the same one gives the same frames, byte for byte."""
    config = config or WorldConfig()
    queries, query_attributes = make_queries(config)
    pins, pin_attributes = make_pins(config, queries, query_attributes)
    pools = make_pools(config, queries, query_attributes, pins, pin_attributes)
    production, candidate = make_runs(config, pools, queries, pin_attributes)
    sessions, true_lift = make_sessions(config)
    return World(
        config=config,
        queries=queries,
        pins=pins,
        pairs=make_pairs(config, pools, queries, production),
        truth=pools.with_columns(pl.lit("truth").alias("method")),
        query_embeddings=query_embeddings(config, queries, query_attributes),
        pin_embeddings=pin_embeddings(config, pins, pin_attributes),
        runs_production=production,
        runs_candidate=candidate,
        sessions=sessions,
        query_attributes=query_attributes,
        pin_attributes=pin_attributes,
        graders=GRADERS,
        true_lift=true_lift,
    )


def grade_pairs(
    world: World,
    pairs: pl.DataFrame,
    *,
    n_graders: int = 3,
    seed: int = 0,
    graders: Sequence[Grader] | None = None,
) -> pl.DataFrame:
    """Judgments of any pairs of the world's queries and Pins by its graders.

    Args:
        world: The world.
        pairs: query_id, pin_id; a pair that occurs twice is judged once.
        n_graders: People a pair, among those who read the query's language.
        seed: Seed of the graders' chance; a judgment depends on it and the pair alone.
        graders: Others than the world's own.

    Returns:
        query_id, pin_id, annotator, grade (null = cannot judge), flag, comment, seconds.

    Raises:
        InputError: A pair names an unknown query or Pin, or too few people read its language.
    """
    keys = pairs.select("query_id", "pin_id").unique(maintain_order=True)
    known = true_grades_of(world, keys).join(
        world.queries.select("query_id", "language"), on="query_id", how="left"
    )
    return simulate(known, graders or world.graders, n_graders=n_graders, seed=seed)


def true_grades_of(world: World, pairs: pl.DataFrame) -> pl.DataFrame:
    """query_id, pin_id and the true grade of any pairs, in the given order.

    Raises:
        InputError: A pair names a query or Pin that the world does not have.
    """
    for column, table in (("query_id", world.query_attributes), ("pin_id", world.pin_attributes)):
        unknown = pairs.filter(~pl.col(column).is_in(table[column].implode()))
        if unknown.height:
            raise InputError(
                f"the world has no {column} {unknown[column][0]!r}. Take pairs of its own tables"
            )
    keys = pairs.select("query_id", "pin_id")
    queries = keys.join(world.query_attributes, on="query_id", how="left", maintain_order="left")
    pins = keys.join(world.pin_attributes, on="pin_id", how="left", maintain_order="left")
    grades = true_grades(codes_of(queries), codes_of(pins))
    return keys.with_columns(pl.Series("grade", grades, dtype=pl.Int64))


def image_of(world: World, pin_id: str) -> bytes:
    """The picture of a Pin, as SVG (320 × 400).

    Raises:
        InputError: The world has no such Pin.
    """
    rows = world.pin_attributes.filter(pl.col("pin_id") == pin_id).rows(named=True)
    if not rows:
        raise InputError(f"the world has no Pin {pin_id!r}. Take one of world.pins")
    return _image(rows[0])


def write_images(world: World, folder: str | Path) -> int:
    """Writes `<pin_id>.svg` of every Pin into `folder` (made if need be); returns their number."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for row in world.pin_attributes.iter_rows(named=True):
        (target / f"{row['pin_id']}.svg").write_bytes(_image(row))
    return world.pin_attributes.height


def _image(row: Mapping[str, object]) -> bytes:
    meaning = Meaning(*(int(str(row[name])) for name in Meaning._fields))
    return draw(meaning, str(row["pin_id"])).encode()
