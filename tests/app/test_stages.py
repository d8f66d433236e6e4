from pathlib import Path

import pytest

from app.stages import Stage, run_stages
from relevance.progress import Progress


def _stages(folder: Path, ran: list[str], seed: int = 0, broken: bool = False) -> list[Stage]:
    def first(progress: Progress) -> str:
        progress(1, 2)
        ran.append("first")
        (folder / "a.txt").write_text(f"seed {seed}")
        return "made a"

    def second(progress: Progress) -> str:
        if broken:
            raise KeyboardInterrupt
        ran.append("second")
        (folder / "b.txt").write_text((folder / "a.txt").read_text())
        return "made b"

    return [
        Stage("first", "First", first, outputs=("a.txt",), config={"seed": seed}),
        Stage("second", "Second", second, inputs=("a.txt",), outputs=("b.txt",)),
    ]


def test_a_finished_stage_is_not_run_again(tmp_path: Path) -> None:
    ran: list[str] = []
    run_stages(_stages(tmp_path, ran), tmp_path)
    again = run_stages(_stages(tmp_path, ran), tmp_path)
    assert ran == ["first", "second"]
    assert [done.resumed for done in again] == [True, True]
    assert [done.summary for done in again] == ["made a", "made b"]


def test_an_interrupted_command_goes_on_where_it_stopped(tmp_path: Path) -> None:
    ran: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_stages(_stages(tmp_path, ran, broken=True), tmp_path)
    run_stages(_stages(tmp_path, ran), tmp_path)
    assert ran == ["first", "second"]


def test_another_configuration_or_input_runs_again(tmp_path: Path) -> None:
    ran: list[str] = []
    run_stages(_stages(tmp_path, ran), tmp_path)
    run_stages(_stages(tmp_path, ran, seed=1), tmp_path)
    assert ran == ["first", "second", "first", "second"]


def test_a_missing_output_runs_again(tmp_path: Path) -> None:
    ran: list[str] = []
    run_stages(_stages(tmp_path, ran), tmp_path)
    (tmp_path / "b.txt").unlink()
    run_stages(_stages(tmp_path, ran), tmp_path)
    assert ran == ["first", "second", "second"]
