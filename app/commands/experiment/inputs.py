"""Where the log of an experiment is: a file, saved moments, or a table of a database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.evaluation.shared import Sources
from relevance.errors import SettingsError
from relevance.files import hash_file

if TYPE_CHECKING:
    from evaluation.experiment.config import ExperimentConfig
    from evaluation.sessions import SessionMoments
    from relevance.progress import Progress

HASHED_UP_TO = 1 << 30
"""Bytes up to which a file is hashed; above, and for folders, name, size and time stand for it."""


@dataclass(frozen=True, slots=True)
class Log:
    """Where the log is.

    Attributes:
        path: File or folder of sessions, or of moments.
        moments: Whether `path` holds moments.
        connect: Address of a database, instead of `path`.
        table: Its table.
        memory: Gigabytes to take before spilling to disk; None for what is reasonable.
    """

    path: Path | None
    moments: bool = False
    connect: str | None = None
    table: str | None = None
    memory: float | None = None

    def __post_init__(self) -> None:
        if (self.path is None) == (self.connect is None):
            found = "both" if self.path else "neither"
            raise SettingsError(
                f"Give a log, SESSIONS, or --connect URL --table NAME; there is {found}"
            )
        if (self.connect is None) != (self.table is None):
            missing = "--table NAME" if self.connect else "--connect URL"
            raise SettingsError(f"{missing} is missing: --connect and --table go together")
        if self.moments and self.path is None:
            raise SettingsError("--moments needs a file: leave out --connect, or save the moments")

    def read(self, config: ExperimentConfig, progress: Progress) -> SessionMoments:
        """The moments of the log."""
        if self.connect is not None and self.table is not None:
            from evaluation.sessions.connections import session_moments_at

            return session_moments_at(self.connect, self.table, config.log, progress=progress)
        if self.path is None:
            raise SettingsError("there is no log")
        if self.moments:
            from evaluation.experiment.config import texts
            from evaluation.sessions.saved import read_moments

            by = texts(config.by) or None
            return read_moments(self.path, outcomes=config.outcomes, by=by)
        from evaluation.sessions import session_moments

        memory = None if self.memory is None else int(self.memory * 1e9)
        return session_moments(self.path, config.log, memory=memory, progress=progress)

    def sources(self) -> Sources:
        """What the figures are made from; a file that is not too large is hashed meanwhile."""
        return Sources({self.name: self.path if self._hashed else None})

    def told(self, sources: Sources) -> str:
        """The version and what stands for the log, for the rows."""
        return sources.text if self._hashed else f"{sources.text}; {self.name}={self._described}"

    def hashes(self) -> dict[str, str]:
        """What stands for the log in a provenance: its SHA-256 if it is not too large."""
        if self._hashed and self.path is not None:
            return {self.name: hash_file(self.path)}
        return {self.name: self._described}

    @property
    def name(self) -> str:
        """What kind of log it is, in one word."""
        return "moments" if self.moments else "sessions"

    @property
    def _hashed(self) -> bool:
        path = self.path
        return path is not None and path.is_file() and path.stat().st_size <= HASHED_UP_TO

    @property
    def _described(self) -> str:
        if self.connect is not None and self.table is not None:
            from evaluation.sessions.connections import parse_url

            place = parse_url(self.connect, self.table)
            return f"{place.table} in {place.shown}"
        if self.path is None or not self.path.exists():
            return str(self.path)
        files = [self.path] if self.path.is_file() else sorted(self.path.rglob("*"))
        sizes = [file.stat().st_size for file in files if file.is_file()]
        many = f"{len(sizes):,} files, " if self.path.is_dir() else ""
        return f"{self.path.name} ({many}{sum(sizes):,} bytes)"
