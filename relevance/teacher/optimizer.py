"""AdamW for a teacher: which weights decay, and which learn faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from relevance.teacher.fit import Recipe


def make_optimizer(teacher: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Fused AdamW; biases and norms do not decay, the fresh head learns at its own rate."""
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, weight in teacher.named_parameters():
        if weight.requires_grad:
            groups.setdefault((name.startswith("head."), weight.ndim > 1), []).append(weight)
    return torch.optim.AdamW(
        [
            {
                "params": weights,
                "peak": recipe.head_learning_rate if head else recipe.learning_rate,
                "weight_decay": recipe.weight_decay if matrix else 0.0,
            }
            for (head, matrix), weights in sorted(groups.items(), key=lambda group: group[0])
        ],
        lr=recipe.learning_rate,
        fused=True,
    )


def set_rate(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Sets every group's rate to this share of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share
