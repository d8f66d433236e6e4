"""`gradewise annotation pull`: judgments from Label Studio."""

from __future__ import annotations

from app.commands.annotation.options import (
    DEFAULT_WORKSPACE,
    ServerOption,
    WorkspaceOption,
    open_desk_of,
)
from app.output import (
    OverwriteOption,
    notes,
    progress_bar,
    refuse_to_overwrite,
)


def pull(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    server: ServerOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Brings the judgments into the table `judgments`; run again, it brings the newer ones too.

    What cannot be a judgment (unknown grade, two grades, …) goes to judgments-rejected.jsonl with
    its reason. A table that an import made is kept unless --overwrite is given:

        gradewise annotation pull --workspace demo
    """
    from annotation.sync import pull as bring
    from relevance.files import atomic
    from relevance.provenance import read_provenance
    from relevance.workspace import Workspace

    space = Workspace(workspace)
    made_by = (read_provenance(space.path("judgments")) or {}).get("command")
    if made_by != "annotation pull":
        refuse_to_overwrite(space.path("judgments"), overwrite)
    with open_desk_of(workspace, server, []) as desk, progress_bar("pull") as progress:
        pulled = bring(desk, progress=progress)
    space.write("judgments", pulled.judgments, command="annotation pull")
    rejected = workspace / "judgments-rejected.jsonl"
    with atomic(rejected) as temporary:
        pulled.rejected.write_ndjson(temporary)
    ways = pulled.by_source
    notes.print(
        f"{pulled.judgments.height:,} judgments: {ways['endpoint']:,} graded in Label Studio, "
        f"{ways['import']:,} imported as finished annotations"
    )
    if pulled.rejected.height:
        notes.print(f"{pulled.rejected.height:,} set aside, with reasons: {rejected}")
    for note in pulled.notes:
        notes.print(f"note: {note}")
