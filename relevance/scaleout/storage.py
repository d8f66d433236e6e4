"""Folders on any file system: this machine's, a shared one, or an object store.

Addresses are URIs as Arrow takes them: a plain path, `file:///data`, `s3://bucket/folder`,
`gs://bucket/folder`, `abfs://…`, `hdfs://…`, or `fsspec+PROTOCOL://…` for what fsspec knows.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from relevance.errors import InputError, MissingInputError
from relevance.files import atomic

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>.*)", re.DOTALL)
_LOCAL = "local"
_WHOLE_ON_CLOSE = ("s3", "gcs", "abfs")  # a file appears there only once all of it was sent


def is_uri(place: str | Path) -> bool:
    """Whether `place` has a scheme (`s3://…`, `file:///…`) and so is no plain path."""
    return _SCHEME.fullmatch(str(place)) is not None


def as_uri(place: str | Path) -> str:
    """`place` as Arrow takes it: a URI, or an absolute path.

    `pathlib` turns `s3://bucket` into `s3:/bucket`; the lost slash is put back.

    Example:
        >>> as_uri(Path("s3://bucket/labels"))
        's3://bucket/labels'
        >>> as_uri("file:/data/labels")
        'file:///data/labels'
    """
    found = _SCHEME.fullmatch(str(place))
    if found is None:
        return str(Path(place).absolute())
    scheme, rest = found["scheme"], found["rest"]
    rooted = scheme in ("file", "fsspec+file", "fsspec+local")
    return f"{scheme}://{'/' if rooted else ''}{rest}"


def shown(place: str | Path) -> str:
    """A path or URI as messages may show it: without keys and options.

    Example:
        >>> shown("s3://key:secret@bucket/labels?region=eu-west-1")
        's3://bucket/labels'
    """
    return (
        re.sub(r"://[^/@]*@", "://", as_uri(place).partition("?")[0])
        if is_uri(place)
        else str(place)
    )


@dataclass(frozen=True, slots=True)
class Storage:
    """A folder on a file system.

    Attributes:
        uri: As it was opened, so that another process can open it, too.
        filesystem: A `pyarrow.fs.FileSystem`.
        root: The folder's path on it.
    """

    uri: str
    filesystem: Any
    root: str

    def __str__(self) -> str:
        """The URI as messages may show it: without keys and options."""
        return shown(self.uri)

    @property
    def local(self) -> Path | None:
        """The folder as a path of this machine, or None where it is elsewhere."""
        return Path(self.root) if self.filesystem.type_name == _LOCAL else None

    def path(self, name: str) -> str:
        """The path of a file in the folder on its file system."""
        return str(PurePosixPath(self.root) / name)

    def child(self, name: str) -> Storage:
        """The folder of that name in this one."""
        uri, mark, options = self.uri.partition("?")  # s3://bucket/folder?region=…
        return Storage(f"{uri.rstrip('/')}/{name}{mark}{options}", self.filesystem, self.path(name))

    def sizes(self, suffix: str = "") -> dict[str, int]:
        """Name → bytes of the folder's files whose name ends so, in order; empty if it is missing.

        Files whose name starts with a point or an underscore are passed over: they are temporary
        or somebody's marks.
        """
        from pyarrow.fs import FileSelector

        found = self.filesystem.get_file_info(FileSelector(self.root, allow_not_found=True))
        return {
            info.base_name: info.size
            for info in sorted(found, key=lambda info: info.base_name)
            if info.is_file
            and info.base_name.endswith(suffix)
            and not info.base_name.startswith((".", "_"))
        }

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return bool(self.filesystem.get_file_info(self.path(name)).is_file)

    def remove(self, name: str) -> None:
        """Removes a file if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path(name))

    def drop(self) -> None:
        """Removes the folder and all in it, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_dir(self.root)

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            MissingInputError: It is not there.
        """
        try:
            with self.filesystem.open_input_stream(self.path(name)) as file:
                return bytes(file.read())
        except FileNotFoundError as error:
            raise MissingInputError(f"{self}/{name}", "gradewise teacher label") from error

    def fetch(self, name: str, target: Path) -> Path:
        """Copies a file to `target` on this machine, whole or not at all; returns `target`."""
        with (
            atomic(target) as temporary,
            self.filesystem.open_input_stream(self.path(name)) as source,
            temporary.open("wb") as copy,
        ):
            shutil.copyfileobj(source, copy, 1 << 20)
        return target

    def publish(self, source: Path, name: str) -> None:
        """Copies a file of this machine into the folder, where it appears whole or not at all.

        Object stores show a file once it is complete; on other file systems it is written under
        another name and renamed.
        """
        whole_on_close = self.filesystem.type_name in _WHOLE_ON_CLOSE
        if not whole_on_close:
            self.filesystem.create_dir(self.root, recursive=True)
        landing = self.path(name if whole_on_close else f".{name}.{uuid.uuid4().hex}")
        with source.open("rb") as file, self.filesystem.open_output_stream(landing) as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
        if not whole_on_close:
            self.filesystem.move(landing, self.path(name))

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """Yields a path of this machine that holds the file: itself, or a copy for the while."""
        if self.local is not None:
            yield self.local / name
            return
        with tempfile.TemporaryDirectory(prefix="gradewise-") as folder:
            yield self.fetch(name, Path(folder) / name)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yields a path of this machine to write; what is written there becomes the file."""
        if self.local is not None:
            with atomic(self.local / name) as temporary:
                yield temporary
            return
        with tempfile.TemporaryDirectory(prefix="gradewise-") as folder:
            yield Path(folder) / name
            self.publish(Path(folder) / name, name)


def open_storage(place: str | Path) -> Storage:
    """The folder at a path or URI; it need not be there yet.

    Raises:
        InputError: No file system is known for the URI, or its library is missing.
    """
    from pyarrow.fs import FileSystem

    uri = as_uri(place)
    try:
        filesystem, root = FileSystem.from_uri(uri)
    except (ValueError, ImportError, OSError) as error:
        raise InputError(
            f"{shown(uri)}: no file system can open it ({error}). Give a path, file://, s3://, "
            "gs://, abfs:// or hdfs://, or fsspec+PROTOCOL:// with its fsspec package installed"
        ) from error
    return Storage(uri, filesystem, root.rstrip("/") or "/")
