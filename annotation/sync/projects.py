"""The projects of a workspace on a server: found again, made, compared, brought up to date.

Label Studio keeps neither titles nor anything else of a project unique, and anybody may edit it. So
a project is known by its number and by a marker in its description; what form and guidelines it was
left with is remembered, and what differs is told, never overwritten silently.
"""

from __future__ import annotations

import hashlib
import re
from functools import partial

from annotation.client.studio import ProjectSpec, ProjectState
from annotation.interface import config_hash, guideline_version, label_config
from annotation.page.guidelines import guidelines
from annotation.sync.desk import Desk, attempt
from annotation.sync.store import GRADE, ProjectEntry
from relevance.errors import ServerError

_TITLE = 50
_INSTRUCTION = "instruction"
"""Name of the mark that holds the hash of the guidelines as the server stored them."""


def find_project(desk: Desk, locale: str, purpose: str = GRADE) -> ProjectState | None:
    """The project of a locale and purpose on the server, by number and marker; None if none is."""
    entry = desk.store.project(desk.server, locale, purpose)
    if entry is not None:
        state = desk.studio.project(entry.project_id)
        if state is not None and _is_marked(desk, state, locale, purpose):
            return state
    return next(iter(desk.studio.find_projects(_marker(desk, locale, purpose))), None)


def ensure_project(
    desk: Desk, locale: str, purpose: str = GRADE, *, overlap: int
) -> tuple[ProjectEntry, ProjectState]:
    """The project of a locale and purpose, made if it is not there.

    Two machines that make it at the same time both go on with the older one.

    Raises:
        ServerError: The server refused, or did not answer after several tries.
    """
    entry = desk.store.project(desk.server, locale, purpose)
    state = find_project(desk, locale, purpose)
    if state is not None and entry is not None and state.project_id == entry.project_id:
        return entry, state
    if state is None:
        spec = project_spec(desk, locale, purpose, overlap)
        state = _create(desk, spec, _marker(desk, locale, purpose))
    return _remember(desk, locale, purpose, state), state


def project_spec(desk: Desk, locale: str, purpose: str, overlap: int) -> ProjectSpec:
    """What a project would be made of today."""
    config, instruction = label_config(language=locale), guidelines(language=locale)
    version = guideline_version(config, instruction)
    named = "" if purpose == GRADE else f" ({purpose})"
    marker = _marker(desk, locale, purpose)
    return ProjectSpec(
        title=f"gradewise {locale}".strip()[: _TITLE - len(named)] + named,
        description=f"Relevance of Pins to queries. Guidelines {version}. {marker}",
        label_config=config,
        instruction=instruction,
        overlap=overlap,
    )


def drift(desk: Desk, entry: ProjectEntry, state: ProjectState, overlap: int) -> list[str]:
    """What differs between a project, what it was left as, and what is wanted now; a line each."""
    spec = project_spec(desk, entry.locale, entry.purpose, overlap)
    named = f"project {entry.project_id} ({_named(entry)})"
    way_out = "Add --update to push to put ours in its place"
    found = []
    if config_hash(state.label_config) != entry.config_hash:
        found.append(f"the form of {named} was changed on the server. {way_out}")
    kept = desk.store.mark(desk.server, _INSTRUCTION, entry.project_id)
    if kept is not None and kept != _hash(state.instruction):
        found.append(f"the guidelines of {named} were changed on the server. {way_out}")
    ours = guideline_version(spec.label_config, spec.instruction)
    if ours != entry.guideline_version:
        found.append(
            f"{named} has form and guidelines of version {entry.guideline_version}, this gradewise "
            f"makes {ours}. Go on with the old ones, or add --update to push"
        )
    if state.overlap and state.overlap != overlap:
        found.append(
            f"{named} has {state.overlap} annotators a pair, not {overlap}. Add --update to push "
            "to change it for all of its pairs"
        )
    return found


def update_project(desk: Desk, entry: ProjectEntry, overlap: int) -> ProjectEntry:
    """Puts today's form, guidelines and overlap into a project; its judgments stay as they are.

    Raises:
        ServerError: The server refused, or did not answer after several tries.
    """
    spec = project_spec(desk, entry.locale, entry.purpose, overlap)
    act = partial(
        desk.studio.update_project,
        entry.project_id,
        description=spec.description,
        label_config=spec.label_config,
        instruction=spec.instruction,
        overlap=overlap,
    )
    attempt(desk, act)
    state = desk.studio.project(entry.project_id)
    if state is None:
        raise ServerError(
            f"project {entry.project_id} ({_named(entry)}) is gone. Push again to make it anew"
        )
    return _remember(desk, entry.locale, entry.purpose, state)


def twins(desk: Desk, entry: ProjectEntry) -> list[ProjectState]:
    """Further projects of the same locale and purpose: another machine made them meanwhile."""
    there = desk.studio.find_projects(_marker(desk, entry.locale, entry.purpose))
    return [state for state in there if state.project_id != entry.project_id]


def _named(entry: ProjectEntry) -> str:
    return f"{entry.locale or 'all'}, {entry.purpose}"


def _remember(desk: Desk, locale: str, purpose: str, state: ProjectState) -> ProjectEntry:
    told = re.search(r"Guidelines (\w+)\.", state.description)
    version = told[1] if told else guideline_version(state.label_config, state.instruction)
    entry = ProjectEntry(
        locale,
        purpose,
        state.project_id,
        config_hash(state.label_config),
        version,
        state.overlap,
    )
    desk.store.save_project(desk.server, entry)
    # The server tidies the HTML, so only what it keeps can be compared with what it kept.
    desk.store.set_mark(desk.server, _INSTRUCTION, _hash(state.instruction), entry.project_id)
    return entry


def _create(desk: Desk, spec: ProjectSpec, marker: str) -> ProjectState:
    def act() -> None:
        desk.studio.create_project(spec)

    attempt(desk, act, lambda: bool(desk.studio.find_projects(marker)))
    there = desk.studio.find_projects(marker)
    if not there:
        raise ServerError(
            f"the project {spec.title!r} was made and is gone again. Is somebody deleting "
            "projects? Run the same command again"
        )
    return there[0]


def _marker(desk: Desk, locale: str, purpose: str) -> str:
    return f"[{desk.store.marker}:{locale or 'all'}:{purpose}]"


def _is_marked(desk: Desk, state: ProjectState, locale: str, purpose: str) -> bool:
    # Projects made before there were purposes name none.
    former = f"[{desk.store.marker}:{locale or 'all'}]"
    return _marker(desk, locale, purpose) in state.description or (
        purpose == GRADE and former in state.description
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
