"""Style sheets of the annotator's page and the guidelines."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def stylesheet(name: str) -> str:
    """A style sheet of this package in one line, without comments.

    Label Studio escapes `<`, `>` and `&` in a page's style: ours do without.
    """
    text = files("annotation.page").joinpath(name).read_text(encoding="utf-8")
    return " ".join(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).split())
