"""Where a table or model came from: a small `.json` beside it, and which queries it has seen.

A model's provenance holds the hashed ids of every query it was trained, tuned or calibrated on; the
tables made with it hand them on, so that evaluation can leave those queries out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from relevance.files import atomic

_KEYS = {"version", "command", "seen_queries"}  # by which a provenance is known


def provenance_path(path: Path) -> Path:
    """Where the provenance of a table file or model folder lives: `x.parquet` → `x.json`."""
    return path.with_suffix(".json") if path.suffix else path / "provenance.json"


def write_provenance(
    path: Path,
    *,
    command: str,
    inputs: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    seed: int | None = None,
    seen_queries: Iterable[str] = (),
) -> None:
    """Writes the provenance of the table file or model folder at `path`.

    Args:
        path: The table or folder, already in place.
        command: The command that made it.
        inputs: Name → SHA-256 of what it was made from.
        config: The configuration it was made with.
        seed: The seed, if chance had a part.
        seen_queries: Hashed ids (`hash_query`) of the queries that its model has seen.
    """
    provenance = {
        "version": metadata.version("gradewise"),
        "command": command,
        "inputs": dict(inputs or {}),
        "config": dict(config or {}),
        "seed": seed,
        "seen_queries": sorted(seen_queries),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with atomic(provenance_path(path)) as temporary:
        temporary.write_text(json.dumps(provenance, indent=1, ensure_ascii=False) + "\n")


def read_provenance(path: Path) -> dict[str, Any] | None:
    """The provenance of the table file or model folder at `path`, or None if it has none.

    Another `.json` of that name (a run of the system beside its table, say) is not taken for one.
    """
    beside = provenance_path(path)
    if not beside.is_file():
        return None
    try:
        loaded = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError:  # neither JSON nor text
        return None
    if not isinstance(loaded, dict) or not loaded.keys() >= _KEYS:
        return None
    return loaded


def seen_queries(path: Path) -> frozenset[str]:
    """Hashed ids of the queries that whatever made `path` has seen; empty without provenance."""
    return frozenset((read_provenance(path) or {}).get("seen_queries", ()))


def hash_query(query_id: str) -> str:
    """Sixteen hexadecimal digits that stand for a query id in a provenance."""
    return hashlib.sha256(query_id.encode()).hexdigest()[:16]
