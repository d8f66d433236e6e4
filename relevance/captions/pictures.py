"""Pictures from where Pins say they are; whatever is wrong with one has a name."""

from __future__ import annotations

import base64
import binascii
import io
import urllib.error
import urllib.request
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_PIXELS = 40_000_000
LARGEST_BYTES = 30_000_000
_SECONDS = 10.0


class PictureError(Exception):
    """A picture that cannot be read; the message is the reason, one of a few words."""


def read_picture(address: str | None, *, root: Path, hosts: Collection[str] = ()) -> Image:
    """The picture at an address, in RGB.

    Args:
        address: A path (relative ones start at `root`), a `data:` or an http(s) address.
        root: Folder of relative paths.
        hosts: Hosts that may be asked; none is by default.

    Raises:
        PictureError: `no picture`, `missing`, `not a picture`, `too large`, `host not allowed` or
            `host does not answer`.
    """
    if address is None or not address.strip():
        raise PictureError("no picture")
    return _decoded(_read(address.strip(), root, hosts))


def _read(address: str, root: Path, hosts: Collection[str]) -> bytes:
    scheme = urlsplit(address).scheme if ":" in address[:8] else ""
    if scheme == "data":
        return _inline(address)
    if scheme in ("http", "https"):
        return _asked(address, hosts)
    path = root / address
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise PictureError("too large")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise PictureError("missing") from error


def _inline(address: str) -> bytes:
    head, _, body = address.partition(",")
    if len(body) > LARGEST_BYTES:
        raise PictureError("too large")
    try:
        return base64.b64decode(body, validate=True) if head.endswith(";base64") else b""
    except binascii.Error as error:
        raise PictureError("not a picture") from error


def _asked(address: str, hosts: Collection[str]) -> bytes:
    if urlsplit(address).hostname not in hosts:
        raise PictureError("host not allowed")
    # Redirects would lead to hosts that nobody allowed.
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(address, timeout=_SECONDS) as reply:
            content: bytes = reply.read(LARGEST_BYTES + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise PictureError("host does not answer") from error
    if len(content) > LARGEST_BYTES:
        raise PictureError("too large")
    return content


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _decoded(content: bytes) -> Image:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", Image.DecompressionBombWarning
            )  # the size is asked here
            picture = Image.open(io.BytesIO(content))
        if picture.width * picture.height > LARGEST_PIXELS:
            raise PictureError("too large")
        return picture.convert("RGB")
    except Image.DecompressionBombError as error:
        raise PictureError("too large") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise PictureError("not a picture") from error
