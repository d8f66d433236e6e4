"""Cells as people and tools write them: grades, times and texts."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MISSING = frozenset(
    ("", "na", "n/a", "n.a.", "nan", "null", "none", "nil", "-", "--", "—", "?", "#n/a", "<na>")
)
"""What stands for nothing, in small letters."""

_BLANKS = " \t\r\n\f\v\u00a0\u200b\u2007\u202f\u3000\ufeff"
_WHOLE = re.compile(r"([+-]?\d+)(?:[.,]0+)?")
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(.*)", re.DOTALL)
_DATES = (
    "%Y/%m/%d", "%d.%m.%Y", "%d-%m-%Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y",
)  # fmt: skip
_CLOCKS = ("", " %H:%M", " %H:%M:%S", ", %H:%M", ", %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_EPOCH, _LAST = 946_684_800.0, 4_102_444_800.0  # 2000 and 2100, in seconds


def text_of(value: object) -> str | None:
    """The value as text, blanks around it off; None if it stands for nothing.

    Whole floats lose their `.0`, as ids that were numbers in a spreadsheet have one.
    """
    if value is None:
        return None
    if isinstance(value, str):
        text = value if value.isascii() else value.encode("utf-8", "replace").decode()
        return text.strip(_BLANKS) or None
    if isinstance(value, float):
        if math.isnan(value):
            return None
        value = int(value) if value.is_integer() else value
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace").decode()


def grade_of(value: object) -> str | None:
    """The grade as a key: a whole number without decoration, else the text in small letters.

    None stands for no grade. `4`, `"4"`, 4.0, `"4.0"`, `"4,0"`, `" 4 "` and `"４"` are all `"4"`.
    """
    if isinstance(value, bool):
        return str(value).lower()
    text = text_of(value)
    if text is None:
        return None
    text = " ".join(unicodedata.normalize("NFKC", text).split()).casefold()
    if text in MISSING:
        return None
    whole = _WHOLE.fullmatch(text)
    return str(int(whole[1])) if whole else text


def times_of(values: Iterable[object]) -> list[datetime | None]:
    """Times in UTC; None where a value is none or could mean two days.

    ISO 8601, seconds or milliseconds since 1970, dates with points, slashes, or names of months,
    RFC 2822; without a zone they are taken as UTC. Whether 03/04/2025 is in March or April is told
    from the others of the column: one with a day after the twelfth decides, two that disagree do
    not.
    """
    cells = list(values)
    slashed = [
        _SLASHED.fullmatch(cell.strip()) if isinstance(cell, str) else None for cell in cells
    ]
    day_first = any(int(match[1]) > 12 for match in slashed if match)
    day_second = any(int(match[2]) > 12 for match in slashed if match)
    order = {(True, False): ("%d/%m/%Y",), (False, True): ("%m/%d/%Y",)}
    dates = order.get((day_first, day_second), ())
    return [
        _time(cell) if match is None else _parsed(match[0], dates)
        for cell, match in zip(cells, slashed, strict=True)
    ]


def _time(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return _utc(value)
    text = text_of(value)
    if text is None or isinstance(value, bool):
        return None
    number = _number(text)
    if number is not None:
        for unit in (1.0, 1e3, 1e6):
            if _EPOCH <= number / unit < _LAST:
                return datetime.fromtimestamp(number / unit, UTC)
        return None
    readers: tuple[Callable[[str], datetime | None], ...] = (
        datetime.fromisoformat,
        lambda text: _parsed(text, _DATES),
        parsedate_to_datetime,
    )
    for read in readers:
        try:
            at = read(text.removesuffix(" UTC"))
        except (ValueError, TypeError, IndexError):
            continue
        if at is not None:
            return _utc(at)
    return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _parsed(text: str, dates: Iterable[str]) -> datetime | None:
    for date in dates:
        for clock in _CLOCKS:
            try:
                return _utc(datetime.strptime(text.strip(), date + clock))
            except ValueError:
                continue
    return None


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
