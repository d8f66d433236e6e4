"""The true grade of a query–Pin pair, as a function of their attributes.

The *main* attribute of a query is the first that it asks of style, occasion, detail. Then

- another interest: 1, or 2 if the Pin is made for the occasion that the query asks for;
- the same interest: 2;
- a related subject (same group) with everything else as asked: 3;
- the same subject: 5 less its cost, at least 2, where the cost is
  2 for a wrong main attribute (1 if the value is near: `attributes.NEAR`),
  1 for every other asked attribute that differs, and
  1 for a special occasion that nobody asked for (a Christmas salon for "salon").
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.world.attributes import (
    DETAILS,
    GROUP_OF,
    INTEREST_OF,
    NEAR,
    NONE,
    OCCASIONS,
    SPECIAL_OCCASIONS,
    STYLES,
)

Codes = NDArray[np.int64]
ATTRIBUTES = ("subject", "style", "detail", "occasion")
"""Columns of an attribute array, in order."""

_GROUP = np.array(GROUP_OF)
_INTEREST = np.array(INTEREST_OF)
_SPECIAL = np.array([occasion in SPECIAL_OCCASIONS for occasion in OCCASIONS] + [False])


def _near(names: tuple[str, ...], attribute: str) -> NDArray[np.bool_]:
    table = np.zeros((len(names) + 1, len(names) + 1), dtype=bool)
    for one, other in NEAR[attribute]:
        table[names.index(one), names.index(other)] = True
        table[names.index(other), names.index(one)] = True
    return table


_NEAR = {
    "style": _near(STYLES, "style"),
    "detail": _near(DETAILS, "detail"),
    "occasion": _near(OCCASIONS, "occasion"),
}


def true_grades(queries: Codes, pins: Codes) -> NDArray[np.int64]:
    """True grades, 1-5, of pairs.

    Args:
        queries: Attribute codes of the queries, shape (…, 4), columns as `ATTRIBUTES`.
        pins: Attribute codes of the Pins, shape (…, 4); broadcast against `queries`.
    """
    subject, style, detail, occasion = np.moveaxis(queries, -1, 0)
    pin_subject, pin_style, pin_detail, pin_occasion = np.moveaxis(pins, -1, 0)
    asks = {"style": style != NONE, "occasion": occasion != NONE, "detail": detail != NONE}
    differs = {
        "style": asks["style"] & (style != pin_style),
        "occasion": asks["occasion"] & (occasion != pin_occasion),
        "detail": asks["detail"] & (detail != pin_detail),
    }
    main = {
        "style": asks["style"],
        "occasion": asks["occasion"] & ~asks["style"],
        "detail": asks["detail"] & ~asks["style"] & ~asks["occasion"],
    }
    near = {
        "style": _NEAR["style"][style, pin_style],
        "occasion": _NEAR["occasion"][occasion, pin_occasion],
        "detail": _NEAR["detail"][detail, pin_detail],
    }
    cost = (~asks["occasion"] & _SPECIAL[pin_occasion]).astype(np.int64)
    for name, missed in differs.items():
        cost = cost + missed * (1 + (main[name] & ~near[name]))
    same_subject = subject == pin_subject
    related = _GROUP[subject] == _GROUP[pin_subject]
    same_interest = _INTEREST[subject] == _INTEREST[pin_subject]
    elsewhere = 1 + (asks["occasion"] & (occasion == pin_occasion)).astype(np.int64)
    grade = np.where(same_interest, 2, elsewhere)
    grade = np.where(related & (cost == 0), 3, grade)
    return np.asarray(np.where(same_subject, np.maximum(5 - cost, 2), grade), dtype=np.int64)


def codes_of(attributes: pl.DataFrame) -> Codes:
    """Attribute codes, shape (rows, 4), of a frame with the columns `ATTRIBUTES` (codes)."""
    return attributes.select(ATTRIBUTES).to_numpy().astype(np.int64)
