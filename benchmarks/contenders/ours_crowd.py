"""Gradewise's adjudicators from a file of judgments to a table of posteriors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

IMPORTS = dict.fromkeys(
    ("auto", "dawid_skene", "majority"),
    ("annotation.adjudicate", "relevance.tables", "scipy.sparse", "scipy.special"),
)
STEPS = 20
"""EM steps of Dawid–Skene, the same for the peer."""


def work(function: str, files: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """The default, majority, or exactly `STEPS` steps of Dawid and Skene's EM, and the figures."""
    import polars as pl

    from annotation.adjudicate import adjudicate, read_votes
    from annotation.adjudicate.classic import dawid_skene
    from relevance.grades import FIVE
    from relevance.tables import read_table

    judgments = read_table(files["judgments"], "judgments")
    if function != "dawid_skene":
        qrels = adjudicate(judgments, function)
        print(qrels)
        return {}, {}
    given = read_votes(judgments, FIVE)
    posterior = dawid_skene(given.votes, steps=STEPS, tolerance=-1.0)
    columns = [pl.Series(f"p{k + 1}", posterior[:, k]) for k in range(5)]
    table = given.pairs.select("pin_id", *columns)
    print(table)
    return figures(table), {}


def figures(table: pl.DataFrame) -> dict[str, float]:
    """Figures that only equal posteriors share: means, mean squares, and 200 pairs themselves."""
    found = {}
    ordered = table.sort("pin_id")
    some = ordered.gather_every(max(ordered.height // 200, 1))
    for name in (f"p{k + 1}" for k in range(5)):
        values = ordered[name].to_numpy()
        found[f"mean {name}"] = float(values.mean())
        found[f"mean {name}²"] = float((values**2).mean())
        pairs = zip(some["pin_id"], some[name], strict=True)
        found.update({f"{name} of {pin}": value for pin, value in pairs})
    return found
