"""Which p-values of a comparison belong together, and their adjustment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evaluation.multiplicity import adjustment
from evaluation.slices.groups import UNKNOWN
from relevance.results import PairedRow


def adjust_families(rows: Sequence[PairedRow], adjust: str) -> list[PairedRow]:
    """The rows with `p_adjusted`, in their order.

    A family is all candidates × all groups of a column × all metrics that are tested; the overall
    rows, the `(mean)` rows and the `(traffic)` rows are families of their own.

    Args:
        rows: Rows of one comparison; those without a p-value are left as they are.
        adjust: `holm` or `bh`.

    Raises:
        InputError: There is no such adjustment.
    """
    adjusted = adjustment(adjust)
    families: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        if row.p_value is not None:
            kind = row.group if row.group.startswith("(") and row.group != UNKNOWN else "groups"
            families.setdefault((row.slice, kind), []).append(index)
    found = list(rows)
    for members in families.values():
        p_values = adjusted([rows[i].p_value or 0.0 for i in members])
        for i, p in zip(members, p_values, strict=True):
            found[i] = replace(rows[i], p_adjusted=float(p))
    return found
