"""JSON whose objects know their line: where to look for what an import set aside."""

from __future__ import annotations

import bisect
import json
import json.decoder
import json.scanner
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relevance.errors import TableError


@dataclass(slots=True)
class PlacedJson:
    """What a JSON text holds.

    Attributes:
        value: The value.
        starts: Offset at which each line begins.
        offsets: Offset of each object, by its `id()`.
    """

    value: Any = None
    starts: list[int] = field(default_factory=list)
    offsets: dict[int, int] = field(default_factory=dict)
    _counted: int = 0

    def line(self, one: object, within: object = None) -> int:
        """1-based line on which an object begins; if all is on one line, its running number.

        Args:
            one: An object of the value, or something else in it.
            within: The object around it, whose line counts where it is none itself.
        """
        self._counted += 1
        if len(self.starts) < 2:
            return self._counted
        offset = self.offsets.get(id(one), self.offsets.get(id(within), 0))
        return bisect.bisect_right(self.starts, offset)


def parse(text: str, path: Path) -> PlacedJson:
    """The JSON of a text.

    Raises:
        TableError: It is not JSON.
    """
    found = PlacedJson(starts=[0, *(match.end() for match in re.finditer("\n", text.rstrip()))])
    decoder = json.JSONDecoder()
    plain = json.decoder.JSONObject  # type: ignore[attr-defined]

    def placed(at: tuple[str, int], *arguments: Any) -> tuple[dict[str, Any], int]:
        one, end = plain(at, *arguments)
        found.offsets[id(one)] = at[1] - 1
        return one, end

    decoder.parse_object = placed  # type: ignore[attr-defined]
    decoder.scan_once = json.scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]
    try:
        found.value = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise TableError(
            f"not JSON ({error.msg}, column {error.colno})",
            path=path,
            line=error.lineno,
            way_out="Close what is open; rows are objects with commas between. Or export it again",
        ) from None
    except RecursionError:
        raise TableError("the JSON is nested too deeply", path=path, way_out="Flatten it") from None
    return found
