"""A metric with its options and cutoff, and what a figure of it means in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evaluation.metrics.declaration import RANKING, Metric
from evaluation.metrics.ranking import PERSISTENCE
from evaluation.metrics.sums import BINS
from relevance.grades import GradeScale


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric with its options and cutoff; `parse(repr(measure)) == measure`.

    Attributes:
        metric: Its declaration.
        cutoff: k (ranks) or t (a grade); None without.
        options: Values of the options that were given.
        text: As it was written, blanks removed; the key in every table.
    """

    metric: Metric
    cutoff: int | None = None
    options: tuple[tuple[str, str | int | float], ...] = ()
    text: str = field(default="", compare=False)

    def __repr__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options)
        cutoff = "" if self.cutoff is None else f"@{self.cutoff}"
        return f"{self.metric.name}{f'({options})' if options else ''}{cutoff}"

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of a ranking metric's function, or of a sums metric's two."""
        cutoff = {} if self.cutoff is None else {"k": self.cutoff}
        return {**cutoff, **dict(self.options)}

    def definition(self, scale: GradeScale, ties: str = "docid", empty: str | None = None) -> str:
        """What a figure of it means, in one line that travels with it.

        Args:
            scale: Scale of the grades.
            ties: How equal scores of a ranking are ordered.
            empty: What queries without anything to find have; None = the scale's.

        Example:
            >>> from evaluation.metrics import parse
            >>> from relevance.grades import FIVE
            >>> parse("P@8").definition(FIVE)
            'scale=five relevant_from=4 divided_by=8 ties=docid'
        """
        stated = [f"scale={scale.name}"]
        stated += [w if "=" in w else _STATED[w](self, scale) for w in self.metric.states]
        if self.metric.family == RANKING:
            stated.append(f"ties={ties}")
        if self.metric.undefined == "no_relevant":
            stated.append(f"empty={empty or scale.empty}")
        return " ".join(stated)


def _gain(measure: Measure, scale: GradeScale) -> str:
    name = dict(measure.options).get("gain", scale.gain)
    return f"gain={scale.exp_gain if name == 'exp' else name}"


def _option(name: str, default: object) -> Callable[[Measure, GradeScale], str]:
    return lambda measure, _: f"{name}={dict(measure.options).get(name, default)}"


def _given(measure: Measure, _: GradeScale) -> str:
    return f"given=grade_{dict(measure.options).get('grade', 'each')}"


_STATED: Mapping[str, Callable[[Measure, GradeScale], str]] = {
    "gain": _gain,
    "relevant_from": lambda m, s: f"relevant_from={dict(m.options).get('rel', s.relevant_from)}",
    "divided_by": lambda m, _: f"divided_by={m.cutoff}",
    "divided_by_shown": lambda m, _: (
        "divided_by=returned" if m.cutoff is None else f"divided_by=min({m.cutoff},returned)"
    ),
    "ideal_of_top": lambda m, s: f"ideal={m.cutoff}_of_grade_{s.top}",
    "top": lambda _, s: f"top={s.top}",
    "threshold": lambda m, _: f"threshold={m.cutoff}",
    "p": _option("p", PERSISTENCE),
    "bins": _option("bins", BINS),
    "given": _given,
}
"""What a name among `Metric.states` says of a measure on a scale."""
