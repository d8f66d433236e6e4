from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from relevance.errors import SettingsError
from relevance.results import Row
from relevance.teacher.bases import Base
from relevance.teacher.model import read_settings
from relevance.teacher.processes import Group
from relevance.teacher.trackers import FOLDER, PROJECT, epoch_figures, open_tracker
from relevance.teacher.train import TeacherConfig, train_teacher

Tables = dict[str, pl.DataFrame]
ALONE = Group(torch.device("cpu"))
CONFIG = TeacherConfig(
    base="tiny", epochs=2, batch_size=16, max_tokens=32, validation_share=0.25,
    checkpoint_steps=2, precision="fp32", threads=1, track="tensorboard",
)  # fmt: skip


class KilledError(Exception):
    """Stands for a kill."""


def _evaluate(predictions: pl.DataFrame) -> list[Row]:
    return [
        Row(metric="AUROC@4", value=0.5, n=predictions.height),
        Row(metric="AUROC@4", slice="country", group="US", value=0.25, n=3),
        Row(metric="nDCG@20", value=None),
    ]


def _train(tables: Tables, out: Path, **options: object) -> Path:
    return train_teacher(
        tables["qrels"], tables["queries"], tables["pins"], out, CONFIG,
        evaluate=_evaluate, **options,  # type: ignore[arg-type]
    )  # fmt: skip


def _events(out: Path) -> dict[str, list[tuple[int, float]]]:
    """Everything that TensorBoard would show, by tag: (step, value), read by its own reader."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        reader = EventAccumulator(str(out / FOLDER / PROJECT))
        reader.Reload()
    return {
        tag: [(event.step, event.value) for event in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }


def test_tensorboard_holds_every_step_and_every_epoch(
    tiny_base: Base, tables: Tables, tmp_path: Path
) -> None:
    out = _train(tables, tmp_path / "tracked")
    events = _events(out)
    history = read_settings(out).history
    assert [step for step, _ in events["training/loss"]] == list(range(1, 13))
    assert sum(value for _, value in events["training/loss"][:6]) / 6 == pytest.approx(
        history[0]["loss"], abs=1e-6
    )
    assert [step for step, _ in events["validation/loss"]] == [6, 12]
    assert events["validation/loss"][1][1] == pytest.approx(history[1]["validation_loss"])
    assert events["validation/AUROC_at_4/US"] == [(6, 0.25), (12, 0.25)]
    assert "validation/nDCG_at_20" not in events  # undefined
    rates = [value for _, value in events["training/rate"]]
    assert max(rates) == pytest.approx(2e-4)


def test_a_resumed_run_is_tracked_once(tiny_base: Base, tables: Tables, tmp_path: Path) -> None:
    def dies(done: int, total: int, what: str = "") -> None:
        if what.startswith("loss") and done == 5:
            raise KilledError

    out = tmp_path / "tracked"
    with pytest.raises(KilledError):
        _train(tables, out, progress=dies)
    _train(tables, out, resume=True)
    assert [step for step, _ in _events(out)["training/loss"]] == list(range(1, 13))


def test_nothing_is_tracked_unless_asked(tiny_base: Base, tables: Tables, tmp_path: Path) -> None:
    config = replace(CONFIG, track="none")
    out = train_teacher(
        tables["qrels"], tables["queries"], tables["pins"], tmp_path / "plain", config
    )
    assert not (out / FOLDER).exists()


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_a_tracker_that_is_not_installed_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda wanted, *more: None if wanted == name else found(wanted)
    )
    with (
        pytest.raises(SettingsError, match=rf"--track {name} needs .*pip install {name}"),
        open_tracker(name, tmp_path, {}, ALONE),
    ):
        pass


def test_only_the_main_process_tracks(tmp_path: Path) -> None:
    second = Group(torch.device("cpu"), rank=1, size=2)
    with open_tracker("tensorboard", tmp_path, {}, second) as tracker:
        tracker({"training/loss": 1.0}, 1)
    assert not list(tmp_path.iterdir())


def test_an_epoch_as_figures() -> None:
    entry = {"epoch": 1, "loss": 0.5, "metrics": [{"metric": "ECE", "group": "FR", "value": 0.1}]}
    assert epoch_figures(entry) == {"training/epoch_loss": 0.5, "validation/ECE/FR": 0.1}
