"""Whether the server holds what the workspace pushed, and who may read the workspace's files."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from annotation.client.studio import ProjectState
from annotation.doctor.check import FAIL, OK, WARN, Check
from annotation.page.pictures import Pictures, picture_source
from annotation.server import FOLDER
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.projects import drift, find_project, twins
from annotation.sync.store import SYNTHETIC, ProjectEntry
from relevance.progress import Progress

PRIVATE = ("gradewise.sqlite3", "secrets.json", "server.json", "label-studio.log", ".env")
BUSY_ANNOTATORS = 3
MANY_TASKS = 50_000
_PAGE = 5000


def ask_files(workspace: Path) -> list[Check]:
    """Whether others on this machine can read names, passwords and tokens."""
    folder = workspace / FOLDER
    if not folder.exists():
        return []
    seen = [folder, *(folder / name for name in PRIVATE), *folder.glob("*.sqlite3*")]
    readable = {p for p in seen if p.exists() and stat.S_IMODE(p.stat().st_mode) & 0o077}
    if folder not in readable:
        return [Check("files", OK, f"{folder} is open to its owner only")]
    inside = sorted(path.name for path in readable - {folder})
    if not inside:
        return [Check("files", OK, "names, passwords and tokens are open to their owner only")]
    listed = " ".join(str(folder / name) for name in inside)
    found = f"others on this machine may read {', '.join(inside)}"
    return [Check("files", FAIL, found, f"chmod 600 {listed}; chmod 700 {folder}")]


def ask_workspace(desk: Desk, progress: Progress, *, on_postgres: bool) -> list[Check]:
    """Projects, forms, guidelines, counts and doubled tasks, each project by each."""
    entries = desk.store.projects(desk.server)
    if not entries:
        way_out = "gradewise annotation push --workspace DIR"
        return [Check("projects", WARN, "nothing was pushed to this server", way_out)]
    checks: list[Check] = []
    there: list[tuple[ProjectEntry, ProjectState]] = []
    for entry in entries:
        found, state = _project(desk, entry)
        checks += found
        if state is not None:
            there.append((entry, state))
    for entry, state in there:
        checks += _contents(desk, entry, state)
    checks += _copies(desk, there, progress)
    if not on_postgres:
        checks.append(_size(desk, [state for _, state in there]))
    return checks


def _project(desk: Desk, entry: ProjectEntry) -> tuple[list[Check], ProjectState | None]:
    """Whether a project is there, ours, and the only one."""
    name, push = f"project {named(entry)}", "gradewise annotation push"
    state = desk.studio.project(entry.project_id)
    ours = find_project(desk, entry.locale, entry.purpose)
    if state is None:
        if ours is not None:
            found = f"{entry.project_id} is gone, {ours.project_id} has our marker"
            return [Check(name, WARN, found, f"{push} goes on with that one")], None
        return [Check(name, FAIL, f"{entry.project_id} is gone", f"{push} makes it anew")], None
    if ours is None or ours.project_id != entry.project_id:
        found = f"{entry.project_id} has lost our marker: somebody changed its description"
        marker = f"[{desk.store.marker}:{entry.locale or 'all'}:{entry.purpose}]"
        return [Check(name, FAIL, found, f"put {marker} back into its description")], None
    others = [str(one.project_id) for one in twins(desk, entry)]
    if others:
        found = f"{entry.project_id}, and also {', '.join(others)} with the same marker"
        way_out = "another machine made it meanwhile; if it is empty, delete it in Label Studio"
        return [Check(name, WARN, found, way_out)], state
    return [Check(name, OK, f"{entry.project_id}, with our marker")], state


def _contents(desk: Desk, entry: ProjectEntry, state: ProjectState) -> list[Check]:
    """Form and guidelines as they were pushed; as many tasks as pairs."""
    overlap = entry.overlap or state.overlap
    differences = drift(desk, entry, state, overlap)
    name = f"form {named(entry)}"
    checks = []
    for line in differences:
        found, _, way_out = line.partition(". ")
        changed = "changed on the server" in found
        checks.append(Check(name, FAIL if changed else WARN, found, way_out))
    if not differences:
        version = f"guidelines {entry.guideline_version}"
        checks.append(Check(name, OK, f"as pushed ({version}, {overlap} annotators a pair)"))
    sent = desk.store.n_pairs(entry.locale, entry.purpose, desk.server)
    name = f"tasks {named(entry)}"
    if state.n_tasks < sent:
        found = f"{sent:,} pairs were pushed, {state.n_tasks:,} tasks are there"
        checks.append(Check(name, FAIL, found, "push again: gradewise annotation push"))
    elif state.n_tasks > sent:
        found = f"{state.n_tasks:,} tasks are there, {sent:,} pairs were pushed"
        checks.append(Check(name, WARN, found, "gradewise annotation verify says which"))
    else:
        finished = f"{state.n_finished:,} finished, {state.n_annotations:,} judgments"
        checks.append(Check(name, OK, f"{sent:,} as pushed; {finished}"))
    return checks


def _copies(
    desk: Desk, there: list[tuple[ProjectEntry, ProjectState]], progress: Progress
) -> list[Check]:
    """Doubled tasks of all projects."""
    total, done, doubled = sum(state.n_tasks for _, state in there), 0, Counter[str]()
    for entry, _ in there:
        keys: Counter[str] = Counter()
        for page in _identities(desk, entry.project_id):
            keys.update(key for _, key in page if key)
            done += len(page)
            progress(min(done, total), total, named(entry))
        doubled[named(entry)] = sum(n - 1 for n in keys.values() if n > 1)
    if not there:
        return []
    if not doubled.total():
        return [Check("doubled tasks", OK, f"none among {done:,}")]
    places = ", ".join(f"{n:,} in {name}" for name, n in doubled.items() if n)
    way_out = "gradewise annotation verify removes those that nobody graded"
    return [Check("doubled tasks", FAIL, places, way_out)]


def _identities(desk: Desk, project_id: int) -> Iterator[list[tuple[int, str]]]:
    for number in count(1):
        page = desk.studio.identities(project_id, page=number, size=_PAGE)
        if page:
            yield page
        if len(page) < _PAGE:
            return


def _size(desk: Desk, states: list[ProjectState]) -> Check:
    """Whether it is time for PostgreSQL, by people and tasks."""
    people = [one for one in desk.store.people(desk.server) if one.role != SYNTHETIC]
    n_people = max(0, len(people) - 1)  # one is the account that pushes and pulls
    n_tasks = sum(state.n_tasks for state in states)
    found = f"{n_people:,} annotators, {n_tasks:,} tasks"
    if n_people > BUSY_ANNOTATORS or n_tasks > MANY_TASKS:
        way_out = "if the database is SQLite, move to PostgreSQL (docs/annotation.md)"
        return Check("size", WARN, found, way_out)
    return Check("size", OK, f"{found}: SQLite will do")


def ask_pictures(desk: Desk) -> list[Check]:
    """Where annotators' browsers will load the pictures of the workspace's Pins from."""
    from relevance.workspace import Workspace

    space = Workspace(desk.root)
    pins = space.read("pins") if space.has("pins") else None
    if pins is None or "image" not in pins.columns:
        return []
    root = desk.root if desk.server == LOCAL and (desk.root / "images").is_dir() else None
    pictures = Pictures(root=root, hosts=desk.image_hosts)
    images = [image for image in pins["image"].to_list() if image]
    sources = [picture_source(image, pictures) for image in images]
    lost = sources.count("")
    hosts = Counter(one.split("/")[2] for one in sources if one.startswith("https://"))
    local = sum(one.startswith("/data/") for one in sources)
    told = [f"{local:,} from images/"] * bool(local)
    told += [f"{n:,} from {host}" for host, n in hosts.most_common(3)]
    found = f"{len(images) - lost:,} of {len(images):,} can be shown"
    found += f" ({', '.join(told)})" if told else ""
    if not lost:
        return [Check("pictures", OK, found)]
    way_out = "use images/ with the own server, or name their host with --image-host"
    return [Check("pictures", WARN, found, way_out)]


def named(entry: ProjectEntry) -> str:
    """Locale and purpose of a project, in words."""
    locale = entry.locale or "all"
    return locale if entry.purpose == "grade" else f"{locale} {entry.purpose}"
