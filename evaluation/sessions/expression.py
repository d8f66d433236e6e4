"""The whole way from a log's table to its cells, as one Ibis expression.

Unlike `evaluation.sessions.moments` it asks nothing of the table but the types of its columns, so
it also serves tables that cannot be reached: their query is printed.
"""

from __future__ import annotations

from typing import Any

from evaluation.sessions.log import SessionLog, find_roles
from evaluation.sessions.normal import Opened, normal, without_duplicates
from evaluation.sessions.per_user import normal_users, users_once
from evaluation.sessions.totals import Plan, cell_moments, user_totals


def cells_of_table(table: Any, log: SessionLog) -> tuple[Any, tuple[str, ...]]:
    """The expression of the cells of a table, and the columns that it is split by.

    Repeated sessions count once, where the log has a column of the session's identity.

    Args:
        table: Ibis table, bound to a database or not.
        log: Which columns mean what.

    Raises:
        TableError: A column is missing or of the wrong type.
        SettingsError: Looks were asked for of a table of users.
    """
    opened = Opened(table, None, None, "table")
    roles = find_roles(table.columns, log, None)
    plan = Plan(log.outcomes, len(roles.by), log.start, log.end, log.looks)
    if log.experiment is not None:
        name = table.experiment.cast("string")
        table = table.filter((name == log.experiment) | name.isnull())
    if log.per_user:
        users = users_once(normal_users(table, roles, log, plan, opened), plan)
    else:
        once = without_duplicates(table, roles, plan) if roles.session else table
        users = user_totals(normal(once, roles, log, plan, opened), plan)
    cells = cell_moments(users, plan)
    return cells if roles.has_days else cells.mutate(day=_no_day()), roles.by


def _no_day() -> Any:
    import ibis

    return ibis.null("date")
