"""A student on disk: weights (safetensors), feature statistics and shape (JSON), card, provenance.

```
model.safetensors   weights
config.json         shape, fitted features, who made the embeddings, training settings
metrics.json        loss of each epoch, figures on the validation queries
README.md           card
provenance.json     version, command, seed, hashed queries it has seen
```
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from relevance.errors import MissingInputError, ModelError
from relevance.features import StudentInputs
from relevance.files import atomic
from relevance.student.matrix import FeatureStatistics, statistics_from
from relevance.student.model import Student, StudentShape

FORMAT = 1
WEIGHTS = "model.safetensors"
CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class TrainedStudent:
    """A network and what its inputs need.

    Attributes:
        network: In evaluation mode.
        statistics: Of its features.
        embeddings: Who made the embeddings it was trained on; `none` without any.
    """

    network: Student
    statistics: FeatureStatistics
    embeddings: str

    def check(self, inputs: StudentInputs) -> None:
        """Raises `ModelError` unless the inputs' embeddings are of the kind it was trained on."""
        if inputs.embeddings != self.embeddings:
            raise ModelError(
                f"the student was trained with embeddings {self.embeddings!r}, these inputs have "
                f"{inputs.embeddings!r}. {_WAY_OUT.get(self.embeddings, _WAY_OUT[''])}"
            )


_WAY_OUT = {
    "given": "Give --query-embeddings and --pin-embeddings",
    "none": "Leave the embeddings out, or distil again with them",
    "": "Leave the embeddings out: they are then made by the same encoder",
}


def save_student(student: TrainedStudent, out: Path, settings: dict[str, Any]) -> None:
    """Writes weights and config into the folder `out`; the config comes last.

    Args:
        student: To save.
        out: Folder; made if missing.
        settings: How it was trained; kept for readers, not needed to load.
    """
    (out / CONFIG).unlink(missing_ok=True)  # never new weights beside an old config
    with atomic(out / WEIGHTS) as temporary:
        save_file(student.network.state_dict(), temporary)
        temporary.chmod(0o644)
    config = {
        "format": FORMAT,
        "kind": "student",
        "embeddings": student.embeddings,
        "shape": dataclasses.asdict(student.network.shape),
        "features": student.statistics.to_dicts(),
        "training": settings,
    }
    write_json(out / CONFIG, config)


def load_student(folder: Path) -> TrainedStudent:
    """The student in a folder.

    Raises:
        MissingInputError: There is none.
        ModelError: It is of another kind or version, or damaged.
    """
    if not (folder / CONFIG).exists():
        raise MissingInputError(folder / CONFIG, "gradewise student distill")
    config = json.loads((folder / CONFIG).read_text())
    if (config.get("kind"), config.get("format")) != ("student", FORMAT):
        raise ModelError(
            f"{folder} holds no student of format {FORMAT}, but kind {config.get('kind')!r}, "
            f"format {config.get('format')!r}. Distil it again: gradewise student distill"
        )
    statistics = statistics_from(config["features"])
    network = Student(_shape(config["shape"]))
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ModelError(
            f"{folder / WEIGHTS} is damaged or missing ({str(error).splitlines()[0]}). "
            "Distil it again: gradewise student distill"
        ) from error
    return TrainedStudent(network.eval(), statistics, config["embeddings"])


def write_json(path: Path, value: object) -> None:
    """Writes a value as JSON, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _shape(values: dict[str, Any]) -> StudentShape:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return StudentShape(**fields)
