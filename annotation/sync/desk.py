"""Where a workspace's grading happens: a server, the local store, and the people there."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Self

from annotation.client.studio import ConflictError, Studio, UnclearError
from annotation.gateway import MINIMUM_RELEASE, SdkStudio
from annotation.secrets import redact, token_for
from annotation.server import FOLDER, LocalServer, running
from annotation.sync.store import SYNTHETIC, Person, Store
from relevance.errors import ServerError

LOCAL = "local"
ATTEMPTS = 6
"""Times that a request with an unclear outcome is tried."""

SETTLE_SECONDS = 15.0
"""Seconds that a server which did not answer in time is left alone."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that push, submit and pull need.

    Attributes:
        studio: The server, seen by whoever pushes.
        store: Local state of the workspace.
        server: Name of the server in the store: `local`, or its address.
        root: Workspace folder.
        image_hosts: Hosts of https pictures that annotators' browsers may load from.
        wait: Sleeps for seconds; tests pass a clock.
    """

    studio: Studio
    store: Store
    server: str
    root: Path
    image_hosts: frozenset[str]
    wait: Callable[[float], None]

    def close(self) -> None:
        """Closes store and connections."""
        self.studio.close()
        self.store.close()

    def __enter__(self) -> Self:
        """The desk itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()


def open_desk(
    workspace: Path,
    *,
    server: LocalServer | str | None = None,
    api_key: str | None = None,
    image_hosts: Iterable[str] = (),
) -> Desk:
    """Opens the grading desk of a workspace.

    Args:
        workspace: Its folder.
        server: A server started by `annotation.server`, the address of any other, or None for the
            one that `gradewise annotation serve` runs for this workspace.
        api_key: Token; by default from the environment, the keyring, or the workspace's own server
            (`secrets.token_for`).
        image_hosts: Hosts of https pictures that annotators' browsers may load from.

    Raises:
        ServerError: No server runs, it does not answer, or it is too old.
        SettingsError: There is no token for it.
    """
    from time import sleep

    folder = workspace / FOLDER
    local = LocalServer(folder) if server is None else server
    if isinstance(local, LocalServer):
        url, token, name = _local_address(local), api_key or local.api_key, LOCAL
    else:
        url, name = local.rstrip("/"), local.rstrip("/")
        token = api_key or token_for(url, workspace=workspace)
    studio = SdkStudio(url, token)
    try:
        _check_release(studio.release(), url)
    except BaseException:
        studio.close()
        raise
    store = Store(folder / "gradewise.sqlite3")
    return Desk(studio, store, name, workspace, frozenset(image_hosts), sleep)


def ensure_people(desk: Desk, annotators: Iterable[str]) -> Mapping[str, Person]:
    """An account for each synthetic grader, made by invitation where there is none.

    Returns:
        Pseudonym → person, with password.
    """
    wanted = sorted(set(annotators))
    known = {person.annotator: person for person in desk.store.people(desk.server)}
    there = set(desk.studio.people().values())
    for annotator in wanted:
        person = known.get(annotator)
        if person is None:
            # The password is stored before the account is made: a run that dies in between can
            # still log in to it.
            password = secrets.token_urlsafe(16)
            person = Person(_email(annotator), annotator, password, signed_up=False, role=SYNTHETIC)
            desk.store.save_person(desk.server, person)
            known[annotator] = person
        if person.password is not None and person.email not in there:
            attempt(desk, partial(desk.studio.sign_up, person.email, person.password))
    people = {annotator: known[annotator] for annotator in wanted}
    new = [person for person in people.values() if not person.signed_up]
    if new:
        attempt(desk, desk.studio.close_invitations)
    for person in new:
        desk.store.save_person(desk.server, replace(person, signed_up=True))
    return people


def attempt(desk: Desk, act: Callable[[], None], done: Callable[[], bool] = lambda: False) -> bool:
    """Carries out something that must happen once, on a server whose replies may get lost.

    Args:
        desk: Tells how to wait.
        act: The request.
        done: Asks the server whether it has happened, after an unclear reply.

    Returns:
        Whether this call carried it out (False: it had happened already).

    Raises:
        ServerError: The outcome stayed unclear too often, or the server refused.
    """
    last: ServerError | None = None
    for tries in range(ATTEMPTS + 1):
        try:
            if tries and done():
                return True
            if tries < ATTEMPTS:
                act()
                return True
        except ConflictError:
            return tries > 0
        except UnclearError as error:
            last = error
            # Tasks that a server stores after it was given up would be there twice.
            desk.wait(SETTLE_SECONDS if error.timed_out else min(2.0**tries, 30.0))
    raise ServerError(f"{last} Run the same command again to resume") from last


def _local_address(server: LocalServer) -> str:
    there = running(server.data_dir)
    if there is None:
        raise ServerError(
            f"no Label Studio runs for {server.data_dir.parent}. Start it in another terminal: "
            f"gradewise annotation serve --workspace {server.data_dir.parent}, or name one with "
            "--server URL"
        )
    return there.url


def _check_release(release: str, url: str) -> None:
    numbers = tuple(int(part) for part in re.findall(r"\d+", release)[:3])
    if numbers < MINIMUM_RELEASE:
        least = ".".join(map(str, MINIMUM_RELEASE))
        raise ServerError(
            f"Label Studio at {redact(url)} is {release}; it must be {least} or newer. Update it"
        )


def _email(annotator: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", annotator.lower()).strip("-")
    if slug != annotator:
        slug = f"{slug}-{sha256(annotator.encode()).hexdigest()[:6]}".strip("-")
    return f"{slug}@graders.example.com"
