"""Texts that a spreadsheet would run as formulas: guarded in every CSV and TSV, and back.

A cell of text that begins with `=`, `+`, `-`, `@`, a tab or a line break gets an apostrophe before
it, which spreadsheets take for "this is text". Numbers are left alone, also those that are text,
such as the id `-12`. A text that begins with apostrophes and then such a character gets one more:
so what is read back, with one apostrophe taken off, is what was there before.

References:
    OWASP, CSV Injection.
"""

from __future__ import annotations

import re

RISKY = r"^'*[=+\-@\t\r\n＝＋－＠]"
"""What a text begins with that must be guarded, as a regular expression."""

GUARDED = r"^'('*[=+\-@\t\r\n＝＋－＠])"
"""What a guarded text begins with; the group is what it began with before."""

NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
"""A plain number, which no spreadsheet runs."""

_RISKY, _GUARDED = re.compile(RISKY), re.compile(GUARDED)
_NUMBER = re.compile(NUMBER.removesuffix("$") + r"\Z")


def guard(text: str) -> str:
    """The text as a cell of a CSV file that no spreadsheet runs."""
    return f"'{text}" if _RISKY.match(text) and not _NUMBER.match(text) else text


def unguard(text: str) -> str:
    """The text that such a cell stands for."""
    return text[1:] if _GUARDED.match(text) and not _NUMBER.match(text) else text
