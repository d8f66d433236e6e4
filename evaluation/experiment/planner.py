"""Days, users, power and detectable lift of one outcome, as rows; see `plan`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.experiment.horizons import Growth
from evaluation.experiment.power import Population, detectable_lift, power_at, scaled
from evaluation.moments import Moments
from relevance.errors import SettingsError
from relevance.results import ExperimentRow

MOST_DAYS = 365
"""Days beyond which nothing is planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an experiment is to find.

    Attributes:
        min_lift: Relative lift to find; None for none in particular.
        min_difference: The same in the outcome's units; None likewise.
        days: Length of the experiment; None for the fewest days that find the lift, or for as
            many as the log shows where no lift is asked for.
        power: Chance to find it.
        before: Days of the log that are pre-period; None for half of them.
        traffic: Users who take part, per user of the log: .2, or 2 for twice the traffic.
    """

    min_lift: float | None = None
    min_difference: float | None = None
    days: int | None = None
    power: float = 0.8
    before: int | None = None
    traffic: float = 1.0

    def __post_init__(self) -> None:
        if self.min_lift is not None and self.min_difference is not None:
            raise SettingsError("ask for a relative lift or for an absolute one, not for both")
        for name in ("min_lift", "min_difference"):
            wanted = getattr(self, name)
            if wanted is not None and not 0 < wanted < float("inf"):
                raise SettingsError(f"{name} must be above 0, got {wanted}")
        if not 0 < self.power < 1:
            raise SettingsError(f"power must be between 0 and 1, got {self.power}")
        if not 0 < self.traffic < float("inf"):
            raise SettingsError(f"traffic must be above 0, got {self.traffic}")
        if self.days is not None and not 1 <= self.days <= MOST_DAYS:
            raise SettingsError(f"days must be between 1 and {MOST_DAYS}, got {self.days}")

    def lift(self, value: float | None) -> float | None:
        """The relative lift wanted where the outcome has this value; None if none is."""
        if self.min_difference is None or not value:
            return self.min_lift
        return self.min_difference / abs(value)

    @property
    def wanted(self) -> bool:
        """Whether a lift is asked for."""
        return self.min_lift is not None or self.min_difference is not None


@dataclass(frozen=True, slots=True)
class Horizons:
    """The experiment of one population after any number of days.

    Attributes:
        observed: Moments by group after 1, 2, … days.
        growth: Of the users, beyond these days.
        shape: A population without users: how it is split and analysed.
        traffic: Share of the users who take part.
    """

    observed: Sequence[Mapping[str, Moments]]
    growth: Growth
    shape: Population
    traffic: float

    def after(self, days: int) -> Population:
        """Who is in after so many days; beyond the log, more users like those on its last day."""
        known = min(days, len(self.observed))
        factor = self.traffic * self.growth.factor(known, days)
        shown = self.observed[known - 1]
        strata = {name: scaled(moments, factor) for name, moments in shown.items()}
        return dataclasses.replace(self.shape, strata=strata)

    def only(self, group: str) -> Horizons:
        """The same with the users of one group."""
        observed = [{group: m[group]} if group in m else {} for m in self.observed]
        return dataclasses.replace(self, observed=observed)


@dataclass(frozen=True, slots=True)
class Planner:
    """What is planned for one outcome.

    Attributes:
        outcome: Its name.
        treatment: Name of the treatment with the fewest users.
        alpha: Level of its test: the experiment's, divided by the number of treatments.
        level: Level of the experiment's intervals.
        target: Lift or days, power.
    """

    outcome: str
    treatment: str
    alpha: float
    level: float
    target: Target

    def power(self, population: Population, *, plain: bool = False) -> float | None:
        """Chance to find the wanted lift; None where it cannot be compared, or cannot be."""
        lift = self.target.lift(population.value)
        if lift is None or not population.value:
            return None
        try:
            return power_at(population, lift, self.alpha, plain=plain)
        except SettingsError:  # the rate would exceed 1
            return None

    def days(self, horizons: Horizons, *, plain: bool = False) -> int | None:
        """Fewest days that find the wanted lift; None if a year does not."""

        def enough(days: int) -> bool:
            found = self.power(horizons.after(days), plain=plain)
            return found is not None and found >= self.target.power

        known = len(horizons.observed)
        for days in range(1, known + 1):
            if enough(days):
                return days
        low, high = known, MOST_DAYS
        if high <= low or not enough(high):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high

    def length(self, horizons: Horizons) -> int:
        """Days that the figures are given for: those asked for, needed, or seen in the log."""
        if self.target.days is not None:
            return self.target.days
        needed = self.days(horizons) if self.target.wanted else None
        return needed or len(horizons.observed)

    def place_rows(
        self, horizons: Horizons, length: int, place: tuple[str, str]
    ) -> list[ExperimentRow]:
        """The rows of all users, or of a group as if it were the only one."""
        rows = []
        if self.target.wanted:
            rows = [self._days_row(horizons, place, plain=plain) for plain in (False, True)]
        rows += [self._mde_row(horizons, length, place, plain=plain) for plain in (False, True)]
        population = horizons.after(length)
        if self.target.wanted:
            rows.append(self._power_row(horizons, length, place))
        contrast = population.contrast()
        gain = self._row("cuped_gain", horizons, length, place)
        if contrast is not None:
            gain = dataclasses.replace(gain, value=contrast.reduction)
        return [*rows, gain]

    def curve(self, horizons: Horizons, length: int) -> list[ExperimentRow]:
        """The detectable lift by days: each day of the log, then week by week."""
        known = len(horizons.observed)
        last = min(max(length, 2 * known), MOST_DAYS)
        days = sorted({*range(1, known + 1), *range(7, last + 1, 7), length})
        return [
            self._mde_row(horizons, day, ("day", str(day)), plain=plain)
            for plain in (False, True)
            for day in days
        ]

    def _row(
        self, what: str, horizons: Horizons, days: int, place: tuple[str, str], suffix: str = ""
    ) -> ExperimentRow:
        population = horizons.after(days)
        everyone = population.everyone
        notes = [f"{days} days"] if place[0] != "day" else []
        notes += ["extrapolated"] if days > len(horizons.observed) else []
        return ExperimentRow(
            metric=f"{what}({self.outcome}{suffix})",
            slice=place[0],
            group=place[1],
            system=self.treatment,
            baseline=population.value,
            n=everyone.n,
            n_sessions=everyone.sessions,
            role="plan",
            ci_level=1 - self.level,
            note="; ".join(notes),
        )

    def _days_row(
        self, horizons: Horizons, place: tuple[str, str], *, plain: bool
    ) -> ExperimentRow:
        days = self.days(horizons, plain=plain)
        suffix = ",unadjusted" if plain else ""
        row = self._row("days", horizons, days or MOST_DAYS, place, suffix)
        lift = self.target.lift(row.baseline)
        units = None if lift is None or row.baseline is None else lift * abs(row.baseline)
        why = row.note if days else f"not within {MOST_DAYS} days"
        return dataclasses.replace(
            row,
            value=None if days is None else float(days),
            rel_difference=lift,
            difference=units,
            note=why.partition("; ")[2] if days else why,
        )

    def _mde_row(
        self, horizons: Horizons, days: int, place: tuple[str, str], *, plain: bool
    ) -> ExperimentRow:
        row = self._row("mde", horizons, days, place, ",unadjusted" if plain else "")
        population = horizons.after(days)
        lift = detectable_lift(population, self.alpha, self.target.power, plain=plain)
        if lift is None or row.baseline is None:
            why = "too few users, nothing varies, or no possible lift is large enough"
            return dataclasses.replace(row, note="; ".join(filter(None, [row.note, why])))
        units = lift * abs(row.baseline)
        return dataclasses.replace(row, value=lift, rel_difference=lift, difference=units)

    def _power_row(self, horizons: Horizons, days: int, place: tuple[str, str]) -> ExperimentRow:
        row = self._row("power", horizons, days, place)
        lift = self.target.lift(row.baseline)
        units = None if lift is None or row.baseline is None else lift * abs(row.baseline)
        value = self.power(horizons.after(days))
        return dataclasses.replace(row, value=value, rel_difference=lift, difference=units)
