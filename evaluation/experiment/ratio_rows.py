"""The sample-ratio check as rows of the long table."""

from __future__ import annotations

from collections.abc import Mapping

from evaluation.experiment.cells import MISSING
from evaluation.experiment.sample_ratio import SampleRatio, Split
from evaluation.intervals.proportion import wilson
from relevance.results import ExperimentRow


def sample_ratio_rows(treatment: str, ratio: SampleRatio) -> list[ExperimentRow]:
    """The sample-ratio check overall, by group, by day: value = share of users in the treatment.

    A day since when the split is broken has a row in slice `since`.
    """
    families: list[tuple[str, Mapping[str, Split]]] = [("all", {"all": ratio.overall})]
    families += list(ratio.groups.items())
    if set(ratio.days) != {MISSING}:  # a log without times has no days
        families.append(("day", ratio.days))
    broken = {day: split for day, split in ratio.since.items() if _fires(split, ratio)}
    families.append(("since", broken))
    return [
        _split_row(treatment, ratio, split, (by, group))
        for by, family in families
        for group, split in family.items()
    ]


def _split_row(
    treatment: str, ratio: SampleRatio, split: Split, place: tuple[str, str]
) -> ExperimentRow:
    share, intended = split.share(treatment), ratio.intended[treatment]
    # Of two variants, Wilson's interval leaves the intended share out exactly when χ² fires.
    ends = (None, None) if share is None else wilson(share, split.users, 1 - ratio.alpha)
    few = "" if split.p_value is not None else "too few users to test"
    return ExperimentRow(
        metric="sample_ratio",
        slice=place[0],
        group=place[1],
        system=treatment,
        value=share,
        ci_low=ends[0],
        ci_high=ends[1],
        ci_level=1 - ratio.alpha,
        baseline=intended,
        difference=None if share is None else share - intended,
        p_value=split.p_value,
        p_adjusted=split.p_adjusted,
        n=split.users,
        note="broken" if _fires(split, ratio) else few,
        role="sample_ratio",
    )


def _fires(split: Split, ratio: SampleRatio) -> bool:
    return split.p_adjusted is not None and split.p_adjusted < ratio.alpha
