"""What an analysis was asked for, found in what the log holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from evaluation.experiment.config import ExperimentConfig, texts
from evaluation.outcomes import Outcome
from evaluation.sessions import SessionMoments
from relevance.errors import InputError, SettingsError, did_you_mean

MANY_VARIANTS = 20
"""More variants than this are taken for a wrong column."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Variants, columns and outcomes to analyse.

    Attributes:
        split: Variant → intended share, control first.
        by: Column split by → its column in the cells; the first is stratified by.
        positions: Outcome → its position in the cells.
    """

    split: Mapping[str, float]
    by: Mapping[str, str]
    positions: Mapping[Outcome, int]

    @property
    def treatments(self) -> list[str]:
        """Every variant but the control."""
        return list(self.split)[1:]

    @property
    def first_by(self) -> str | None:
        """The cells' column to stratify by; None if there is none."""
        return next(iter(self.by.values()), None)


def asked_of(moments: SessionMoments, config: ExperimentConfig) -> Asked:
    """What the config asks for, found in the moments.

    Raises:
        InputError: The log has no such variant, column or outcome, or only one variant; or looks
            are asked of moments made without; or there are contaminated users and that is an error.
        SettingsError: The split leaves out the control.
    """
    if config.contaminated == "error":
        _refuse_contaminated(moments)
    if config.sequential:
        _need_looks(moments)
    return Asked(_split(moments, config), _by(moments, config), _positions(moments, config))


def _by(moments: SessionMoments, config: ExperimentConfig) -> dict[str, str]:
    columns = {name: f"group_{i}" for i, name in enumerate(moments.by)}
    for name in texts(config.by):
        if name not in columns:
            near = did_you_mean(name, columns)
            raise InputError(
                f"{moments.source}: the moments are not split by {name!r}, only by "
                f"{', '.join(columns) or 'nothing'}.{near} Make them anew with --by {name}"
            )
    return {name: columns[name] for name in texts(config.by) or columns}


def _positions(moments: SessionMoments, config: ExperimentConfig) -> dict[Outcome, int]:
    held = {(outcome.kind, outcome.columns): i for i, outcome in enumerate(moments.outcomes)}
    for outcome in config.outcomes:
        if (outcome.kind, outcome.columns) not in held:
            names = [each.name for each in moments.outcomes]
            raise InputError(
                f"{moments.source}: the moments hold no outcome {outcome.name!r}, only "
                f"{', '.join(names)}.{did_you_mean(outcome.name, names)} Make them anew with it, "
                "or leave it out"
            )
    return {outcome: held[outcome.kind, outcome.columns] for outcome in config.outcomes}


def _need_looks(moments: SessionMoments) -> None:
    if not moments.looks:
        raise InputError(
            f"{moments.source}: these moments were not booked day by day, so they cannot be looked "
            "at day by day. Make them anew with --sequential, or leave --sequential out"
        )
    if moments.cells["day"].drop_nulls().is_empty():
        raise InputError(
            f"{moments.source}: the log has no time, so it cannot be looked at day by day. Name "
            "its column with --started-at or --exposed-at, or leave --sequential out"
        )


def _split(moments: SessionMoments, config: ExperimentConfig) -> dict[str, float]:
    """Variant → intended share, control first."""
    found = sorted(moments.cells["variant"].drop_nulls().unique())
    place = f"{moments.source}, column {config.variant}:"
    if not found:
        raise InputError(
            f"{place} no session was exposed to a variant. "
            "Check --variant, --exposed-at and --start"
        )
    wanted = list(config.split) if config.split else [config.control, *found]
    for name in (config.control, *wanted):
        if name not in found:
            some = ", ".join(found[:9]) + (", …" if len(found) > 9 else "")
            raise InputError(
                f"{place} there is no variant {name!r}, only {some}.{did_you_mean(name, found)} "
                "Name the variants with --control and --split"
            )
    if config.split and config.control not in config.split:
        raise SettingsError(f"split must give the control {config.control!r} a weight as well")
    if len(set(wanted)) < 2:
        raise InputError(f"{place} all are {found[0]!r}; a comparison needs two variants")
    if len(set(wanted)) > MANY_VARIANTS:
        raise InputError(
            f"{place} there are {len(found)} variants; is it the right column? "
            "Name it with --variant, or the variants with --split"
        )
    names = dict.fromkeys([config.control, *wanted])
    weights = {name: config.split[name] if config.split else 1.0 for name in names}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def _refuse_contaminated(moments: SessionMoments) -> None:
    users = int(moments.cells.filter(pl.col("contaminated"))["users"].sum())
    if users:
        raise InputError(
            f"{moments.source}: {users:,} users were seen in two variants. "
            "Mend the log, or leave them out with --contaminated drop"
        )
