"""How a teacher is trained: the settings of `[teacher]` in gradewise.toml and of the command line.

Light on purpose: the command line reads it to name its options.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from relevance.errors import SettingsError
from relevance.teacher.bases import DEFAULT_BASE, Base

if TYPE_CHECKING:
    from relevance.teacher.tuning import Tuning

_CHOICES = {
    "tuning": ("full", "lora", "qlora"),
    "loss": ("auto", "soft", "hard", "ordinal"),
    "class_weights": ("none", "balanced"),
    "precision": ("auto", "bf16", "fp32"),
    "device": ("auto", "cpu", "cuda"),
    "track": ("none", "tensorboard", "wandb", "mlflow", "trackio"),
}
_LEAST = {
    "epochs": 1, "batch_size": 1, "accumulate": 1, "processes": 1, "checkpoint_steps": 1,
    "max_tokens": 16, "rank": 1, "alpha": 1, "patience": 0, "frozen_layers": 0, "layers": 1,
    "learning_rate": 0.0, "head_learning_rate": 0.0, "weight_decay": 0.0, "clip_norm": 0.0,
    "threads": 1, "seed": 0,
}  # fmt: skip
_SHARES = ("warmup", "dropout", "validation_share")
_BESIDE_THE_POINT = (
    "accumulate", "processes", "threads", "device", "track", "checkpoint_steps",
)  # fmt: skip
_WIDE = 512
"""Width from which a base trained whole wants small steps."""


def _every_feature() -> tuple[str, ...]:
    from relevance.text import TEXT_FEATURES

    return tuple(feature.name for feature in TEXT_FEATURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherConfig:
    """How a teacher is trained.

    Attributes:
        base: Base model; see gradewise teacher bases.
        tuning: What is trained: full (the layers), lora (adapters beside them) or qlora (adapters
            beside layers in 4 bits).
        rank: Inner width of an adapter.
        alpha: Adapters are scaled by alpha / rank.
        layers: Layers of the base to keep, the lowest ones; else what suits the base. The upper
            ones serve the base's own task most, and each costs time in training and labelling.
        frozen_layers: So many of the lowest layers stay as they are, with all embeddings; else what
            suits the base.
        frozen_embeddings: Word embeddings stay as they are.
        checkpointing: Compute activations again for the gradient: less memory, more time; else for
            qlora only.
        loss: auto (soft where the qrels have p1…p5), soft (cross-entropy against p1…p5), hard
            (against the grade) or ordinal (over the thresholds between grades).
        class_weights: none, or balanced: rare grades weigh as much as frequent ones while learning;
            the probabilities stay those of the data.
        epochs: Passes over the training pairs.
        patience: Stop after so many epochs without a lower validation loss; 0 for never. The best
            epoch's weights are kept either way.
        batch_size: Pairs of an optimiser step, in however many parts it is computed.
        accumulate: Parts in which a step is computed: the same step in less memory.
        learning_rate: Peak rate of the base; else 2e-4 for adapters and narrow bases, 2e-5 for wide
            ones trained whole.
        head_learning_rate: Peak rate of the fresh head.
        warmup: Share of the steps in which the rate rises.
        weight_decay: Of weight matrices.
        clip_norm: Longest gradient.
        dropout: Of the pooled state; the encoder has none.
        max_tokens: Longest input; time grows with it.
        text_features: Which text features of a Pin are read.
        validation_share: Share of the queries held back for validation and calibration.
        checkpoint_steps: Steps between checkpoints.
        precision: auto (bf16 where it is faster here), bf16 or fp32.
        device: auto (cuda where there is one), cpu or cuda.
        processes: Processes that share each step, one a GPU or a group of cores.
        threads: Threads of torch in each process; else every core.
        track: none, or the tracker that is told of losses and metrics: tensorboard (in the model
            folder), wandb, mlflow or trackio.
        seed: Of the head, the order, dropout and the split.
    """

    base: str = DEFAULT_BASE
    tuning: str = "full"
    rank: int = 16
    alpha: int = 32
    layers: int | None = None
    frozen_layers: int | None = None
    frozen_embeddings: bool = True
    checkpointing: bool | None = None
    loss: str = "auto"
    class_weights: str = "none"
    epochs: int = 3
    patience: int = 2
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float | None = None
    head_learning_rate: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    dropout: float = 0.1
    max_tokens: int = 64
    text_features: tuple[str, ...] = field(default_factory=_every_feature)
    validation_share: float = 0.1
    checkpoint_steps: int = 100
    precision: str = "auto"
    device: str = "auto"
    processes: int = 1
    threads: int | None = None
    track: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise SettingsError(
                    f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}. "
                    f"Use {known[0]}"
                )
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise SettingsError(f"{name} must be at least {least}, got {value}")
        for name in _SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(
                    f"{name} must be 0 or more and below 1, got {getattr(self, name)}"
                )

    def plan(self) -> Tuning:
        """The tuning it asks for, open where the base decides."""
        from relevance.teacher.tuning import Tuning

        return Tuning(
            kind=self.tuning,
            layers=self.layers,
            frozen_layers=self.frozen_layers,
            frozen_embeddings=self.frozen_embeddings,
            rank=self.rank,
            alpha=self.alpha,
            checkpointing=self.checkpointing,
        )

    def rate_for(self, base: Base) -> float:
        """Peak learning rate of the base.

        References:
            Devlin et al. (2019), BERT, appendix A.3 (2e-5 to 5e-5 for whole models); Dettmers et
            al. (2023), QLoRA, section 5 (2e-4 for adapters). Narrow bases: measured on the
            built-in world.
        """
        if self.learning_rate is not None:
            return self.learning_rate
        return 2e-5 if self.tuning == "full" and base.shape.width > _WIDE else 2e-4

    def decisive(self, *, parts: int) -> dict[str, object]:
        """The settings that decide the result; how and where it is computed is left out.

        Args:
            parts: Parts in which a step is computed: their number decides the draws of dropout.
        """
        kept = {k: v for k, v in dataclasses.asdict(self).items() if k not in _BESIDE_THE_POINT}
        return {**kept, "parts": parts}
