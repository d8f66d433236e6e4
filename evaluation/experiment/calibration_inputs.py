"""From one row a user to what `calibrate` splits: strata, outcomes, effects, session z-tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from evaluation.experiment.assignments import Measure, Users
from evaluation.experiment.calibration_gate import DAY
from evaluation.experiment.cells import ALL, MISSING
from evaluation.experiment.config import ExperimentConfig
from evaluation.experiment.effects import counts_successes
from evaluation.experiment.power import Population, detectable_lift
from evaluation.moments import Floats, Moments
from evaluation.outcomes import SESSIONS, Outcome
from relevance.errors import InputError, SettingsError

FEWEST_USERS = 8
"""Users below which nothing is calibrated."""

POWER = 0.8
"""Power of the lift that is injected where none is asked for."""


@dataclass(frozen=True, slots=True)
class Naive:
    """The session z-test of an outcome: every session counts as if it were drawn by itself.

    Attributes:
        sums: Shape (users, 2), Σ of the value and number of the sessions of a user.
        variance: Of one session's value; None for a share, whose variance is p(1 - p).
        reason: Why there is no such test; empty if there is one.
    """

    sums: Floats
    variance: float | None = None
    reason: str = ""

    def p_values(self, treated: Floats, control: Floats) -> Floats:
        """(splits,) two-sided p from the sums (splits, 2) of both arms; NaN if there is no test."""
        from scipy import special

        if self.reason:
            return np.full(len(treated), np.nan)
        (x, y), (x_c, y_c) = treated.T, control.T
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = (x + x_c) / (y + y_c)
            variance = rate * (1 - rate) if self.variance is None else self.variance
            z = (x / y - x_c / y_c) / np.sqrt(variance * (1 / y + 1 / y_c))
        return np.asarray(2 * special.ndtr(-np.abs(z)))


@dataclass(frozen=True, slots=True)
class Subject:
    """One outcome to calibrate.

    Attributes:
        outcome: The outcome.
        population: All users, by stratum.
        lift: The relative lift to inject.
        naive: Its session z-test.
    """

    outcome: Outcome
    population: Population
    lift: float
    naive: Naive


def naive_companion(outcome: Outcome) -> Outcome | None:
    """The further outcome that a session z-test of a mean or share of users needs read."""
    if outcome.kind in ("mean", "any") and outcome.columns[0] != SESSIONS:
        return Outcome(f"rate({outcome.columns[0]})", "rate", outcome.columns)
    return None


def shares_of(config: ExperimentConfig) -> dict[str, float]:
    """Variant → intended share, control first; two equal arms where no split is set.

    Raises:
        SettingsError: The split lacks the control or a treatment.
    """
    weights = dict(config.split or {config.control: 1.0, "treatment": 1.0})
    if config.control not in weights or len(weights) < 2:
        raise SettingsError(
            f"split must give the control {config.control!r} and a treatment a weight, got "
            f"{', '.join(weights)}. Write --split {config.control}=1,treatment=1"
        )
    names = [config.control, *(name for name in weights if name != config.control)]
    return {name: weights[name] / sum(weights.values()) for name in names}


def ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Users in the order in which they are split: by stratum, then as they came."""
    groups = [name for name in frame.columns if name.startswith("group_")]
    frame = frame.with_columns(pl.col(groups).cast(pl.String).fill_null(MISSING))
    if not groups:
        frame = frame.with_columns(group_0=pl.lit(ALL))
    return frame.sort("group_0", "unit", maintain_order=True)


def subjects(
    frame: pl.DataFrame,
    outcomes: Sequence[Outcome],
    wanted: Sequence[Outcome],
    *,
    shares: tuple[float, float],
    cuped: bool,
    alpha: float,
    lift: float | None,
) -> list[Subject]:
    """The outcomes to calibrate.

    Args:
        frame: `ordered` users.
        outcomes: Which outcome `o0_…`, `o1_…` of the frame is.
        wanted: Those to calibrate.
        shares: Shares of all users in the (smallest) treatment and in the control.
        cuped: Use the pre-period.
        alpha: Level of each test.
        lift: To inject; None for the one that is found with 80 % power.

    Raises:
        InputError: Too few users, or nothing varies.
    """
    if len(frame) < FEWEST_USERS:
        raise InputError(
            f"{len(frame)} users can be split; a calibration needs at least {FEWEST_USERS}. "
            "Check the columns, --start and --within-control"
        )
    names = [outcome.name for outcome in outcomes]
    values = [_values(frame, i) for i in range(len(names))]
    found = []
    for outcome in wanted:
        own = values[names.index(outcome.name)]
        companion = naive_companion(outcome)
        other = values[names.index(companion.name)] if companion else own
        flips = outcome.kind != "user" and counts_successes(own[:, 0], own[:, 1])
        population = Population(_strata(frame, own), flips, shares, cuped)
        injected = detectable_lift(population, alpha, POWER) if lift is None else lift
        if injected is None:
            raise InputError(
                f"{outcome.name}: {len(frame):,} users cannot be compared: too few in a stratum, "
                "nothing varies, or no lift could be found. Name one with --lift"
            )
        population.effect(injected)  # says so now if there can be no such lift
        found.append(Subject(outcome, population, injected, _naive(outcome, frame, own, other)))
    return found


def users_of(frame: pl.DataFrame, parts: Sequence[Subject], names: Sequence[str]) -> Users:
    """What is split: the `ordered` users with the outcomes of `parts`; `names` as in the frame."""
    counts = frame["group_0"].rle().struct.field("len").to_numpy()
    strata = frame["group_0"].rle().struct.field("value").to_list()
    measures = tuple(
        Measure(
            _values(frame, names.index(part.outcome.name)),
            part.population.effect(part.lift),
            part.naive.sums,
        )
        for part in parts
    )
    families = [name for name in frame.columns if name.startswith("group_")] + [DAY]
    places = {
        name: frame[name].cast(pl.String).fill_null(MISSING).rank("dense").to_numpy() - 1
        for name in families
        if name in frame.columns
    }
    bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Users(tuple(strata), bounds, measures, places)


def _values(frame: pl.DataFrame, i: int) -> Floats:
    """(users, 4) numbers of outcome i."""
    names = [f"o{i}_{name}" for name in ("x", "y", "x0", "y0")]
    return np.ascontiguousarray(frame.select(pl.col(names).cast(pl.Float64)).to_numpy())


def _strata(frame: pl.DataFrame, values: Floats) -> dict[str, Moments]:
    runs = frame["group_0"].rle().struct.unnest()
    ends = runs["len"].cum_sum().to_list()
    starts = [0, *ends[:-1]]
    names = runs["value"].to_list()
    return {n: Moments.of(values[a:b]) for n, a, b in zip(names, starts, ends, strict=True)}


def _naive(outcome: Outcome, frame: pl.DataFrame, own: Floats, other: Floats) -> Naive:
    if outcome.kind == "user":
        sessions = frame["sessions"].cast(pl.Float64).to_numpy() * (own[:, 1] > 0)
        total = float(sessions.sum())
        mean = float(sessions @ own[:, 0]) / total if total else 0.0
        spread = float(sessions @ (own[:, 0] - mean) ** 2) / total if total else 0.0
        return Naive(np.column_stack([sessions * own[:, 0], sessions]), spread)
    if outcome.columns[0] == SESSIONS and outcome.kind == "mean":
        return Naive(np.zeros((len(own), 2)), reason="a number of sessions has no session z-test")
    if not counts_successes(other[:, 0], other[:, 1]):
        reason = "the session z-test is compared for shares of sessions only"
        return Naive(np.zeros((len(own), 2)), reason=reason)
    return Naive(other[:, :2])
