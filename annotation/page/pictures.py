"""A Pin's picture as an `<img>` that may be shown, or nothing. Pure, but for looking at a file.

Two kinds of address are let through: a file of the workspace's `images/`, which Label Studio serves
from its own origin (so an SVG must be a mere drawing), and an https address on a host that was
allowed by name. A picture is loaded without a Referer and needs no CORS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

from relevance.errors import SettingsError

MAX_ADDRESS = 2_000
"""Characters of a longer address, which no browser or proxy can be trusted with."""

_LOCAL_PICTURE = re.compile(r"images/[\w-][\w.-]*\.(svg|png|jpe?g|webp|gif)", re.ASCII)
_ODD = re.compile(r"[\\\x00-\x1f\x7f-\xa0\u2000-\u206f\u3000\ufeff\ufff0-\uffff\ud800-\udfff]")
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
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
        hosts: Hosts of https addresses that annotators' browsers may load from;
            `*.example.com` stands for every subdomain, but not for `example.com` itself. Kept in
            the form that addresses are compared in: lower case, IDNA.

    Raises:
        SettingsError: A host is an address, a number, or a wildcard of a whole top-level domain.
    """

    root: Path | None = None
    hosts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Brings the hosts into the form that addresses are compared in."""
        object.__setattr__(self, "hosts", frozenset(map(_allowed_host, self.hosts)))


def picture_html(image: object, pictures: Pictures) -> str:
    """An `<img>` of the Pin's picture, or an empty text where it may not or cannot be shown."""
    source = picture_source(image, pictures)
    if not source:
        return ""
    return f'<img src="{escape(source, quote=True)}" alt="Pin" referrerpolicy="no-referrer">'


def picture_source(image: object, pictures: Pictures) -> str:
    """The address that a browser may load the picture from; empty if there is none."""
    address = str(image or "").strip()
    if _LOCAL_PICTURE.fullmatch(address):
        if pictures.root is None or not _harmless(pictures.root / address):
            return ""
        return f"/data/local-files/?d={address}"
    return _remote(address, pictures.hosts)


def ascii_host(name: str) -> str:
    """A host's name in lower-case ASCII (IDNA), empty if it is none: numbers are none either."""
    try:
        # Python's codec maps look-alikes such as full-width letters before it encodes.
        host = name.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:
        return ""
    labels = host.split(".")
    if len(host) > 253 or len(labels) < 2 or not all(map(_HOST.fullmatch, labels)):
        return ""
    return "" if _is_number(host) else host


def _remote(address: str, hosts: frozenset[str]) -> str:
    if not hosts or len(address) > MAX_ADDRESS or _odd(address):
        return ""
    try:
        parts = urlsplit(address)
        host, port = ascii_host(parts.hostname or ""), parts.port
    except ValueError:
        return ""
    if parts.scheme != "https" or port not in (None, 443) or "@" in parts.netloc:
        return ""
    if host not in hosts and not any(f"*.{above}" in hosts for above in _above(host)):
        return ""
    # Put together again from what was checked: no reader can take it for another address.
    rest = quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return f"https://{host}{rest or '/'}" + (f"?{query}" if query else "")


def _odd(address: str) -> bool:
    """Whether it holds what readers of addresses disagree about."""
    return bool(_ODD.search(address))


def _above(host: str) -> list[str]:
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels) - 1)]


def _allowed_host(name: str) -> str:
    star, bare = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    host = ascii_host(bare.strip())
    if not host:
        raise SettingsError(
            f"{name!r} is no host that pictures may come from. Give its name alone, such as "
            "i.pinimg.com or *.pinimg.com"
        )
    return star + host


def _is_number(host: str) -> bool:
    """Whether browsers take it for an address in numbers (`127.1` and `0x7f.1` are, too)."""
    try:
        ip_address(host)
    except ValueError:
        return bool(re.fullmatch(r"(0x[0-9a-f]*|\d+)", host.rpartition(".")[2]))
    return True


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
