"""What an A/B test says: moments per user → gate → lifts → verdict; planning and calibration."""

from __future__ import annotations

from evaluation.experiment.analyze import analyze, analyze_moments
from evaluation.experiment.config import ExperimentConfig

__all__ = ["ExperimentConfig", "analyze", "analyze_moments"]
