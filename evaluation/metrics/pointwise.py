"""Metrics of predicted grades: (N,) one value a pair; their mean over pairs is the metric."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def predicted_grade(probabilities: Floats) -> Floats:
    """(N,) most probable grade of (N, K) probabilities of the grades 1 … K; ties: the lower."""
    return np.asarray(np.argmax(probabilities, axis=1) + 1, dtype=np.float64)


def accuracy(grades: Floats, probabilities: Floats) -> Floats:
    """1 where the most probable grade is the human grade, else 0."""
    return np.asarray(predicted_grade(probabilities) == grades, dtype=np.float64)


def within1(grades: Floats, probabilities: Floats) -> Floats:
    """1 where the most probable grade is at most one away from the human grade, else 0."""
    return np.asarray(np.abs(predicted_grade(probabilities) - grades) <= 1, dtype=np.float64)


def mae(grades: Floats, probabilities: Floats) -> Floats:
    """Absolute distance of the most probable grade from the human grade. In [0, K - 1]."""
    return np.abs(predicted_grade(probabilities) - grades)
