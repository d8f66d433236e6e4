"""Annotators measured: scorecards, calibration rounds, and the votes to talk about.

Everything is measured against people who did not include the annotator. Nobody is flagged unless
what is wrong is surely larger than tolerated, after adjusting for how many people were looked at.
"""

from __future__ import annotations

from annotation.graders.cards import Figure, Flag, Limits, Scorecard, Week
from annotation.graders.scorecards import scorecards

__all__ = ["Figure", "Flag", "Limits", "Scorecard", "Week", "scorecards"]
