"""A pair as a Label Studio task, and back. Pure, but for looking at a picture's file.

A task shows the query, the Pin's texts and its picture, and carries `pair_key`: a keyed hash of
locale, query, Pin and everything shown. Nothing about system, rank, score, sample or gold answers
reaches the server, and a pair whose texts change is a new pair to grade.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from annotation.interface import TARGET
from annotation.page.pictures import Pictures, picture_html
from annotation.page.texts import clean
from annotation.questions import CANNOT_JUDGE, QUESTIONS, Kind, split_answers

_NAMESPACE = UUID("7d0a3e34-9d0b-5d2e-9a4e-1f6c1b8f2a57")
_NO_PICTURES = Pictures()


def task_data(
    query: Mapping[str, Any], pin: Mapping[str, Any], pictures: Pictures = _NO_PICTURES
) -> dict[str, str]:
    """What a task shows, by the keys of the annotator's page; `pair_key` is not among them.

    Args:
        query: A row of `queries`.
        pin: A row of `pins`.
        pictures: Where its picture may come from; `image_html` is empty for any other.
    """
    market = [clean(query.get(name)) for name in ("country", "language")]
    link = [clean(pin.get(name)) for name in ("link_title", "link_description")]
    return {
        "query": clean(query["text"]),
        "context": " · ".join(part for part in market if part),
        "title": clean(pin.get("title")),
        "description": clean(pin.get("description")),
        "caption": clean(pin.get("image_caption")),
        "boards": clean(pin.get("board_titles")),
        "link": " — ".join(part for part in link if part),
        "image_html": picture_html(pin.get("image"), pictures),
    }


def locale_of(query: Mapping[str, Any]) -> str:
    """Language and country of a query (`fr-FR`); the one that is given, or an empty text.

    A language that names its country already (`pt-BR`, `zh-Hant-TW`) keeps it once.
    """
    language, country = (str(query.get(name) or "").strip() for name in ("language", "country"))
    if language.upper().endswith(f"-{country.upper()}"):
        return language
    return "-".join(part for part in (language, country) if part)


def pair_key(
    key: bytes,
    locale: str,
    query_id: str,
    pin_id: str,
    data: Mapping[str, Any],
    *,
    salt: int = 0,
) -> str:
    """Thirty-two hexadecimal digits that identify a pair with all that is shown of it.

    Args:
        key: Secret of the workspace: without it nobody can tell which pair it stands for.
        locale: Locale of the query (`locale_of`).
        query_id: The query.
        pin_id: The Pin.
        data: What the task shows (`task_data`).
        salt: 0 for a pair's first showing, 1 where it is shown again (draw `repeat`).
    """
    # Where the picture is served from may change with the server; the pair stays the same.
    content = {name: data[name] for name in data if name not in ("image_html", "pair_key")}
    said = json.dumps(
        [2, locale, query_id, pin_id, content, salt], ensure_ascii=False, sort_keys=True
    )
    return hmac.new(key, said.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]


def unique_id(key: str, annotator: str) -> UUID:
    """The identity of one annotator's annotation of one pair (`key`: its `pair_key`)."""
    return uuid5(_NAMESPACE, f"{key}:{annotator}")


def import_id(key: str, annotator: str) -> int:
    """The same identity as a number, which Label Studio keeps of an imported annotation."""
    return unique_id(key, annotator).int >> 66


def annotation_result(judgment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A judgment (a row of `judgments`) in Label Studio's form."""
    result = []
    for question in QUESTIONS.values():
        answer = judgment.get(question.column)
        if question.kind is Kind.GRADE:
            chosen = CANNOT_JUDGE if answer is None else str(answer)
            result.append(_answer(question.name, "choices", {"choices": [chosen]}))
        elif answer and question.kind is Kind.CHOICE:
            choices = split_answers(question, answer)
            result.append(_answer(question.name, "choices", {"choices": choices}))
        elif answer:
            result.append(_answer(question.name, "textarea", {"text": [clean(answer)]}))
    return result


def _answer(name: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"from_name": name, "to_name": TARGET, "type": kind, "value": value}
