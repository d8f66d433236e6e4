"""Chorus: the individual ratings of its broad query set, product search graded by three people.

- Grades: 0, 1, 2, 3 → 1, 2, 4, 5. A column a rater (`agent_1_rating`, …); `final_rating`, the
  authors' own adjudication, is left to `gradewise annotation adjudicate`.
- Queries: each text is one; `query_id` is the text.
- Pins: `docid` with name and description; a product that has several keeps its first.

Source: github.com/querqy/chorus `katas/Broad_Query_Set_individual_ratings.csv`. Apache-2.0.
"""

from __future__ import annotations

import re
from pathlib import Path

from relevance.errors import TableError
from relevance.importers.ratings import AS_FOUND, RatingOptions, from_wide
from relevance.importers.raw_rows import read_raw
from relevance.importers.set_aside import Outcome

FROM = "download katas/ of github.com/querqy/chorus"
LEVELS = (0, 1, 2, 3)

_RATER = re.compile(r"(.+)_rating")
_ADJUDICATED = "final_rating"


def read(path: Path, options: RatingOptions = AS_FOUND) -> Outcome:
    """The tables queries, pins, pairs and judgments of the file.

    Raises:
        MissingInputError: It is not there.
        TableError: It is not that file, or no rating is left.
    """
    file = read_raw(path, FROM)
    found = {name: _RATER.fullmatch(name) for name in file.columns if name != _ADJUDICATED}
    raters = {name: match[1] for name, match in found.items() if match}
    if not {"query", "docid"} <= set(file.columns) or not raters:
        raise TableError(
            "this is not Chorus's file, which has query, docid and agent_1_rating",
            path=path,
            line=1,
            value=", ".join(file.columns),
            way_out=f"Give it ({FROM}), or use: gradewise data import ratings",
        )
    columns = {"text": "query", "pin": "docid", "title": "name", "description": "description"}
    return from_wide(file, columns, list(raters), options, names=raters, levels=LEVELS)
