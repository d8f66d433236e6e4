from dataclasses import dataclass
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
