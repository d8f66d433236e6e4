"""A pair as a Label Studio task, and back. Pure, but for looking at a picture's file.

A task shows the query, the Pin's texts and its picture, and carries `pair_key`: a keyed hash of
country, query, Pin and everything shown. Nothing about system, rank, score, sample or gold answers
reaches the server, and a pair whose texts change is a new pair to grade.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5
from xml.etree import ElementTree as ET

from annotation.interface import TARGET
from annotation.questions import CANNOT_JUDGE, QUESTIONS, Kind

MAX_CHARACTERS = 2_000
"""Longer texts are cut: nobody reads more of a Pin to grade it."""

_NAMESPACE = UUID("7d0a3e34-9d0b-5d2e-9a4e-1f6c1b8f2a57")
_EMPTY = "—"
# Bidirectional controls, zero-width spaces, tag characters and the like reorder or hide text.
# Joiners (U+200C, U+200D) stay: Persian, Indic scripts and emoji need them.
_INVISIBLE = re.compile(
    "[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
_LOCAL_PICTURE = re.compile(r"images/[\w-][\w.-]*\.(svg|png|jpe?g|webp|gif)")
_SVG_TAGS = frozenset(
    [
        "svg",
        "g",
        "defs",
        "rect",
        "circle",
        "ellipse",
        "line",
        "polyline",
        "polygon",
        "path",
        "text",
        "tspan",
        "title",
        "desc",
        "linearGradient",
        "radialGradient",
        "stop",
        "clipPath",
        "mask",
        "pattern",
    ]
)


@dataclass(frozen=True, slots=True)
class Pictures:
    """Where pictures may come from.

    Attributes:
        root: Workspace whose `images/` the server can show; None if it cannot.
        hosts: Hosts of https addresses that annotators' browsers may load from.
    """

    root: Path | None = None
    hosts: frozenset[str] = field(default_factory=frozenset)


def clean(text: object) -> str:
    """Text safe to show: NFC, no control, bidirectional or invisible characters, not too long."""
    if text is None:
        return ""
    whole = unicodedata.normalize("NFC", str(text).encode("utf-8", "replace").decode())
    kept = "".join(
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char
        for char in _INVISIBLE.sub("", whole)
    )
    short = " ".join(kept.split())
    return short if len(short) <= MAX_CHARACTERS else short[: MAX_CHARACTERS - 1] + "…"


def task_data(
    query: Mapping[str, Any], pin: Mapping[str, Any], pictures: Pictures = Pictures()
) -> dict[str, str]:
    """What a task shows, by the keys of the annotator's page; `pair_key` is not among them.

    Args:
        query: A row of `queries`.
        pin: A row of `pins`.
        pictures: Where its picture may come from; `image_html` is empty for any other.
    """
    parts = {"Market": query.get("country"), "language": query.get("language")}
    link = [clean(pin.get(name)) for name in ("link_title", "link_description")]
    shown = {
        "query": clean(query["text"]),
        "context": " · ".join(f"{name} {clean(part)}" for name, part in parts.items() if part),
        "title": clean(pin.get("title")),
        "description": clean(pin.get("description")),
        "caption": clean(pin.get("image_caption")),
        "boards": clean(pin.get("board_titles")),
        "link": " — ".join(part for part in link if part),
    }
    data = {name: text or _EMPTY for name, text in shown.items()}
    return {**data, "image_html": picture_html(pin.get("image"), pictures)}


def pair_key(key: bytes, country: str, query_id: str, pin_id: str, data: Mapping[str, str]) -> str:
    """Thirty-two hexadecimal digits that identify a pair with all that is shown of it.

    Args:
        key: Secret of the workspace: without it nobody can tell which pair it stands for.
        country: Country of the query.
        query_id: The query.
        pin_id: The Pin.
        data: What the task shows (`task_data`).
    """
    # Where the picture is served from may change with the server; the pair stays the same.
    content = {name: text for name, text in data.items() if name != "image_html"}
    said = json.dumps([1, country, query_id, pin_id, content], ensure_ascii=False, sort_keys=True)
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
            result.append(_answer(question.name, "choices", {"choices": [str(answer)]}))
        elif answer:
            result.append(_answer(question.name, "textarea", {"text": [clean(answer)]}))
    return result


def picture_html(image: object, pictures: Pictures) -> str:
    """An `<img>` of the Pin's picture, or an empty text where it may not or cannot be shown.

    A local picture is served by Label Studio itself, from its own origin, so an SVG must be a mere
    drawing (no script, no link, no foreign content).
    """
    if not image:
        return ""
    address = str(image)
    if _LOCAL_PICTURE.fullmatch(address):
        if pictures.root is None or not _harmless(pictures.root / address):
            return ""
        source = f"/data/local-files/?d={address}"
    else:
        parts = urlsplit(clean(address)) if "\\" not in address else urlsplit("")
        if parts.scheme != "https" or parts.hostname not in pictures.hosts or parts.username:
            return ""
        source = parts.geturl()
    return f'<img src="{escape(source, quote=True)}" alt="Pin image" referrerpolicy="no-referrer">'


def _harmless(path: Path) -> bool:
    if not path.is_file() or path.is_symlink():
        return False
    if path.suffix != ".svg":
        return True
    try:
        text = path.read_text(encoding="utf-8")
        if re.search(r"<[!?](?!xml )", text):  # no DTD, so no entities to expand
            return False
        drawing = ET.fromstring(text)  # noqa: S314 - see above
    except (ET.ParseError, UnicodeDecodeError):
        return False
    return all(_harmless_element(element) for element in drawing.iter())


def _harmless_element(element: ET.Element) -> bool:
    tag = element.tag.rpartition("}")[2]
    return tag in _SVG_TAGS and not any(
        name.rpartition("}")[2].lower() in ("href", "src")
        or name.lower().startswith("on")
        or re.search(r"url\((?!\s*['\"]?#)|javascript:|@import|\\", value, re.IGNORECASE)
        for name, value in element.attrib.items()
    )


def _answer(name: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"from_name": name, "to_name": TARGET, "type": kind, "value": value}
