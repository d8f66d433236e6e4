"""Points of the bridge: each country of a past experiment, offline beside online."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scipy.special import ndtri

from relevance.errors import InputError, did_you_mean
from relevance.results import ComparisonRow, ExperimentRow, Results, Row

USUAL = "candidate"
"""Name of the candidate where nothing else says which one was tested."""

_NOT_GROUPS = ("day", "since", "outcome")  # slices of an experiment that are no groups of users


@dataclass(frozen=True, slots=True)
class PastExperiment:
    """What was saved of one experiment.

    Attributes:
        name: What it is called.
        offline: Rows of `compare`.
        online: Rows of `analyze`.
        offline_level: Level of the offline intervals.
        online_level: Level of the online intervals that do not say theirs.
    """

    name: str
    offline: Results
    online: Results
    offline_level: float = 0.95
    online_level: float = 0.95


@dataclass(frozen=True, slots=True)
class Difference:
    """A measured difference.

    Attributes:
        value: The difference, a fraction of the baseline or in units of the metric.
        low: Lower end of its interval; None without one.
        high: Upper end.
        error: Standard error, from the width of the interval; NaN without one.
    """

    value: float
    low: float | None
    high: float | None
    error: float

    @classmethod
    def of(cls, row: ComparisonRow, level: float, *, absolute: bool) -> Difference | None:
        """The difference that a row tells; None if it tells none."""
        prefix = "difference" if absolute else "rel_difference"
        value = getattr(row, prefix)
        low, high = getattr(row, f"{prefix}_ci_low"), getattr(row, f"{prefix}_ci_high")
        if value is None:
            return None
        known = low is not None and high is not None
        error = (high - low) / (2 * float(ndtri(0.5 + level / 2))) if known else float("nan")
        return cls(value, low, high, error)


@dataclass(frozen=True, slots=True)
class Point:
    """One group of one experiment.

    Attributes:
        experiment: Name of the experiment.
        system: The same, with the treatment where it has several.
        metric: The offline metric.
        outcome: The online outcome.
        slice: Column split by; `all` for the whole experiment.
        group: Its value.
        offline: Difference of the metric; None where undefined.
        online: Lift of the outcome; None where undefined.
    """

    experiment: str
    system: str
    metric: str
    outcome: str
    slice: str
    group: str
    offline: Difference | None
    online: Difference | None


@dataclass(frozen=True, slots=True)
class Both:
    """One treatment, offline and online."""

    past: PastExperiment
    treatment: str
    candidate: str
    system: str
    outcome: str | None

    def points(
        self, metrics: Sequence[str], by: Sequence[str], *, absolute: bool
    ) -> Iterator[Point]:
        """The groups that both results have, for each metric."""
        name, online = self._online(by)
        for metric in metrics:
            offline = self._offline(metric, by)
            for place in offline.keys() & online.keys():
                yield Point(
                    self.past.name,
                    self.system,
                    metric,
                    name,
                    *place,
                    Difference.of(offline[place], self.past.offline_level, absolute=absolute),
                    Difference.of(online[place], self._level(online[place]), absolute=absolute),
                )

    def unmatched(self, metrics: Sequence[str], by: Sequence[str]) -> list[str]:
        """Groups that only one of the results has, by the first metric that is there."""
        _, online = self._online(by)
        offline = next(filter(None, (self._offline(metric, by) for metric in metrics)), {})
        alone = sorted(offline.keys() ^ online.keys())
        return [f"{self.system} {group}" for _, group in alone]

    def _online(self, by: Sequence[str]) -> tuple[str, dict[tuple[str, str], ComparisonRow]]:
        mine = [row for row in compared(self.past.online) if row.system == self.treatment]
        name = self.outcome or mine[0].metric
        chosen = [row for row in mine if row.metric == name and _role(row) != "look"]
        if not chosen:
            known = list(dict.fromkeys(row.metric for row in mine))
            raise InputError(
                f"{self.past.name}: the experiment has no outcome {name!r}."
                f"{did_you_mean(name, known)} It has {', '.join(known[:9])}"
            )
        return name, _by_place(chosen, by)

    def _offline(self, metric: str, by: Sequence[str]) -> dict[tuple[str, str], ComparisonRow]:
        rows = compared(self.past.offline)
        return _by_place(
            [row for row in rows if (row.metric, row.system) == (metric, self.candidate)], by
        )

    def _level(self, row: ComparisonRow) -> float:
        return getattr(row, "ci_level", None) or self.past.online_level


def compared(results: Results) -> list[ComparisonRow]:
    """The rows that compare something."""
    return [row for row in results if isinstance(row, ComparisonRow)]


def _role(row: Row) -> str:
    return row.role if isinstance(row, ExperimentRow) else ""


def _by_place(
    rows: Sequence[ComparisonRow], by: Sequence[str]
) -> dict[tuple[str, str], ComparisonRow]:
    """(slice, group) → its row, the first of each; without means over groups."""
    found: dict[tuple[str, str], ComparisonRow] = {}
    for row in rows:
        wanted = row.slice == "all" or row.slice in by or not by
        if wanted and row.slice not in _NOT_GROUPS and not row.group.startswith("("):
            found.setdefault((row.slice, row.group), row)
    return found


def is_invalid(online: Results, treatment: str) -> bool:
    """Whether the verdict of a treatment says that nothing is evidence."""
    return any(
        row.metric == "verdict" and row.system == treatment and row.note.startswith("invalid")
        for row in online
    )


def sides(past: PastExperiment, candidate: str | None = None) -> list[tuple[str, str, str]]:
    """Each treatment, the candidate that it showed, and what the two are called.

    Those called alike belong together; else a single treatment showed the candidate that is asked
    for, the only one, or the one called `candidate`.

    Raises:
        InputError: A result has no system, or several that cannot be told which is which.
    """
    told = [row for row in compared(past.online) if row.system and row.metric != "verdict"]
    treatments = list(dict.fromkeys(row.system for row in told))
    candidates = list(dict.fromkeys(row.system for row in compared(past.offline)))
    for names, what, command in (
        (treatments, "treatment", "gradewise experiment analyze"),
        (candidates, "candidate", "gradewise evaluation compare"),
    ):
        if not names:
            raise InputError(
                f"{past.name}: the saved result has no {what}. It is made by: {command}"
            )
    if candidate is not None and candidate not in candidates:
        raise InputError(
            f"{past.name}: the comparison has no candidate {candidate!r}, only "
            f"{', '.join(candidates)}.{did_you_mean(candidate, candidates)}"
        )
    wanted = candidates if candidate is None else [candidate]
    common = [name for name in treatments if name in wanted]
    if common:
        several = len(common) > 1
        return [(name, name, f"{past.name}/{name}" if several else past.name) for name in common]
    chosen = wanted if len(wanted) == 1 else [name for name in wanted if name == USUAL]
    if len(treatments) > 1 or not chosen:
        raise InputError(
            f"{past.name}: which candidate ({', '.join(candidates)}) was which treatment "
            f"({', '.join(treatments)})? Call them alike, or name the one with --candidate"
        )
    return [(treatments[0], chosen[0], past.name)]
