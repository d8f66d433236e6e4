"""A workspace: the folder where the named tables of one project live, with their provenance.

A table `NAME` is `NAME.parquet`; beside it `NAME.json` says which command made it, from which
inputs (by hash), with which configuration, seed and version. `NAME` is a kind of
`relevance.records.TABLES`, or a kind and a variant: `qrels`, `runs-candidate`,
`predictions-teacher`. Everything is written under a temporary name first and then renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from relevance.errors import InputError, MissingInputError, did_you_mean
from relevance.files import atomic, hash_file
from relevance.provenance import write_provenance
from relevance.records import TABLES
from relevance.tables import read_table, write_table

RESULTS = "results"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Named tables in a folder.

    Attributes:
        root: The folder; made on the first write.
    """

    root: Path

    def path(self, name: str) -> Path:
        """Where table `name` lives, whether it is there or not."""
        kind_of(name)
        return self.root / f"{name}.parquet"

    def has(self, name: str) -> bool:
        """Whether the table is there."""
        return self.path(name).exists()

    def read(self, name: str, *, made_by: str = "gradewise demo") -> pl.DataFrame:
        """The table, checked against its contract.

        Args:
            name: Name of the table.
            made_by: The command to name if it is missing.

        Raises:
            MissingInputError: It is not there.
            TableError: It breaks its contract.
        """
        if not self.has(name):
            raise MissingInputError(self.path(name), made_by)
        kind = kind_of(name)
        if kind == RESULTS:
            return pl.read_parquet(self.path(name))
        return read_table(self.path(name), kind)

    def write(
        self,
        name: str,
        frame: pl.DataFrame,
        *,
        command: str,
        inputs: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        seed: int | None = None,
        seen_queries: Iterable[str] = (),
    ) -> Path:
        """Writes the table in key order, then its provenance (see there); returns its path."""
        path = self.path(name)
        self.root.mkdir(parents=True, exist_ok=True)
        kind = kind_of(name)
        if kind == RESULTS:
            with atomic(path) as temporary:
                frame.write_parquet(temporary)
        else:
            write_table(frame, path, kind)
        write_provenance(
            path,
            command=command,
            inputs=inputs,
            config=config,
            seed=seed,
            seen_queries=seen_queries,
        )
        return path

    def hashes(self, *names: str) -> dict[str, str]:
        """SHA-256 of each of these tables that is there: the `inputs` of what is made from them."""
        return {name: hash_file(self.path(name)) for name in names if self.has(name)}


def kind_of(name: str) -> str:
    """The kind of a named table: `runs` of `runs-candidate`.

    Raises:
        InputError: No table is called so.
    """
    kind = name.split("-", 1)[0]
    if kind != RESULTS and kind not in TABLES:
        raise InputError(f"no table is called {name!r}.{did_you_mean(kind, TABLES)}")
    return kind
