"""A study's pairs through Label Studio and back: what was pushed must come back unchanged."""

from __future__ import annotations

from contextlib import closing

import polars as pl

from relevance.errors import GradewiseError
from relevance.progress import Progress
from relevance.workspace import Workspace

ANNOTATOR = "published"


def push_and_pull(workspace: Workspace, n_pairs: int, *, seed: int, progress: Progress) -> str:
    """Pushes a sample of pairs with their published grades to a local Label Studio and pulls them.

    Args:
        workspace: Holds queries, pins and qrels; its judgments are written.
        n_pairs: Size of the sample.
        seed: Of the sample.
        progress: Told of pairs.

    Raises:
        GradewiseError: A grade did not come back as it was sent.
        ServerError: Label Studio could not be installed or started, or refused.
    """
    from annotation.server import FOLDER, LocalServer
    from annotation.sync.desk import open_desk
    from annotation.sync.pull import pull
    from annotation.sync.push import push

    qrels = workspace.read("qrels")
    sent = qrels.sample(min(n_pairs, qrels.height), seed=seed).select("query_id", "pin_id", "grade")
    server = LocalServer(workspace.root / FOLDER).start()
    try:
        server.wait_ready(progress=progress)
        queries, pins = workspace.read("queries"), workspace.read("pins")
        desk = open_desk(workspace.root, server=server)
        with closing(desk.store):
            pushed = push(
                desk, queries, pins, sent, overlap=1, finished=_judged(sent), progress=progress
            )
            judgments = pull(desk, progress=progress).judgments
    finally:
        server.stop()
    workspace.write("judgments", judgments, command="study push and pull")
    keys = ["query_id", "pin_id", "grade"]
    if not judgments.select(keys).sort(keys).equals(sent.sort(keys)):
        raise GradewiseError("the grades pulled from Label Studio are not those that were pushed")
    return f"{pushed.n_pairs} pairs pushed, {judgments.height} judgments pulled, all equal"


def _judged(grades: pl.DataFrame) -> pl.DataFrame:
    """Published grades as the judgments of one annotator."""
    return grades.with_columns(
        annotator=pl.lit(ANNOTATOR),
        flag=pl.lit(None, pl.String),
        comment=pl.lit(None, pl.String),
        seconds=pl.lit(None, pl.Float64),
    )
