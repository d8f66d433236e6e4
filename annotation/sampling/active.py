"""Active learning: pairs that would teach most, unlike each other; for training only.

These are no random sample and nothing may be estimated from them, whatever their probability (1)
says: they are drawn as `training`, and their queries are kept away from measurements (`apart`).

References:
    Settles, Active Learning, 2012 (uncertainty); Seung, Opper and Sompolinsky, COLT 1992
    (disagreement of models); Arthur and Vassilvitskii, SODA 2007 (k-means++); Ash et al., ICLR 2020
    (uncertain and diverse batches by k-means++ seeding).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.sampling.allotment import Floats, Ints, Strata, units_of
from annotation.sampling.apart import TRAINED
from annotation.sampling.drawing import Design
from annotation.sampling.frame import LEVEL, Frame
from annotation.sampling.pooling import PAIR
from annotation.sampling.streams import generator
from annotation.sampling.uncertainty import aligned, entropy
from relevance.errors import InputError

SHORTLIST = 10
"""Times as many pairs as wanted stand on the list from which unlike ones are chosen."""

_ENOUGH = 20_000  # pairs of a shortlist beyond which it need not be longer than 4 times
_LEAST = 1e-6  # worth of a pair that the models are sure of: it can be chosen when nothing else is


def disagreement(p: Floats, q: Floats) -> Floats:
    """(N,) Jensen–Shannon divergence of (N, K) probabilities, as a share of its most: 0 … 1.

    References:
        Lin, IEEE Transactions on Information Theory 1991.
    """
    between = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    return np.asarray(np.clip(between / np.log(2.0), 0.0, 1.0))


def worth(
    pairs: pl.DataFrame, teacher: pl.DataFrame, student: pl.DataFrame | None = None
) -> Floats:
    """(N,) what a grade of each pair would teach, 0 … 1; NaN without a prediction.

    The teacher's entropy as a share of its most; with a student, its mean with their disagreement.

    Args:
        pairs: query_id, pin_id.
        teacher: The teacher's p1…p5.
        student: The student's p1…p5; a pair without them has the teacher's entropy alone.
    """
    p = aligned(pairs, teacher)
    unsure: Floats = entropy(p) / np.log(p.shape[1])
    if student is None:
        return unsure
    apart = disagreement(p, aligned(pairs, student))
    return np.asarray(np.where(np.isnan(apart), unsure, (unsure + apart) / 2))


def pair_vectors(
    pairs: pl.DataFrame, query_embeddings: pl.DataFrame, pin_embeddings: pl.DataFrame
) -> NDArray[np.float32]:
    """(N, d) the query's and the Pin's search embedding, each of length 1, side by side; else 0.

    Args:
        pairs: query_id, pin_id.
        query_embeddings: Table `query_embeddings`.
        pin_embeddings: Table `pin_embeddings`.
    """
    sides = []
    for key, table in (("query_id", query_embeddings), ("pin_id", pin_embeddings)):
        own = table.join(pairs.select(key).unique(), on=key, how="semi")
        width = int(table["search"].list.len().max() or 0)  # type: ignore[arg-type]
        vectors = own["search"].cast(pl.List(pl.Float32)).list.to_array(width).to_numpy()
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
        place = own.select(key).with_row_index("place")
        found = pairs.select(key).join(place, on=key, how="left", maintain_order="left")["place"]
        rows = np.append(vectors, np.zeros((1, vectors.shape[1]), dtype=np.float32), axis=0)
        sides.append(rows[found.cast(pl.Int64).fill_null(-1).to_numpy()])
    return np.concatenate(sides, axis=1)


def spread_out(
    values: Floats, vectors: NDArray[np.float32], n: int, rng: np.random.Generator
) -> Ints:
    """Places of n rows that are worth much and unlike each other, in the order of choice.

    The first is the most worthy; each next one is drawn with a chance in proportion to its worth
    times its squared distance from the nearest one chosen (k-means++).

    Args:
        values: (N,) worth, at least 0.
        vectors: (N, d).
        n: At most N.
        rng: The random stream.
    """
    squares = np.einsum("ij,ij->i", vectors, vectors)
    nearest = np.full(len(values), np.inf)
    left = np.maximum(values, _LEAST)
    chosen = np.empty(n, dtype=np.int64)
    for i in range(n):
        chance = left * nearest if i else left
        total = float(chance.sum()) if i else 0.0
        if total > 0:
            at = int(np.searchsorted(np.cumsum(chance), rng.random() * total, side="right"))
            at = min(at, len(values) - 1)
        else:
            at = int(np.argmax(left))
        chosen[i] = at
        left[at] = 0.0
        distance = squares + squares[at] - 2.0 * (vectors @ vectors[at])
        nearest = np.minimum(nearest, np.maximum(distance, 0.0))
    return chosen


def draw_training(
    frame: Frame,
    design: Design,
    teacher: pl.DataFrame,
    student: pl.DataFrame | None = None,
    embeddings: tuple[pl.DataFrame, pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """Pairs to train on, chosen group by group: rows of `samples` with draw `training`.

    Args:
        frame: The candidates, kept apart from measurements; judged ones are never chosen.
        design: How many pairs, or for how many minutes; what they cost; the seed.
        teacher: Its p1…p5; pairs without them are not chosen.
        student: The student's p1…p5.
        embeddings: Tables `query_embeddings` and `pin_embeddings`; without them the most worthy
            pairs are chosen, however alike.

    Raises:
        InputError: The design is for another draw, or nothing can be chosen.
    """
    if design.draw not in TRAINED:
        raise InputError(
            f"active learning chooses pairs to train on; no {design.draw} sample can be made of "
            "them. Add --draw training"
        )
    parts = []
    for (group,), rows in frame.rows.group_by("group", maintain_order=True):
        stratum = rows[f"{LEVEL}1"].alias("stratum")
        open_ = rows.with_columns(stratum).filter(~(pl.col("judged") | pl.col("asked")))
        values = worth(open_, teacher, student)
        known = np.isfinite(values)
        open_, values = open_.filter(pl.Series(known)), values[known]
        parts.append(_of_group(open_, values, str(group), design, embeddings))
    chosen = pl.concat(parts)
    if chosen.is_empty():
        raise InputError("no candidate pair has a prediction. Give the teacher's grades of them")
    overlap = [design.costs.overlap.of(name) for name in chosen["stratum"].to_list()]
    return chosen.select(
        *PAIR,
        pl.lit(1.0).alias("inclusion_probability"),
        "stratum",
        pl.lit(design.draw).alias("draw"),
        pl.Series("overlap", overlap, dtype=pl.Int64),
    ).sort(PAIR)


def _of_group(
    rows: pl.DataFrame,
    values: Floats,
    group: str,
    design: Design,
    embeddings: tuple[pl.DataFrame, pl.DataFrame] | None,
) -> pl.DataFrame:
    """The chosen rows of a group."""
    minutes = design.costs.minutes(rows["language"], rows["stratum"])
    strata = Strata(
        names=(group,),
        units=np.array([rows.height]),
        sizes=np.array([float(rows.height)]),
        minutes=np.array([float(minutes.mean()) if rows.height else 0.0]),
    )
    reserved = design.costs.reserved(rows)
    n = int(units_of(strata, design.amount, group, reserved=reserved, unit=design.unit)[0])
    rng = generator(design.seed, f"active/{group}")
    shuffled = rng.permutation(rows.height)  # ties fall at random, not by name
    ranked = shuffled[np.argsort(-values[shuffled], kind="stable")]
    if embeddings is None or n == 0:
        return rows[np.sort(ranked[:n])]
    short = ranked[: min(SHORTLIST * n, max(4 * n, _ENOUGH))]
    vectors = pair_vectors(rows[short], *embeddings)
    return rows[np.sort(short[spread_out(values[short], vectors, n, rng)])]
