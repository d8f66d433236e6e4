"""How the graded pairs were drawn: whole queries or single pairs, how likely, in which stratum.

The probability of every pair comes from the qrels (`inclusion_probability`), or from the samples
they were drawn as; only from the samples is it known in which stratum, and what was drawn but never
graded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from evaluation.ranking.coding import Coded, with_text_ids
from evaluation.sampled.variance import Floats, Ints, sums
from relevance.errors import InputError

QUERIES, PAIRS = "queries", "pairs"
UNITS = (QUERIES, PAIRS)
MEASURED = ("measure", "pool")
"""Draws that figures may be made from, the first that the samples have."""

_KEY = ["query_id", "pin_id"]
_SAME = 1e-9
_WHOLE = 0.5  # between the share that pairs have and the whole, where queries are taken as drawn


@dataclass(frozen=True, slots=True)
class Drawn:
    """Graded pairs with what is known of their draw.

    Attributes:
        qrels: The qrels that were drawn, with inclusion_probability, stratum, and response: the
            share of the stratum's draw (by weight) that was graded.
        strata: query_id and stratum of everything that was drawn, graded or not.
        notes: Counts of what was left out.
    """

    qrels: pl.DataFrame
    strata: pl.DataFrame
    notes: dict[str, int | str | None]


@dataclass(frozen=True, slots=True)
class Design:
    """The draw of M coded pairs as U independent units within strata.

    Attributes:
        drawn: `queries` (each with all its pairs) or `pairs`.
        weight: (M,) 1 / probability of each pair; not-graded pairs of its stratum are made up for.
        unit: (M,) the unit that each pair is of.
        probability: (U,) of the units; 1 / weight.
        stratum: (U,) codes from 0.
        query: (U,) query code of each unit.
    """

    drawn: str
    weight: Floats
    unit: Ints
    probability: Floats
    stratum: Ints
    query: Ints

    def summed(self, values: Floats) -> Floats:
        """(U,) sums of (M,) values of pairs by unit."""
        return sums(self.unit, values, len(self.probability))

    @property
    def uneven(self) -> bool:
        """Whether single pairs of one query were drawn with chances that differ."""
        if self.drawn == QUERIES:
            return False
        drawn = self.probability < 1 - _SAME  # what was known before does not count
        query, chance = self.query[drawn], self.probability[drawn]
        return not _same_within(query, chance, int(query.max(initial=-1)) + 1).all()

    @property
    def certain(self) -> bool:
        """Whether everything was drawn."""
        return bool((self.probability == 1).all())


def drawn_pairs(
    qrels: pl.DataFrame, samples: pl.DataFrame | None = None, draw: str | None = None
) -> Drawn:
    """The qrels that were drawn for measuring.

    Args:
        qrels: A `qrels` table; with inclusion_probability unless samples are given, and optionally
            a column stratum.
        samples: The `samples` table they were drawn as.
        draw: Which draw of the samples; None = `measure`, or `pool` where there is none.

    Raises:
        InputError: No probabilities, one outside (0, 1], no such draw, or nothing in common.
    """
    qrels = with_text_ids(qrels).filter(pl.col("grade").is_not_null())
    if samples is None:
        return _by_qrels(qrels)
    return _by_samples(qrels, with_text_ids(samples), draw)


def unequal(qrels: pl.DataFrame) -> bool:
    """Whether the qrels were drawn with probabilities that differ, so that weights matter."""
    chances = _chances(qrels)
    return len(chances) > 0 and float(chances.max()) - float(chances.min()) > _SAME  # type: ignore[arg-type]


def partial(qrels: pl.DataFrame) -> bool:
    """Whether some of the qrels were drawn with a probability below 1: there is more than them."""
    return bool((_chances(qrels) < 1 - _SAME).any())


def _chances(qrels: pl.DataFrame) -> pl.Series:
    """The inclusion probabilities that are known."""
    if "inclusion_probability" not in qrels.columns:
        return pl.Series([], dtype=pl.Float64)
    return qrels["inclusion_probability"].drop_nulls().cast(pl.Float64)


def design_of(coded: Coded, drawn: str | None, share: float) -> Design:
    """The design of coded qrels.

    Args:
        coded: The queries; its qrels are those of `Drawn`.
        drawn: `queries` or `pairs`; None = told from the share.
        share: Share of the candidates of the judged queries that was drawn: near 1 where queries
            were drawn whole, near the probabilities where pairs were.

    Raises:
        InputError: An unknown unit, or queries that were drawn whole with pairs of different
            probabilities.
    """
    frame = coded.qrels
    chance = frame["inclusion_probability"].to_numpy().astype(np.float64)
    stratum = (frame["stratum"].rank("dense").cast(pl.Int64) - 1).to_numpy()
    query = coded.query.astype(np.int64)
    if drawn not in (None, *UNITS):
        raise InputError(f"drawn must be queries or pairs, got {drawn!r}. Name what was drawn")
    same = _same_within(query, chance, len(coded.ids))
    mean = len(chance) / float((1 / chance).sum()) if len(chance) else 1.0
    if drawn is None:
        whole = bool(same.all()) and share >= mean + _WHOLE * (1 - mean)
        drawn = QUERIES if whole else PAIRS
    if drawn == PAIRS:
        response = frame["response"].to_numpy().astype(np.float64)
        chance = np.where(chance < 1, chance * response, chance)
        return Design(PAIRS, 1 / chance, np.arange(len(query)), chance, stratum, query)
    if not same.all():
        code = int(np.flatnonzero(~same)[0])
        raise InputError(
            f"the pairs of query {coded.ids[code]!r} have different inclusion probabilities, so "
            "queries were not drawn whole. Say that pairs were drawn (--drawn pairs)"
        )
    present, first, unit = np.unique(query, return_index=True, return_inverse=True)
    return Design(QUERIES, 1 / chance, unit, chance[first], stratum[first], present)


def _same_within(query: Ints, chance: Floats, n_queries: int) -> NDArray[np.bool_]:
    """(Q,) whether all pairs of a query have one probability."""
    low, high = np.full(n_queries, np.inf), np.full(n_queries, -np.inf)
    np.minimum.at(low, query, chance)
    np.maximum.at(high, query, chance)
    return np.asarray(high - low <= _SAME)


def _by_qrels(qrels: pl.DataFrame) -> Drawn:
    name = "inclusion_probability"
    if name not in qrels.columns or qrels[name].null_count() == qrels.height:
        raise InputError(
            "the qrels have no inclusion_probability, so it is unknown how they were drawn. Give "
            "--samples FILE, or write it with gradewise annotation adjudicate --samples FILE"
        )
    kept = qrels.filter(pl.col("inclusion_probability").is_not_null())
    stratum = pl.col("stratum").cast(pl.String).fill_null("") if "stratum" in qrels.columns else ""
    kept = kept.with_columns(
        stratum=stratum if isinstance(stratum, pl.Expr) else pl.lit(stratum), response=pl.lit(1.0)
    )
    _check(kept)
    strata = kept.select("query_id", "stratum").unique()
    return Drawn(kept, strata, {"not_drawn": qrels.height - kept.height})


def _by_samples(qrels: pl.DataFrame, samples: pl.DataFrame, draw: str | None) -> Drawn:
    names = samples["draw"].unique().to_list()
    chosen = draw or next((name for name in MEASURED if name in names), None)
    if chosen not in names:
        raise InputError(
            f"the samples have no draw {draw or 'measure'!r}, but {', '.join(sorted(names))}. "
            "Name one of them (--draw); training samples are not for measuring"
        )
    own = samples.filter(pl.col("draw") == chosen).select(
        *_KEY, "inclusion_probability", pl.col("stratum").cast(pl.String).fill_null("")
    )
    dropped = [c for c in ("inclusion_probability", "stratum", "response") if c in qrels.columns]
    graded = qrels.drop(dropped).join(own, on=_KEY, how="inner", maintain_order="left")
    weight = (1 / pl.col("inclusion_probability")).sum().alias("graded")
    shares = own.join(graded.select(_KEY), on=_KEY, how="semi").group_by("stratum").agg(weight)
    of_all = own.group_by("stratum").agg(weight.alias("all"))
    response = of_all.join(shares, on="stratum").select(
        "stratum", response=pl.col("graded") / pl.col("all")
    )
    graded = graded.join(response, on="stratum", how="left", maintain_order="left")
    _check(graded)
    return Drawn(
        graded,
        own.select("query_id", "stratum").unique(),
        {"not_drawn": qrels.height - graded.height, "not_graded": own.height - graded.height},
    )


def _check(frame: pl.DataFrame) -> None:
    """Raises InputError without a row, or with a probability that is none."""
    if frame.is_empty():
        raise InputError(
            "no graded pair has an inclusion probability. Give the samples that were graded"
        )
    wrong = frame.filter(
        ~pl.col("inclusion_probability").is_between(0, 1, closed="right").fill_null(value=False)
    )
    if not wrong.is_empty():
        row = wrong.row(0, named=True)
        raise InputError(
            f"query {row['query_id']!r}, pin {row['pin_id']!r}: inclusion_probability must be "
            f"above 0 and at most 1, got {row['inclusion_probability']}. Draw the samples again"
        )
