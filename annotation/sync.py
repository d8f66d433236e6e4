"""Push, submit, pull, status: what travels between a workspace and Label Studio.

Every one of them may be interrupted anywhere and run again (`annotation.push` says how pairs are
kept from being doubled; an annotation carries an identity that is unique on the server). Pull reads
everything, checks everything, and merges by pair and annotator.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial

import polars as pl

from annotation.desk import Desk, annotators, attempt, ensure_people
from annotation.export import ENDPOINT, IMPORT, Context, read_tasks, settle
from annotation.gateway import Json
from annotation.interface import config_hash
from annotation.push import Pushed, push
from annotation.remote import has_graded, pages, tasks_of
from annotation.tasks import annotation_result, unique_id
from relevance.errors import InputError
from relevance.progress import Progress, silent

__all__ = ["Pulled", "Pushed", "Status", "Submitted", "pull", "push", "status", "submit"]


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
class Pulled:
    """What a pull brought.

    Attributes:
        judgments: Table `judgments`, by key, with a column `source` (`endpoint` or `import`).
        rejected: What could not be a judgment, each with its reason.
        by_source: Judgments that came each way.
        notes: What a person should know, one line each.
    """

    judgments: pl.DataFrame
    rejected: pl.DataFrame
    by_source: Mapping[str, int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """How far a project is.

    Attributes:
        country: Country of its queries; empty for queries without one.
        project_id: Its number.
        n_pairs: Pairs pushed.
        n_tasks: Tasks on the server; None if the project is gone.
        n_finished: Tasks with as many judgments as wanted.
        n_judgments: Annotations on the server.
    """

    country: str
    project_id: int
    n_pairs: int
    n_tasks: int | None
    n_finished: int
    n_judgments: int


def submit(
    desk: Desk, judgments: pl.DataFrame, *, threads: int = 3, progress: Progress = silent
) -> Submitted:
    """Submits judgments through the annotation endpoint, each as its annotator, each once.

    Every annotator has an account and a token of their own, made here if need be.

    Args:
        desk: Server and store.
        judgments: query_id, pin_id, annotator, grade, flag, comment, seconds of pushed pairs.
        threads: Annotators at a time.
        progress: Told judgments done of all.

    Raises:
        InputError: A pair was not pushed.
        ServerError: The server refused, or did not answer after several tries.
    """
    people = ensure_people(desk, judgments["annotator"].unique().to_list())
    located = _locate(desk, judgments)
    numbers = {email: number for number, email in desk.studio.people().items()}
    counts, lock = {"new": 0, "there": 0}, threading.Lock()
    order = {annotator: index for index, annotator in enumerate(sorted(people))}

    def work(annotator: str) -> None:
        person = people[annotator]
        number = numbers[person.email]
        mine = [(row, *place) for row, place in located if row["annotator"] == annotator]
        todo = [(row, key, task["id"]) for row, key, task in mine if not has_graded(task, number)]
        with lock:
            counts["there"] += len(mine) - len(todo)
        if not todo:
            return
        studio = stack.enter_context(closing(desk.studio.as_person(*person.login)))
        # Each starts elsewhere: two at a time on one task make the server miscount its annotations.
        first = len(todo) * order[annotator] // len(order)
        for row, key, task_id in todo[first:] + todo[:first]:
            new = attempt(desk, partial(studio.annotate, task_id, _annotation(row, key)))
            with lock:
                counts["new" if new else "there"] += 1
                progress(counts["new"] + counts["there"], len(located), f"{annotator} grades")

    with ExitStack() as stack, ThreadPoolExecutor(max(1, threads)) as pool:
        for outcome in [pool.submit(work, annotator) for annotator in sorted(people)]:
            outcome.result()
    return Submitted(counts["new"], counts["there"])


def pull(desk: Desk, *, progress: Progress = silent) -> Pulled:
    """All judgments of this workspace on the server, checked, in key order.

    Raises:
        InputError: Nothing was pushed to this server.
        ServerError: The server refused, or did not answer.
    """
    entries = desk.store.projects(desk.server)
    if not entries:
        raise InputError(
            "nothing was pushed from this workspace to this server. Push first: "
            "gradewise annotation push --workspace DIR"
        )
    pairs, people = desk.store.pairs(), annotators(desk)
    good: list[Json] = []
    bad: list[Json] = []
    notes: list[str] = []
    total, done = sum(desk.store.n_pairs(entry.country) for entry in entries), 0
    for entry in entries:
        state = desk.studio.project(entry.project_id)
        if state is None:
            notes.append(f"project {entry.project_id} ({entry.country}) is gone from the server")
            continue
        if config_hash(state.label_config) != entry.config_hash:
            notes.append(f"the form of project {entry.project_id} ({entry.country}) was changed")
        context = Context(pairs, people, entry.project_id, entry.guideline_version)
        for page in pages(desk, entry):
            judged, refused = read_tasks(page, context)
            good += judged
            bad += refused
            done += len(page)
            progress(min(done, total), total, f"{len(good)} judgments")
    exported = settle(good, bad)
    counts = dict(exported.judgments["source"].value_counts().iter_rows())
    by_source = {name: int(counts.get(name, 0)) for name in (ENDPOINT, IMPORT)}
    return Pulled(exported.judgments, exported.rejected, by_source, tuple(notes))


def status(desk: Desk) -> list[Status]:
    """How far each project is, by country."""
    found = []
    for entry in desk.store.projects(desk.server):
        state = desk.studio.project(entry.project_id)
        found.append(
            Status(
                entry.country,
                entry.project_id,
                desk.store.n_pairs(entry.country),
                None if state is None else state.n_tasks,
                0 if state is None else state.n_finished,
                0 if state is None else state.n_annotations,
            )
        )
    return found


def _annotation(judgment: Json, key: str) -> Json:
    return {
        "result": annotation_result(judgment),
        "lead_time": judgment.get("seconds"),
        "unique_id": str(unique_id(key, judgment["annotator"])),
    }


def _locate(desk: Desk, judgments: pl.DataFrame) -> list[tuple[Json, tuple[str, Json]]]:
    """Each judgment with its pair_key and its task on the server."""
    keys = desk.store.keys()
    rows = judgments.sort("query_id", "pin_id", "annotator").to_dicts()
    for row in rows:
        if (row["query_id"], row["pin_id"]) not in keys:
            raise InputError(
                f"query {row['query_id']!r}, Pin {row['pin_id']!r} was not pushed. Push it first: "
                "gradewise annotation push --workspace DIR"
            )
    tasks: dict[str, list[Json]] = {}
    for entry in desk.store.projects(desk.server):
        wanted = {
            key
            for row in rows
            for key, country in [keys[row["query_id"], row["pin_id"]]]
            if country == entry.country
        }
        tasks |= tasks_of(desk, entry, sorted(wanted))
    located = []
    for row in rows:
        key, _ = keys[row["query_id"], row["pin_id"]]
        if key not in tasks:
            raise InputError(
                f"the task of query {row['query_id']!r}, Pin {row['pin_id']!r} is gone from the "
                "server. Push again"
            )
        located.append((row, (key, tasks[key][0])))
    return located
