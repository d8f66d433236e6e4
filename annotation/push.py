"""Push pairs to Label Studio: idempotent, resumable, nothing lost or doubled.

The server has no unique key for tasks and its replies may get lost after it has stored them, so a
chunk is pushed as: ask which of its pair keys are there, send the others, and after an unclear
reply ask again. What still slips through (a server that stores a request long after it was given
up) is swept away at the end, and pull merges by pair and annotator anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from annotation.desk import LOCAL, Desk, attempt, ensure_people, ensure_project
from annotation.gateway import Json
from annotation.remote import chunks, has_graded, pages, tasks_of
from annotation.store import Person, ProjectEntry
from annotation.tasks import Pictures, annotation_result, import_id, pair_key, task_data
from relevance.errors import InputError
from relevance.progress import Progress, silent

PUSH_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did.

    Attributes:
        n_pairs: Pairs asked for.
        n_new: Tasks made now; the others were there.
        n_finished: Judgments imported with them.
        n_unsent: Judgments not sent because their pair was there already, without them: `submit`
            sends them.
        n_without_picture: New tasks whose Pin has a picture that may not or cannot be shown.
        n_surplus: Doubled tasks removed.
        countries: Country → number of its project.
    """

    n_pairs: int
    n_new: int
    n_finished: int
    n_unsent: int
    n_without_picture: int
    n_surplus: int
    countries: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Item:
    """One pair on its way."""

    key: str
    query_id: str
    pin_id: str
    task: Json
    finished: tuple[str, ...]  # annotators
    picture_hidden: bool


def push(
    desk: Desk,
    queries: pl.DataFrame,
    pins: pl.DataFrame,
    samples: pl.DataFrame,
    *,
    overlap: int = 3,
    finished: pl.DataFrame | None = None,
    chunk: int = PUSH_CHUNK,
    progress: Progress = silent,
) -> Pushed:
    """Sends pairs to grade, one project a country; sends nothing twice, whatever was interrupted.

    Args:
        desk: Server and store.
        queries: Table `queries`; must hold every query of `samples`.
        pins: Table `pins`; must hold every Pin of `samples`.
        samples: The pairs: query_id, pin_id (further columns stay here; repeated pairs count once).
        overlap: How many people grade each pair (when a project is made).
        finished: Judgments made elsewhere (query_id, pin_id, annotator, grade, flag, comment,
            seconds), to import as finished annotations of their annotators' accounts.
        chunk: Tasks a request.
        progress: Told pairs done of all.

    Raises:
        InputError: A pair's query or Pin is missing.
        ServerError: The server refused, or did not answer after several tries.
    """
    pairs = _joined(queries, pins, samples)
    ready = _finished(finished)
    report = dict.fromkeys(("n_new", "n_finished", "n_unsent", "n_without_picture"), 0)
    countries, n_surplus, done = {}, 0, 0
    with desk.store.lock():
        people = ensure_people(desk, {name for rows in ready.values() for name in rows})
        for country, rows in _by_country(pairs):
            entry = ensure_project(desk, country, overlap)
            countries[country] = entry.project_id
            makers = _Makers(desk, _pictures(desk, entry), ready, people)
            before = desk.studio.project(entry.project_id)
            fresh = before is not None and before.n_tasks == 0
            for part in chunks(rows, chunk):
                items = [makers.item(country, row) for row in part]
                desk.store.save_pairs((i.key, country, i.query_id, i.pin_id) for i in items)
                _deliver(desk, entry, items, people, report, ask_first=not fresh)
                done += len(items)
                progress(done, pairs.height, f"{country} pushed".strip())
            n_surplus += _sweep(desk, entry)
    return Pushed(n_pairs=pairs.height, n_surplus=n_surplus, countries=countries, **report)


class _Makers:
    """Makes tasks of pairs."""

    def __init__(
        self,
        desk: Desk,
        pictures: Pictures,
        ready: Mapping[tuple[str, str], Mapping[str, Json]],
        people: Mapping[str, Person],
    ) -> None:
        self._key = desk.store.key
        self._pictures = pictures
        self._ready = ready
        self._people = people

    def item(self, country: str, row: Json) -> _Item:
        data = task_data(row["query"], row["pin"], self._pictures)
        key = pair_key(self._key, country, row["query_id"], row["pin_id"], data)
        hidden = bool(row["pin"].get("image") and not data["image_html"])
        mine = self._ready.get((row["query_id"], row["pin_id"]), {})
        task: Json = {"data": {"pair_key": key, **data}}
        if mine:
            task["annotations"] = [self._annotation(key, judgment) for judgment in mine.values()]
        return _Item(key, row["query_id"], row["pin_id"], task, tuple(mine), hidden)

    def _annotation(self, key: str, judgment: Json) -> Json:
        return {
            "id": import_id(key, judgment["annotator"]),
            "completed_by": {"email": self._people[judgment["annotator"]].email},
            "result": annotation_result(judgment),
            "lead_time": judgment.get("seconds"),
            "ground_truth": False,
        }


def _deliver(
    desk: Desk,
    entry: ProjectEntry,
    items: Sequence[_Item],
    people: Mapping[str, Person],
    report: dict[str, int],
    *,
    ask_first: bool,
) -> None:
    there = tasks_of(desk, entry, [item.key for item in items]) if ask_first else {}
    todo = [item for item in items if item.key not in there]
    if there:
        numbers = {email: number for number, email in desk.studio.people().items()}
        for item in items:
            for task in there.get(item.key, [])[:1]:
                known = {one.get("import_id") for one in task["annotations"]}
                report["n_unsent"] += sum(
                    import_id(item.key, name) not in known
                    and not has_graded(task, numbers.get(people[name].email, -1))
                    for name in item.finished
                )
    report["n_new"] += len(todo)
    report["n_without_picture"] += sum(item.picture_hidden for item in todo)
    report["n_finished"] += sum(len(item.finished) for item in todo)
    left = list(todo)

    def done() -> bool:
        known = tasks_of(desk, entry, [item.key for item in left])
        left[:] = [item for item in left if item.key not in known]
        return not left

    if left:
        attempt(
            desk,
            lambda: desk.studio.import_tasks(entry.project_id, [item.task for item in left]),
            done,
        )


def _sweep(desk: Desk, entry: ProjectEntry) -> int:
    """Removes doubled tasks that nobody has graded; returns how many."""
    state = desk.studio.project(entry.project_id)
    if state is None or state.n_tasks <= desk.store.n_pairs(entry.country):
        return 0
    copies: dict[str, list[Json]] = {}
    for page in pages(desk, entry):
        for task in page:
            copies.setdefault(str(task["data"].get("pair_key")), []).append(task)
    surplus = [task["id"] for same in copies.values() for task in _surplus(same)]
    if surplus:
        attempt(desk, partial(desk.studio.delete_tasks, entry.project_id, surplus))
    return len(surplus)


def _surplus(same: Sequence[Json]) -> list[Json]:
    """Of copies of one task, those whose every annotation the kept one has too."""
    keep, *rest = sorted(same, key=lambda task: (-len(task["annotations"]), task["id"]))
    kept = {one.get("import_id") for one in keep["annotations"]}
    return [
        task
        for task in rest
        if all(
            one.get("import_id") is not None and one["import_id"] in kept
            for one in task["annotations"]
        )
    ]


def _pictures(desk: Desk, entry: ProjectEntry) -> Pictures:
    folder = (desk.root / "images").resolve()
    served = (
        desk.server == LOCAL
        and folder.is_dir()
        and desk.studio.serve_pictures(entry.project_id, folder)
    )
    return Pictures(root=folder.parent if served else None, hosts=desk.image_hosts)


def _joined(queries: pl.DataFrame, pins: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """query_id, pin_id, query, pin (structs), country: each pair once, in key order."""
    pairs = samples.select("query_id", "pin_id").unique().sort("query_id", "pin_id")
    country = pl.col("country") if "country" in queries.columns else pl.lit(None, pl.String)
    asked = queries.select(
        "query_id", country.fill_null("").alias("country"), pl.struct(pl.all()).alias("query")
    )
    shown = pins.select("pin_id", pl.struct(pl.all()).alias("pin"))
    for name, frame in (("query_id", asked), ("pin_id", shown)):
        missing = pairs.join(frame, on=name, how="anti")
        if missing.height:
            kind = "queries" if name == "query_id" else "pins"
            raise InputError(
                f"{missing[name].n_unique()} {name} of the samples are not in {kind}, such as "
                f"{missing[name][0]!r}. Push samples drawn from these {kind}"
            )
    return pairs.join(asked, on="query_id").join(shown, on="pin_id").sort("query_id", "pin_id")


def _by_country(pairs: pl.DataFrame) -> Iterator[tuple[str, list[Json]]]:
    for (country,), rows in pairs.sort("country", "query_id", "pin_id").group_by(
        "country", maintain_order=True
    ):
        yield str(country), rows.to_dicts()


def _finished(judgments: pl.DataFrame | None) -> dict[tuple[str, str], dict[str, Json]]:
    """(query_id, pin_id) → annotator → judgment."""
    found: dict[tuple[str, str], dict[str, Json]] = {}
    if judgments is not None:
        for row in judgments.sort("query_id", "pin_id", "annotator").iter_rows(named=True):
            found.setdefault((row["query_id"], row["pin_id"]), {})[row["annotator"]] = row
    return found
