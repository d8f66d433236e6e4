"""A PostgreSQL server that lives as long as the tests that use it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.postgres import cluster, programs


@contextmanager
def postgres_server(
    init_options: Sequence[str] = (), settings: Sequence[str] = ()
) -> Iterator[str]:
    """URL of the database of a new server; the test is skipped if there is no PostgreSQL.

    Args:
        init_options: More options of initdb.
        settings: More settings of the server, `name=value`.
    """
    if programs() is None:
        pytest.skip("needs a PostgreSQL server: apt-get install postgresql")
    with (
        tempfile.TemporaryDirectory(prefix="gw-pg-") as name,
        cluster(Path(name), init_options=init_options, settings=["fsync=off", *settings]) as url,
    ):
        yield url
