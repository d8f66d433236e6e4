"""The votes of one annotator that are hardest to believe, to talk about with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotation.graders.scorecards import Examination
from relevance.errors import InputError, did_you_mean


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A vote that the others' votes speak against.

    Attributes:
        query_id: Query.
        pin_id: Pin.
        grade: The grade given.
        others: The others' grades, ascending; empty where only the gold grade speaks against it.
        expected: Mean of the grade as the others' votes (or gold) tell it.
        chance: How probable such a grade was from an average annotator, 0 to 1.
        comment: What the annotator wrote, if anything.
    """

    query_id: str
    pin_id: str
    grade: int
    others: tuple[int, ...]
    expected: float
    chance: float
    comment: str | None


def disagreements(found: Examination, annotator: str, n: int = 10) -> list[Disagreement]:
    """The annotator's `n` least probable votes among those that others graded too; worst first.

    Raises:
        InputError: Nobody is called so.
    """
    panel = found.panel
    if annotator not in panel.people:
        near = did_you_mean(annotator, panel.people)
        raise InputError(f"no judgment is by {annotator!r}.{near} Take a name of the table")
    who = panel.people.index(annotator)
    told = panel.shared | (found.consensus.known[panel.pair] >= 0)
    votes = np.flatnonzero(told & (panel.annotator == who))
    chance = np.einsum(
        "rt,tr->r", found.consensus.others[votes], found.consensus.pooled[:, panel.level[votes]]
    )
    worst = votes[np.lexsort((votes, np.round(chance, 12)))][:n]
    by_vote = dict(zip(votes.tolist(), chance.tolist(), strict=True))
    return [_one(found, int(vote), by_vote[int(vote)]) for vote in worst]


def _one(found: Examination, vote: int, chance: float) -> Disagreement:
    panel = found.panel
    pair = panel.pair[vote]
    first, last = np.searchsorted(panel.pair, [pair, pair + 1])
    others = [int(panel.grade[at]) for at in range(first, last) if at != vote]
    row = panel.table.row(int(panel.row[vote]), named=True)
    return Disagreement(
        query_id=row["query_id"],
        pin_id=row["pin_id"],
        grade=int(row["grade"]),
        others=tuple(sorted(others)),
        expected=float(found.consensus.others[vote] @ panel.levels),
        chance=chance,
        comment=row.get("comment"),
    )
