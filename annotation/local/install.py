"""Label Studio's own environment: a virtual environment in the user's cache folder.

Label Studio brings 150 packages and pins that clash with ours, so it never shares our environment.
The folder is `$GRADEWISE_CACHE`, else `$XDG_CACHE_HOME/gradewise`, else `~/.cache/gradewise`. An
executable that is there already is used instead if `GRADEWISE_LABEL_STUDIO` names it.

Beside the environment lies an empty database with all migrations applied: a new data folder starts
from a copy of it, in five seconds instead of fifty.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from relevance.errors import ServerError, SettingsError
from relevance.files import atomic
from relevance.progress import Progress, silent

VERSION = "1.23.2"
EXECUTABLE_VARIABLE = "GRADEWISE_LABEL_STUDIO"
DATABASE = "label_studio.sqlite3"

_PACKAGES = 160
_COMPLETE = ".complete"
_PINS = Path(__file__).with_name(f"label-studio-{VERSION}.txt")
_FOREIGN = ("LABEL_STUDIO_", "HEARTEX_", "POSTGRE_", "DJANGO_", "PYTHON", "VIRTUAL_ENV")


def cache_folder() -> Path:
    """The user's cache folder of gradewise; not made here."""
    named = os.environ.get("GRADEWISE_CACHE")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gradewise"


def find_executable() -> Path | None:
    """The `label-studio` executable to use, or None while there is none.

    Raises:
        SettingsError: `GRADEWISE_LABEL_STUDIO` names something that cannot be run.
    """
    named = os.environ.get(EXECUTABLE_VARIABLE)
    if named:
        if not os.access(named, os.X_OK) or Path(named).is_dir():
            raise SettingsError(
                f"{EXECUTABLE_VARIABLE}={named} is not an executable. Name the label-studio "
                "command of an environment, or unset it to have one installed"
            )
        return Path(named).absolute()
    folder = _environment()
    return _executable(folder) if (folder / _COMPLETE).exists() else None


def install(progress: Progress = silent) -> Path:
    """Installs Label Studio unless it is there, and prepares the empty database.

    An installation that was interrupted is thrown away and done again; two at a time wait for one
    another. Takes one to three minutes and about 1 GB the first time.

    Returns:
        The `label-studio` executable.

    Raises:
        ServerError: pip failed; the message has its last lines.
    """
    found = find_executable()
    if found is None:
        with _lock(cache_folder() / "label-studio.lock"):
            found = find_executable() or _build(progress)
    prepare_database(found, progress)
    return found


def prepare_database(executable: Path, progress: Progress = silent) -> Path | None:
    """The empty, migrated database of this executable's version, made if need be.

    Returns:
        Its path; None if the version of the executable cannot be told.
    """
    version = installed_version(executable)
    if version is None:
        return None
    template = cache_folder() / f"label-studio-{version}.sqlite3"
    with _lock(cache_folder() / "label-studio.lock"):
        if not template.exists():
            progress(0, 1, "preparing an empty database (about a minute, once)")
            _migrate(executable, template)
            progress(1, 1, "database prepared")
    return template


def installed_version(executable: Path) -> str | None:
    """Version of the Label Studio that `executable` starts, from its package metadata."""
    found = executable.resolve().parent.parent.glob("[Ll]ib/**/label_studio-*.dist-info")
    names = [path.name.removeprefix("label_studio-").removesuffix(".dist-info") for path in found]
    return names[0] if len(names) == 1 else None


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Environment of a Label Studio process: ours, less what would redirect it, and `settings`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    quiet = {
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "PYTHONUNBUFFERED": "1",
    }
    return {**inherited, **quiet, **settings}


def _environment() -> Path:
    return cache_folder() / f"label-studio-{VERSION}"


def _executable(folder: Path) -> Path:
    scripts = "Scripts" if os.name == "nt" else "bin"
    return folder / scripts / ("label-studio.exe" if os.name == "nt" else "label-studio")


def _build(progress: Progress) -> Path:
    folder = _environment()
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    progress(0, _PACKAGES, "making Label Studio's own environment")
    _run([sys.executable, "-m", "venv", str(folder)], progress)
    pip = [
        str(_executable(folder).with_name("python")),
        "-m",
        "pip",
        "install",
        "--progress-bar=off",
    ]
    wanted = f"label-studio=={VERSION}"
    try:
        _run([*pip, "-c", str(_PINS), wanted], progress)
    except ServerError:
        # The tested versions may have no wheel for a newer Python; current ones usually do.
        _run([*pip, wanted], progress)
    (folder / _COMPLETE).touch()
    progress(_PACKAGES, _PACKAGES, "Label Studio installed")
    return _executable(folder)


def _run(command: list[str], progress: Progress) -> None:
    process = subprocess.Popen(  # noqa: S603
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment({"PIP_DISABLE_PIP_VERSION_CHECK": "1"}),
    )
    done = 0
    lines: list[str] = []
    with process:
        for line in process.stdout or ():
            lines = [*lines[-8:], line.rstrip()]
            if line.startswith(("Collecting ", "Installing ")):
                done += 1
                progress(min(done, _PACKAGES - 1), _PACKAGES, " ".join(line.split()[:2])[:60])
    if process.returncode:
        raise ServerError(
            f"installing Label Studio {VERSION} failed: {' | '.join(lines[-5:])}. Check the "
            f"package index, or name an existing one in {EXECUTABLE_VARIABLE}"
        )


def _migrate(executable: Path, template: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="gradewise-") as folder:
        done = subprocess.run(  # noqa: S603
            [str(executable), "version"],
            env=clean_environment({"LABEL_STUDIO_BASE_DATA_DIR": folder}),
            capture_output=True,
            text=True,
            check=False,
        )
        made = Path(folder) / DATABASE
        if done.returncode or not made.exists():
            raise ServerError(
                f"{executable} version failed: {done.stderr[-300:]}. Remove {_environment()} "
                "and run: gradewise annotation serve --install-only"
            )
        with atomic(template) as temporary:
            shutil.copyfile(made, temporary)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Holds a lock between processes; SQLite lets go of it when the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=0.2, isolation_level=None)
    try:
        while True:
            try:
                connection.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                time.sleep(0.5)
        yield
    finally:
        connection.close()
