"""Submit: judgments of synthetic graders, each through the endpoint that people's answers take.

An annotation carries an identity that is unique on the server, so submitting again changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial

import polars as pl

from annotation.client.studio import Json
from annotation.sync.desk import Desk, attempt, ensure_people
from annotation.sync.remote import has_graded, tasks_of
from annotation.sync.store import GRADE, Person
from annotation.tasks import annotation_result, unique_id
from relevance.errors import InputError
from relevance.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a submission did.

    Attributes:
        n_new: Judgments submitted now.
        n_there: Judgments that were there.
    """

    n_new: int
    n_there: int


@dataclass(frozen=True, slots=True)
class _Item:
    """A judgment with the task it belongs to."""

    judgment: Json
    key: str
    task: Json


def submit(
    desk: Desk,
    judgments: pl.DataFrame,
    *,
    purpose: str = GRADE,
    repeats: bool = False,
    threads: int = 3,
    progress: Progress = silent,
) -> Submitted:
    """Submits judgments through the annotation endpoint, each as its annotator, each once.

    Every annotator has an account and a token of their own, made here if need be.

    Args:
        desk: Server and store.
        judgments: query_id, pin_id, annotator, grade, flag, comment, seconds of pushed pairs.
        purpose: Of the projects they go to.
        repeats: They are of pairs shown a second time (draw `repeat`).
        threads: Annotators at a time.
        progress: Told judgments done of all.

    Raises:
        InputError: A pair was not pushed.
        ServerError: The server refused, or did not answer after several tries.
    """
    people = ensure_people(desk, judgments["annotator"].unique().to_list())
    items = _located(desk, judgments, purpose, repeats=repeats)
    numbers = {email: number for number, email in desk.studio.people().items()}
    counts, lock = {"new": 0, "there": 0}, threading.Lock()

    def told(what: str, n: int, annotator: str) -> None:
        with lock:
            counts[what] += n
            progress(sum(counts.values()), len(items), f"{annotator} grades")

    def work(place: int, person: Person) -> None:
        mine = [one for one in items if one.judgment["annotator"] == person.annotator]
        todo = [one for one in mine if not has_graded(one.task, numbers[person.email])]
        told("there", len(mine) - len(todo), person.annotator)
        if not todo:
            return
        studio = stack.enter_context(closing(desk.studio.as_person(*person.login)))
        # Each starts elsewhere: two at a time on one task make the server miscount its annotations.
        first = len(todo) * place // len(people)
        for one in _turned(todo, first):
            act = partial(studio.annotate, one.task["id"], _annotation(one, purpose))
            told("new" if attempt(desk, act) else "there", 1, person.annotator)

    with ExitStack() as stack, ThreadPoolExecutor(max(1, threads)) as pool:
        started = [
            pool.submit(work, place, people[name]) for place, name in enumerate(sorted(people))
        ]
        for outcome in started:
            outcome.result()
    return Submitted(counts["new"], counts["there"])


def _annotation(one: _Item, purpose: str) -> Json:
    # A person may grade a pair in the first round and rule on it later: two annotations.
    key = one.key if purpose == GRADE else f"{one.key}:{purpose}"
    return {
        "result": annotation_result(one.judgment),
        "lead_time": one.judgment.get("seconds"),
        "unique_id": str(unique_id(key, one.judgment["annotator"])),
    }


def _turned(items: Sequence[_Item], first: int) -> list[_Item]:
    return [*items[first:], *items[:first]]


def _located(desk: Desk, judgments: pl.DataFrame, purpose: str, *, repeats: bool) -> list[_Item]:
    """Each judgment with its pair key and its task on the server."""
    keys = desk.store.keys(repeats=repeats)
    rows = judgments.sort("query_id", "pin_id", "annotator").to_dicts()
    for row in rows:
        if (row["query_id"], row["pin_id"]) not in keys:
            raise InputError(
                f"query {row['query_id']!r}, Pin {row['pin_id']!r} was not pushed. Push it first: "
                "gradewise annotation push --workspace DIR"
            )
    places = [keys[row["query_id"], row["pin_id"]] for row in rows]
    tasks: dict[str, list[Json]] = {}
    for entry in desk.store.projects(desk.server):
        if entry.purpose == purpose:
            wanted = {key for key, locale in places if locale == entry.locale}
            tasks |= tasks_of(desk, entry, sorted(wanted))
    for row, (key, _) in zip(rows, places, strict=True):
        if key not in tasks:
            raise InputError(
                f"the task of query {row['query_id']!r}, Pin {row['pin_id']!r} is gone from the "
                "server. Push again"
            )
    return [_Item(row, key, tasks[key][0]) for row, (key, _) in zip(rows, places, strict=True)]
