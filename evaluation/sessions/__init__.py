"""From a session log to moments per variant × group × day. The only room that imports Ibis."""

from __future__ import annotations

from evaluation.sessions.log import SessionLog, SessionMoments
from evaluation.sessions.moments import (
    DUPLICATES_UP_TO,
    cell_schema,
    session_moments,
    user_frame,
)

__all__ = [
    "DUPLICATES_UP_TO",
    "SessionLog",
    "SessionMoments",
    "cell_schema",
    "session_moments",
    "user_frame",
]
