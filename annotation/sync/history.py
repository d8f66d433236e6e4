"""What was pulled: every annotation as it is now, and every event that ever happened to one.

`log` is only ever added to (but by `annotation.sync.forget`): an event is `new`, `edited` or
`deleted`, with the annotation's content: what somebody deletes or overwrites there stays here.
`live` is the present state, `seen` the tasks that are known to be there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from annotation.export import SKIPPED, Found, key_of, time_of
from annotation.sync.store import Store

NEW, EDITED, DELETED = "new", "edited", "deleted"

COLUMNS = Found._fields
_NAMES = ", ".join(COLUMNS)
_MARKS = ", ".join(["?"] * (len(COLUMNS) + 1))
_AMONG = "IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class History:
    """The pulled annotations of one server.

    Attributes:
        store: The store that keeps them.
        server: Name of the server in the store.
    """

    store: Store
    server: str

    def apply(
        self, project_id: int, tasks: Sequence[Mapping[str, Any]], found: Sequence[Found]
    ) -> Counter[str]:
        """Takes in tasks with all their annotations as they are now; all of it or nothing.

        Applied again, it changes nothing.

        Args:
            project_id: The project.
            tasks: The tasks, as the gateway gives them.
            found: Their annotations (`export.read_tasks`).

        Returns:
            Events of each kind.
        """
        numbers = [int(task["id"]) for task in tasks]
        with self.store.transaction():
            self.store.db.executemany(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)",
                (
                    (
                        self.server,
                        project_id,
                        number,
                        key_of(one),
                        time_of(one.get("updated_at")) or "",
                    )
                    for number, one in zip(numbers, tasks, strict=True)
                ),
            )
            return self._record(self._known(project_id, numbers, found), found)

    def remove_tasks(self, project_id: int, task_ids: Iterable[int]) -> Counter[str]:
        """Takes in that tasks are gone from the server, with their annotations."""
        numbers = json.dumps(list(task_ids))
        place = (self.server, project_id, numbers)
        with self.store.transaction():
            gone = self.store.db.execute(
                f"SELECT annotation_id FROM live WHERE server = ? AND project_id = ?"  # noqa: S608
                f" AND task_id {_AMONG}",
                place,
            ).fetchall()
            self._delete([number for (number,) in gone])
            self.store.db.execute(
                f"DELETE FROM seen WHERE server = ? AND project_id = ? AND task_id {_AMONG}",  # noqa: S608
                place,
            )
        return Counter({DELETED: len(gone)})

    def tasks(self, project_id: int) -> dict[int, str]:
        """Task number → pair key, of all tasks known to be there."""
        rows = self.store.db.execute(
            "SELECT task_id, pair_key FROM seen WHERE server = ? AND project_id = ?",
            (self.server, project_id),
        )
        return dict(rows.fetchall())

    def n_tasks(self, project_id: int, *, since: str = "") -> int:
        """Tasks known to be there; with `since` only those changed after this time (ISO 8601)."""
        return self.last_since(project_id, since)[0]

    def last_since(self, project_id: int, since: str) -> tuple[int, int]:
        """How many known tasks were changed after a time, and the highest number among them."""
        row = self.store.db.execute(
            "SELECT count(*), coalesce(max(task_id), 0) FROM seen"
            " WHERE server = ? AND project_id = ? AND updated_at > ?",
            (self.server, project_id, since),
        ).fetchone()
        return int(row[0]), int(row[1])

    def latest(self, project_id: int, *, until: str) -> str:
        """When any known task was changed last, up to a time (ISO 8601); empty if none was."""
        row = self.store.db.execute(
            "SELECT max(updated_at) FROM seen WHERE server = ? AND project_id = ?"
            " AND updated_at <= ?",
            (self.server, project_id, until),
        ).fetchone()
        return str(row[0] or "")

    def n_annotations(self, project_id: int) -> int:
        """Annotations known to be there, without skipped ones, as the server counts."""
        row = self.store.db.execute(
            "SELECT count(*) FROM live WHERE server = ? AND project_id = ? AND flag IS NOT ?",
            (self.server, project_id, SKIPPED),
        ).fetchone()
        return int(row[0])

    def last_event(self) -> int:
        """Number of the last event; 0 if there was none."""
        row = self.store.db.execute("SELECT coalesce(max(id), 0) FROM log").fetchone()
        return int(row[0])

    def set_form(self, project_id: int, config_hash: str, *, after: int) -> None:
        """Says that the project had another form when the events after this one were found."""
        self.store.db.execute(
            "UPDATE live SET config_hash = ? WHERE server = ? AND project_id = ?"
            " AND annotation_id IN (SELECT annotation_id FROM log WHERE id > ?)",
            (config_hash, self.server, project_id, after),
        )

    def _known(
        self, project_id: int, task_ids: Sequence[int], found: Sequence[Found]
    ) -> dict[int, Found]:
        """Annotation number → what is known of it, of these tasks or under these numbers."""
        rows = self.store.db.execute(
            f"SELECT {_NAMES} FROM live WHERE server = ? AND project_id = ?"  # noqa: S608
            f" AND task_id {_AMONG} UNION SELECT {_NAMES} FROM live WHERE server = ?"
            f" AND annotation_id {_AMONG}",
            (
                self.server,
                project_id,
                json.dumps(task_ids),
                self.server,
                json.dumps([one.annotation_id for one in found]),
            ),
        )
        return {row[0]: Found(*row) for row in rows}

    def _record(self, known: Mapping[int, Found], found: Sequence[Found]) -> Counter[str]:
        there = {one.annotation_id for one in found}
        gone = [number for number in known if number not in there]
        events: list[tuple[str, Found]] = []
        for one in found:
            former = known.get(one.annotation_id)
            if former is None:
                events.append((NEW, one))
            elif _place(former) != _place(one):  # the number of a deleted one, used again
                gone.append(one.annotation_id)
                events.append((NEW, one))
            elif _changed(former, one):
                events.append((EDITED, one))
        self._delete(gone)
        at = _now()
        columns = f"at, event, server, {_NAMES}"
        self.store.db.executemany(
            f"INSERT INTO log ({columns}) VALUES (?, ?, {_MARKS})",  # noqa: S608
            ((at, event, self.server, *one) for event, one in events),
        )
        self.store.db.executemany(
            f"INSERT OR REPLACE INTO live (server, {_NAMES}) VALUES ({_MARKS})",  # noqa: S608
            ((self.server, *one) for _, one in events),
        )
        counts = Counter(event for event, _ in events)
        counts[DELETED] += len(gone)
        return counts

    def _delete(self, numbers: Sequence[int]) -> None:
        place = (self.server, json.dumps(list(numbers)))
        self.store.db.execute(
            f"INSERT INTO log (at, event, server, {_NAMES}) SELECT ?, ?, server, {_NAMES}"  # noqa: S608
            f" FROM live WHERE server = ? AND annotation_id {_AMONG}",
            (_now(), DELETED, *place),
        )
        self.store.db.execute(
            f"DELETE FROM live WHERE server = ? AND annotation_id {_AMONG}",  # noqa: S608
            place,
        )


def _place(one: Found) -> tuple[int, int, str, str | None]:
    return one.project_id, one.task_id, one.pair_key, one.created_at


def _changed(former: Found, now: Found) -> bool:
    """Whether somebody wrote it anew; that an account is gone changes nothing that was said."""
    return (
        former.digest != now.digest
        or now.annotator not in (None, former.annotator)
        or now.editor not in (None, former.editor)
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
