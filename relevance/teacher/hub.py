"""The model hub: what is in its local cache, and how a base is downloaded from it."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import threading
import urllib.request
from pathlib import Path

from relevance.errors import ModelError
from relevance.teacher.base import Base

PATTERNS = ("config.json", "tokenizer.json", "model*.safetensors", "model.safetensors.index.json")
"""What is downloaded of a repository: never a pickle, never a program."""

_HUB_SECONDS = 3.0


def endpoint() -> str:
    """Address of the hub: `HF_ENDPOINT`, else huggingface.co."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def gate_note(base: Base) -> str:
    """What must be done before a gated base can be downloaded; empty for an open one."""
    if not base.hub_gated:
        return ""
    return f" (accept its licence at {endpoint()}/{base.hub} and set HF_TOKEN)"


def cached_snapshot(base: Base) -> Path | None:
    """The folder of the hub's local copy, if there is one; it may lack files."""
    if not base.hub or importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(base.hub, "config.json")
    return Path(path).parent if isinstance(path, str) else None


def hub_is_wanted(base: Base) -> bool:
    """Whether to ask the hub: it has the base, nobody said to stay offline, and it answers."""
    if not base.hub or importlib.util.find_spec("huggingface_hub") is None:
        return False
    offline = os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("", "0", "false")
    return not offline and hub_answers()


def download_snapshot(base: Base) -> Path | None:
    """A base's files in the hub's local cache; None where the download broke off.

    Raises:
        ModelError: The hub asks for a licence to be accepted, or for a token.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    try:
        folder = snapshot_download(
            base.hub, allow_patterns=[*PATTERNS, *base.tokenizer_files], endpoint=endpoint()
        )
    except GatedRepoError as error:
        raise ModelError(
            f"{base.hub} is gated, and the hub did not let this machine in. Accept its licence at "
            f"{endpoint()}/{base.hub} and set HF_TOKEN to a token of that account"
        ) from error
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code in (401, 403):
            raise ModelError(
                f"the hub refused {base.hub} ({error.response.status_code}). "
                "Set HF_TOKEN to a token that may read it, or unset a wrong one"
            ) from error
        return None
    except (OSError, ValueError, RuntimeError):
        return None
    return Path(folder)


@functools.cache
def hub_answers() -> bool:
    """Whether the hub answers a HEAD request in time; name look-ups that hang are left behind."""
    answered = threading.Event()
    address = endpoint()

    def ask() -> None:
        request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - the hub's address
        with contextlib.suppress(OSError, ValueError):
            urllib.request.urlopen(request, timeout=_HUB_SECONDS).close()  # noqa: S310
            answered.set()

    threading.Thread(target=ask, daemon=True).start()
    return answered.wait(_HUB_SECONDS)
