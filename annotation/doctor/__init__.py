"""What is wrong between a workspace and its Label Studio, each with the way out.

`examine` asks the server and the workspace, changes neither, and goes as far as it can: a server
that does not answer or a token that is no good ends the questions that need them.
"""

from __future__ import annotations

from pathlib import Path
from time import sleep

from annotation.doctor.check import FAIL, OK, STATES, WARN, Check
from annotation.doctor.server import ask_server
from annotation.doctor.workspace import ask_files, ask_pictures, ask_workspace
from annotation.gateway import SdkStudio
from annotation.secrets import redact, token_for
from annotation.server import FOLDER, LocalServer, running
from annotation.sync.desk import LOCAL, Desk
from annotation.sync.store import Store
from relevance.errors import GradewiseError, SettingsError
from relevance.progress import Progress, silent

__all__ = ["FAIL", "OK", "STATES", "WARN", "Check", "examine"]


def examine(
    workspace: Path,
    *,
    server: str | None = None,
    image_hosts: frozenset[str] = frozenset(),
    progress: Progress = silent,
) -> list[Check]:
    """Everything the doctor looks at, in the order of the questions.

    Args:
        workspace: Folder of the workspace.
        server: Address of a Label Studio; None for the workspace's own.
        image_hosts: Hosts that annotators' browsers may load pictures from.
        progress: Told tasks looked at of all.
    """
    own = LocalServer(workspace / FOLDER)
    there = running(own.data_dir)
    url = (server or (there.url if there else "")).rstrip("/")
    ours = there is not None and url == there.url
    checks = ask_files(workspace)
    if not url:
        way_out = f"start it: gradewise annotation serve --workspace {workspace}, or name --server"
        return [*checks, Check("server", FAIL, "none runs for this workspace", way_out)]
    try:
        # The token of the own server is the only one that is right for it.
        token = own.api_key if server is None else token_for(url, workspace=workspace)
    except SettingsError as error:
        token = ""
        found, _, way_out = str(error).partition(". ")
        lacking = [Check("token", FAIL, found, way_out)]
    else:
        lacking = []
    checks += ask_server(url, token, own if ours else None)
    checks += lacking
    if any(one.state == FAIL and one.name in ("server", "version", "token") for one in checks):
        return checks
    on_postgres = any(one.name == "database" and one.found == "PostgreSQL" for one in checks)
    path = workspace / FOLDER / "gradewise.sqlite3"
    if not path.exists():
        way_out = f"gradewise annotation push --workspace {workspace}"
        return [*checks, Check("projects", WARN, "nothing was pushed from here yet", way_out)]
    try:
        studio, name = SdkStudio(url, token), LOCAL if server is None else url
        with Desk(studio, Store(path), name, workspace, image_hosts, sleep) as desk:
            checks += ask_workspace(desk, progress, on_postgres=on_postgres)
            checks += ask_pictures(desk)
    except GradewiseError as error:
        checks.append(Check("projects", FAIL, redact(str(error)), "mend this, then ask again"))
    return checks
