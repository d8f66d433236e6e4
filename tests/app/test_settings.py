from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.settings import configure
from relevance.errors import SettingsError


@dataclass(frozen=True)
class Sample:
    epochs: int = 2
    rate: float = 0.5
    name: str = "e5"
    threads: int | None = None
    shuffle: bool = True
    columns: tuple[str, ...] = ()


@pytest.fixture
def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "gradewise.toml"
    monkeypatch.setenv("GRADEWISE_CONFIG", str(path))
    return path


def test_defaults_without_a_file(toml: Path) -> None:
    assert configure(Sample, "teacher") == Sample()


def test_flag_beats_environment_beats_file(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text("[teacher]\nepochs = 3\nrate = 1\nthreads = 4\ncolumns = ['a', 'b']\n")
    assert configure(Sample, "teacher") == Sample(3, 1.0, "e5", 4, True, ("a", "b"))
    monkeypatch.setenv("GRADEWISE_TEACHER_EPOCHS", "5")
    monkeypatch.setenv("GRADEWISE_TEACHER_SHUFFLE", "false")
    assert configure(Sample, "teacher").epochs == 5
    assert configure(Sample, "teacher").shuffle is False
    assert configure(Sample, "teacher", epochs=7, name=None).epochs == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[teacher]\nepoch = 3\n", r"\[teacher\] has no setting 'epoch'. Did you mean 'epochs'"),
        ("[teachr]\nepochs = 3\n", r"section \[teachr\] is unknown. Did you mean 'teacher'"),
        ("[teacher]\nepochs = 'three'\n", r"\[teacher\] epochs must be int, got 'three'"),
        ("[teacher]\nepochs = true\n", "epochs must be int, got True"),
        ("[teacher\n", "is not TOML"),
    ],
)
def test_mistakes_are_named(toml: Path, text: str, message: str) -> None:
    toml.write_text(text)
    with pytest.raises(SettingsError, match=message):
        configure(Sample, "teacher")


def test_environment_mistakes_are_named(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADEWISE_TEACHER_EPOCHS", "many")
    with pytest.raises(SettingsError, match="GRADEWISE_TEACHER_EPOCHS must be a number"):
        configure(Sample, "teacher")


@dataclass(frozen=True)
class Richer:
    start: datetime | None = None
    split: Mapping[str, float] | None = None
    metrics: str | tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("'2025-03-01'", datetime(2025, 3, 1)),
        ("2025-03-01", datetime(2025, 3, 1)),
        ("2025-03-01T08:30:00Z", datetime(2025, 3, 1, 8, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_text_or_tomls_own(toml: Path, text: str, start: datetime) -> None:
    toml.write_text(f"[experiment]\nstart = {text}\n")
    assert configure(Richer, "experiment").start == start


def test_tables_and_lists_come_from_file_or_environment(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text("[experiment]\nmetrics = 'clicks'\nsplit = {control = 1, treatment = 2.5}\n")
    found = configure(Richer, "experiment")
    assert (found.split, found.metrics) == ({"control": 1.0, "treatment": 2.5}, "clicks")
    monkeypatch.setenv("GRADEWISE_EXPERIMENT_METRICS", "mean(sessions), ratio(clicks, views)")
    monkeypatch.setenv("GRADEWISE_EXPERIMENT_SPLIT", "control = 1, treatment=3")
    monkeypatch.setenv("GRADEWISE_EXPERIMENT_START", "2025-03-01T08:30")
    assert configure(Richer, "experiment") == Richer(
        datetime(2025, 3, 1, 8, 30),
        {"control": 1.0, "treatment": 3.0},
        ("mean(sessions)", "ratio(clicks, views)"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start = 'monday'", r"\[experiment\] start: 'monday' is not a time. Write 2025-03-01"),
        ("start = 3", "start must be datetime, got 3"),
        ("split = {control = 'half'}", r"split.control must be float, got 'half'"),
        ("split = {control = true}", r"split.control must be float, got True"),
        ("metrics = ['clicks', 3]", r"metrics\[\] must be str, got 3"),
    ],
)
def test_mistakes_inside_values_are_named(toml: Path, text: str, message: str) -> None:
    toml.write_text(f"[experiment]\n{text}\n")
    with pytest.raises(SettingsError, match=message):
        configure(Richer, "experiment")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("START", "monday", "GRADEWISE_EXPERIMENT_START: 'monday' is not a time"),
        ("SPLIT", "control", "GRADEWISE_EXPERIMENT_SPLIT: 'control' is not NAME=WEIGHT"),
        ("SPLIT", "a=inf", "'a=inf' is not NAME=WEIGHT"),
    ],
)
def test_mistakes_of_the_environment_say_where(
    toml: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"GRADEWISE_EXPERIMENT_{name}", value)
    with pytest.raises(SettingsError, match=message):
        configure(Richer, "experiment")
