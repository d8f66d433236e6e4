"""Pull: what people graded on the server, as tables; nothing is lost, doubled or dropped.

Every annotation goes through the store (`annotation.sync.fetch`), which keeps each event for good,
and comes out as a judgment, a repeat, a ruling, or set aside with its reason
(`annotation.sync.settle`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from annotation.export import ENDPOINT, IMPORT, Context
from annotation.sync.desk import Desk
from annotation.sync.fetch import fetch
from annotation.sync.history import COLUMNS, DELETED, EDITED, NEW
from annotation.sync.release import accept_forms, release, waived
from annotation.sync.roster import RosterEntry, has_roster, lift_roster, recognise, save_roster
from annotation.sync.settle import MIN_SECONDS, Rules, Settled, frame_of, reason_code, settle
from annotation.sync.store import Store
from relevance.errors import InputError
from relevance.progress import Progress, silent

_MIN_SECONDS = "min_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What is known after a pull, and what it brought.

    Attributes:
        judgments: Table `judgments`, by key, with `source` (`endpoint` or `import`), `purpose`, and
            `updated_by` where somebody else's change was accepted.
        repeats: Judgments of pairs that were shown a second time.
        rulings: Judgments of the seniors' project.
        rejected: What is none of these, each with its reason.
        by_source: Judgments that came each way.
        notes: What a person should know, one line each.
        n_new: Annotations seen for the first time.
        n_edited: Annotations that were written anew.
        n_deleted: Annotations that are gone from the server; `judgments-history.jsonl` keeps them.
    """

    judgments: pl.DataFrame
    repeats: pl.DataFrame
    rulings: pl.DataFrame
    rejected: pl.DataFrame
    by_source: Mapping[str, int]
    notes: tuple[str, ...] = ()
    n_new: int = 0
    n_edited: int = 0
    n_deleted: int = 0

    @property
    def by_reason(self) -> Mapping[str, int]:
        """Annotations set aside for each reason, the most frequent first."""
        codes = Counter(reason_code(reason) for reason in self.rejected["reason"])
        return dict(codes.most_common())


def pull(
    desk: Desk,
    *,
    full: bool = False,
    roster: Sequence[RosterEntry] | None = None,
    everybody: bool = False,
    min_seconds: float | None = None,
    accept: Sequence[str] = (),
    accept_config: bool = False,
    progress: Progress = silent,
) -> Pulled:
    """Brings what changed on the server into the store, and sorts all of it into tables.

    It may be killed anywhere and run again. Roster and least time stay in force until they are
    given anew.

    Args:
        desk: Server and store.
        full: Read everything again, and compare all task numbers.
        roster: Who may grade; judgments of others are set aside.
        everybody: Lifts the roster.
        min_seconds: Grades given in less are set aside; 0.5 at first.
        accept: Reasons, or numbers of annotations, that are no longer to be held back.
        accept_config: Takes the forms that the projects have now as ours.
        progress: Told tasks read of all.

    Raises:
        InputError: Nothing was pushed to this server, or something else than asked can be accepted.
        ServerError: The server refused, or did not answer, or another pull is under way.
    """
    if not desk.store.projects(desk.server):
        raise InputError(
            "nothing was pushed from this workspace to this server. Push first: "
            "gradewise annotation push --workspace DIR"
        )
    with desk.store.lock("pull"):
        _set_rules(desk.store, desk.server, roster, min_seconds, everybody=everybody)
        events, notes = _fetch_all(desk, full=full, progress=progress)
        if accept_config:
            notes += accept_forms(desk)
        settled = settled_of(desk.store, desk.server)
        if accept:
            release(desk.store, desk.server, settled.rejected, accept)
            settled = settled_of(desk.store, desk.server)
    counts = dict(settled.judgments["source"].value_counts().iter_rows())
    return Pulled(
        judgments=settled.judgments,
        repeats=settled.repeats,
        rulings=settled.rulings,
        rejected=settled.rejected,
        by_source={name: int(counts.get(name, 0)) for name in (ENDPOINT, IMPORT)},
        notes=tuple(notes),
        n_new=events[NEW],
        n_edited=events[EDITED],
        n_deleted=events[DELETED],
    )


def settled_of(store: Store, server: str) -> Settled:
    """All that was pulled from a server so far, sorted into tables; asks nobody."""
    names = ", ".join(COLUMNS)
    rows = store.db.execute(f"SELECT {names} FROM live WHERE server = ?", (server,))  # noqa: S608
    rules = Rules(
        pairs=store.pairs(),
        forms=store.forms(server),
        people=store.people(server),
        roster=has_roster(store, server),
        min_seconds=float(store.mark(server, _MIN_SECONDS) or MIN_SECONDS),
        waived=waived(store, server),
    )
    return settle(frame_of(rows), rules)


def _set_rules(
    store: Store,
    server: str,
    roster: Sequence[RosterEntry] | None,
    min_seconds: float | None,
    *,
    everybody: bool,
) -> None:
    if min_seconds is not None:
        store.set_mark(server, _MIN_SECONDS, str(min_seconds))
    if everybody:
        lift_roster(store, server)
    if roster is not None:
        save_roster(store, server, roster)


def _fetch_all(desk: Desk, *, full: bool, progress: Progress) -> tuple[Counter[str], list[str]]:
    """Events in all projects, and what a person should know."""
    entries = desk.store.projects(desk.server)
    context, notes = _context(desk)
    sizes = [desk.store.n_pairs(one.locale, one.purpose, desk.server) for one in entries]
    events: Counter[str] = Counter()
    for place, entry in enumerate(entries):
        before, total = sum(sizes[:place]), sum(sizes)

        def told(read: int, before: int = before, total: int = total) -> None:
            progress(min(before + read, total), total, "tasks read")

        reader = fetch(desk, entry, context, told, full=full)
        name = " ".join(part for part in (entry.locale, entry.purpose) if part)
        if reader is None:
            notes.append(
                f"project {entry.project_id} ({name}) is gone from the server; what was pulled of "
                "it before is kept"
            )
            continue
        events += reader.events
        forms = [one for one in desk.store.forms(desk.server) if one.project_id == entry.project_id]
        if reader.context.config_hash not in {form.config_hash for form in forms}:
            notes.append(
                f"the form of project {entry.project_id} ({name}) was changed on the server: what "
                "is graded with it is set aside. Restore it (push --update), or take it as it is "
                "with --accept-config"
            )
        told(sizes[place])
    return events, notes


def _context(desk: Desk) -> tuple[Context, list[str]]:
    accounts = desk.studio.people()
    people = recognise(desk.store, desk.server, accounts)
    left_out = frozenset(accounts.keys() - people.keys())
    notes = []
    if left_out:
        notes.append(
            f"people who were forgotten still have an account on the server ({len(left_out)}): "
            "what they graded is left out. Delete their accounts there"
        )
    return Context(people, desk.store.pairs(), desk.store.key, left_out=left_out), notes
