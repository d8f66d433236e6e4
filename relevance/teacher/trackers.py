"""Where losses and metrics are told to while a teacher trains, through accelerate's integrations.

Nothing is tracked unless asked for. TensorBoard writes into the model folder; the others go where
their own settings say (`WANDB_MODE=offline`, `MLFLOW_TRACKING_URI`, …).
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from relevance.errors import SettingsError, require_extra
from relevance.teacher.processes import Group

PROJECT = "gradewise"
FOLDER = "tracking"


class Tracker(Protocol):
    """Is told of figures by name, after so many optimiser steps."""

    def __call__(self, figures: Mapping[str, float], step: int) -> None:
        """Takes note of `figures`."""


def nothing_tracked(figures: Mapping[str, float], step: int) -> None:
    """Takes no note."""


def epoch_figures(entry: Mapping[str, Any]) -> dict[str, float]:
    """An entry of the history as figures: `validation/AUROC@4`, `validation/AUROC@4/US`."""
    figures = {"training/epoch_loss": entry["loss"]}
    if "validation_loss" in entry:
        figures["validation/loss"] = entry["validation_loss"]
    for row in entry.get("metrics", ()):
        if row["value"] is not None:
            place = "" if row["group"] == "all" else f"/{row['group']}"
            figures[f"validation/{row['metric']}{place}"] = row["value"]
    return figures


@contextlib.contextmanager
def open_tracker(
    name: str, out: Path, config: Mapping[str, Any], group: Group, *, step: int = 0
) -> Iterator[Tracker]:
    """The tracker of one training; it is closed when the block ends.

    Args:
        name: `"none"`, `"tensorboard"`, `"wandb"`, `"mlflow"` or `"trackio"`.
        out: Model folder; its name is the run's.
        config: Noted with the run.
        group: Only its main process tracks.
        step: Where the training stands: what an interrupted run noted after it is taken back, where
            the tracker can do so.

    Raises:
        SettingsError: The tracker's package is not installed.
    """
    if name == "none" or not group.is_main:
        yield nothing_tracked
        return
    _require(name)
    from accelerate import Accelerator
    from accelerate.utils import ProjectConfiguration

    folder = out / FOLDER
    places = ProjectConfiguration(project_dir=str(out), logging_dir=str(folder))
    accelerator = Accelerator(
        cpu=group.device.type == "cpu",
        mixed_precision="no",
        log_with=name,
        project_config=places,
    )
    plain = {key: value if _is_scalar(value) else str(value) for key, value in config.items()}
    accelerator.init_trackers(PROJECT, config=plain, init_kwargs=_options(name, out, step))
    try:
        yield lambda figures, step: accelerator.log(
            {_spelled(key): value for key, value in figures.items()}, step=step
        )
    finally:
        for tracker in accelerator.trackers:  # end_training would end the group of processes too
            tracker.finish()


def _require(name: str) -> None:
    require_extra("accelerate", "teacher")
    if name == "tensorboard":
        require_extra("tensorboard", "tracking")
    elif importlib.util.find_spec(name) is None:
        raise SettingsError(
            f"--track {name} needs the package {name}, which is not installed. "
            f"Install it with: pip install {name}, or use --track tensorboard"
        )


def _options(name: str, out: Path, step: int) -> dict[str, dict[str, Any]]:
    options: dict[str, dict[str, Any]] = {
        "tensorboard": {"purge_step": step + 1} if step else {},
        "wandb": {"name": out.name, "dir": str(out)},
        "mlflow": {"run_name": out.name},
        "trackio": {"name": out.name},
    }
    return {name: options[name]}


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))


def _spelled(name: str) -> str:
    """A figure's name as every tracker takes it: `AUROC@4` → `AUROC_at_4`."""
    return re.sub(r"[^\w\-./ ]", "_", name.replace("@", "_at_"))
