"""What an A/B test says: gate, lift overall and in groups, other outcomes, looks, verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from evaluation.experiment.asked import Asked, asked_of
from evaluation.experiment.cautions import is_share
from evaluation.experiment.cells import ALL, Cells
from evaluation.experiment.config import ExperimentConfig
from evaluation.experiment.exclusions import count_rows
from evaluation.experiment.families import Member, family
from evaluation.experiment.guardrails import Finding, judge
from evaluation.experiment.lift import Arms, Lift, arms_of, stratified
from evaluation.experiment.ratio_rows import sample_ratio_rows
from evaluation.experiment.rows import (
    Telling,
    guardrail_row,
    look_row,
    plain_values,
    primary_rows,
    secondary_rows,
)
from evaluation.experiment.sample_ratio import SampleRatio
from evaluation.experiment.sequential import TIGHTEST_AT, Look, Step, follow, is_thin
from evaluation.experiment.verdict import Evidence, Rules, decide
from evaluation.moments import Contrast, total
from evaluation.outcomes import Guardrail, Outcome
from evaluation.sessions import SessionMoments, session_moments
from relevance.progress import Progress, silent
from relevance.results import ExperimentRow, Results

BROKEN = "invalid: sample ratio"
"""What every lift says where the users are not split as intended."""


def analyze(
    sessions: pl.DataFrame | str | Path,
    config: ExperimentConfig | None = None,
    *,
    progress: Progress | None = None,
) -> Results:
    """Analyses an experiment from its session log.

    The rows, for each treatment (`system`), by `role`:

    - `primary`: over all users (metric = the outcome's name; weighted to one mix of the groups of
      the first column split by, CUPED where there is a pre-period), then for each column split by
      its groups, adjusted as a family, and their equal-weighted `(mean)`;
    - `unadjusted`: the plain figure, neither weighted nor adjusted;
    - `heterogeneity`: of each column split by (value = I²);
    - `secondary`: each outcome over all users (p and intervals by Holm over these outcomes and the
      treatments), then its groups of the first column split by;
    - `guardrail`: each with its margin; the finding is in `note`;
    - `look`: where looks were asked for, one a day, slice `day`: all data up to that evening;
    - `sample_ratio`: overall, by group and by day (value = share of users in the treatment);
    - `verdict`: in `note`.

    Then `count`: what the log holds, what was left out or kept (value = share, `n` users or
    `n_sessions` sessions).

    Args:
        sessions: A frame, a CSV, JSON Lines or Parquet file, or a folder of Parquet files; the
            rules of the session table stand in `evaluation.sessions`.
        config: Columns, control, outcomes, split, levels, rules.
        progress: Called while a file is read.

    Raises:
        MissingInputError: The file is not there.
        TableError: A column is missing or holds values of the wrong kind.
        InputError: There is no such variant, or there are contaminated users and that is an error.
    """
    config = config or ExperimentConfig()
    moments = session_moments(sessions, config.log, progress=progress or silent)
    return analyze_moments(moments, config)


def analyze_moments(moments: SessionMoments, config: ExperimentConfig) -> Results:
    """Analyses an experiment from moments, which may be added up from anywhere; see `analyze`.

    Raises:
        InputError: The moments hold no such variant, column or outcome, or were not made for looks
            that are asked for; or there are contaminated users and that is an error.
    """
    study = _Study.of(moments, config)
    rows = [row for treatment in study.asked.treatments for row in study.rows(treatment)]
    asked = study.asked
    return Results((*rows, *count_rows(moments, list(asked.split), asked.by, asked.positions)))


@dataclass(frozen=True, slots=True)
class _Study:
    """An experiment with everything that its rows are made from.

    Attributes:
        config: What was asked.
        asked: The same, found in the moments.
        cells: Users of the variants compared, without the contaminated.
        ratio: The gate.
        lifts: Outcome → treatment → what it does.
        members: Outcome and treatment → what its family makes of the overall p.
    """

    config: ExperimentConfig
    asked: Asked
    cells: Cells
    ratio: SampleRatio
    lifts: Mapping[Outcome, Mapping[str, Lift]]
    members: Mapping[tuple[Outcome, str], Member]

    @classmethod
    def of(cls, moments: SessionMoments, config: ExperimentConfig) -> _Study:
        asked = asked_of(moments, config)
        compared = ~pl.col("contaminated") & pl.col("variant").is_in(list(asked.split))
        cells = Cells(moments.cells.filter(compared), asked.positions)
        lifts = {outcome: _lifts(cells, asked, config, outcome) for outcome in config.outcomes}
        families = ((config.primary,), config.secondary)
        members = [_as_family(outcomes, asked, lifts, config.alpha) for outcomes in families]
        ratio = _sample_ratio(cells, asked, config)
        return cls(config, asked, cells, ratio, lifts, members[0] | members[1])

    def rows(self, treatment: str) -> Iterator[ExperimentRow]:
        """The rows of a treatment, in their order."""
        config, primary = self.config, self.config.primary
        doubt = BROKEN if self.ratio.broken else ""
        telling = Telling(config.alpha, config.adjust, doubt)
        lift, member = self.lifts[primary][treatment], self.members.get((primary, treatment))
        yield from primary_rows(lift, member, telling)
        for outcome in config.secondary:
            other, other_member = self.lifts[outcome][treatment], (outcome, treatment)
            yield from secondary_rows(other, self.members.get(other_member), telling)
        findings = []
        for guard in config.guards:
            guarded = self.lifts[guard.outcome][treatment]
            findings.append(_judged(guarded, guard, config.alpha))
            yield guardrail_row(guarded, findings[-1], telling)
        looks = self.looks(treatment) if config.sequential else []
        for look, arms in looks:
            yield look_row(look, arms, lift, telling)
        yield from sample_ratio_rows(treatment, self.ratio)
        last = looks[-1][0] if looks else None
        yield self.verdict_row(lift, member, tuple(findings), last)

    def looks(self, treatment: str) -> list[tuple[Look, Arms]]:
        """The primary day by day; with several treatments each has its share of alpha."""
        config, first = self.config, self.asked.first_by
        share = is_share(config.primary, self.cells.value_range(config.primary))
        steps, everyone = [], []
        for day, moments in self.cells.up_to_each_day(config.primary, first):
            arms = list(arms_of(moments, treatment=treatment, control=config.control).values())
            both = total([t for t, _ in arms]), total([c for _, c in arms])
            contrast = stratified(arms, cuped=config.cuped)
            thin = is_thin(*both, share=share)
            steps.append(Step(day, (both[0].n, both[1].n), contrast, thin))
            everyone.append(both)
        several = len(self.asked.treatments)
        looks = follow(
            steps,
            alpha=config.alpha / several,
            tightest_at=config.tightest_at or config.planned_users or TIGHTEST_AT,
            min_users=config.min_users,
        )
        return list(zip([_shared(look, several) for look in looks], everyone, strict=True))

    def verdict_row(
        self,
        lift: Lift,
        member: Member | None,
        findings: tuple[Finding, ...],
        look: Look | None,
    ) -> ExperimentRow:
        """The verdict's word and reason, in `note`."""
        config, overall = self.config, lift.overall
        groups = _groups(lift, config)
        evidence = Evidence(
            rate=_in_words(lift.outcome),
            primary=overall.primary,
            p_value=member.p_adjusted if member else 1.0,
            users=(overall.everyone[0].n, overall.everyone[1].n),
            kind=" or ".join(lift.slices),
            groups=groups if len(groups) > 1 else {},
            broken=self.ratio.broken,
            guardrails=findings,
            planned_users=config.planned_users,
            look=look,
            percent=is_share(lift.outcome, lift.values),
        )
        word, reason = decide(evidence, _rules(config))
        return ExperimentRow(
            metric="verdict",
            system=overall.treatment,
            n=sum(evidence.users),
            note=f"{word}: {reason}",
            role="verdict",
        )


def _sample_ratio(cells: Cells, asked: Asked, config: ExperimentConfig) -> SampleRatio:
    """The gate, by every column split by and by day."""
    primary = config.primary
    groups = {by: cells.moments_by(primary, column) for by, column in asked.by.items()}
    return SampleRatio.of(groups, cells.moments_by(primary, "day"), asked.split, config.srm_alpha)


def _lifts(
    cells: Cells, asked: Asked, config: ExperimentConfig, outcome: Outcome
) -> dict[str, Lift]:
    """Treatment → what it does to an outcome."""
    columns: Mapping[str, str | None] = asked.by or {ALL: None}
    moments = {by: cells.moments_by(outcome, column) for by, column in columns.items()}
    return {
        treatment: Lift.of(
            outcome,
            moments,
            treatment=treatment,
            control=config.control,
            cuped=config.cuped,
            values=cells.value_range(outcome),
        )
        for treatment in asked.treatments
    }


def _as_family(
    outcomes: Sequence[Outcome],
    asked: Asked,
    lifts: Mapping[Outcome, Mapping[str, Lift]],
    alpha: float,
) -> dict[tuple[Outcome, str], Member]:
    """The overall comparisons of these outcomes, of all treatments, as one family by Holm."""
    keys = [(outcome, treatment) for outcome in outcomes for treatment in asked.treatments]
    contrasts = {key: lifts[key[0]][key[1]].overall.primary for key in keys}
    p_values = {key: contrast.p_value for key, contrast in contrasts.items() if contrast}
    return dict(zip(p_values, family(list(p_values.values()), alpha=alpha), strict=True))


def _judged(lift: Lift, guardrail: Guardrail, alpha: float) -> Finding:
    arms = lift.overall.everyone
    treatment, control = plain_values(arms)
    known = treatment is not None and control is not None and min(arm.n for arm in arms) > 1
    constant = (treatment or 0.0, control or 0.0) if known else None
    return judge(lift.overall.primary, guardrail, alpha, constant=constant)


def _shared(look: Look, treatments: int) -> Look:
    """A look whose p is adjusted for the number of treatments (Bonferroni)."""
    if look.p_always_valid is None:
        return look
    return replace(look, p_always_valid=min(1.0, treatments * look.p_always_valid))


def _groups(lift: Lift, config: ExperimentConfig) -> dict[str, tuple[Contrast, float]]:
    """Group → comparison and adjusted p; of all but the first column with the column's name."""
    found = {}
    for number, (by, comparison) in enumerate(lift.slices.items()):
        members = comparison.members(alpha=config.alpha, adjust=config.adjust)
        for group, contrast in comparison.defined.items():
            name = f"{by} {group}" if number else group
            found[name] = (contrast, members[group].p_adjusted)
    return found


def _rules(config: ExperimentConfig) -> Rules:
    return Rules(
        alpha=config.alpha,
        min_users=config.min_users,
        min_lift=config.min_lift,
        on_group_fell=config.on_group_fell,
        on_guardrail_broken=config.on_guardrail_broken,
        on_guardrail_unclear=config.on_guardrail_unclear,
    )


def _in_words(outcome: Outcome) -> str:
    """What an outcome is called in a sentence."""
    if outcome.kind == "rate" and outcome.columns == ("fulfilled",):
        return "the fulfillment rate"
    words = {
        "rate": "the rate of {0}",
        "mean": "{0} per user",
        "any": "the share of users with {0}",
        "ratio": "{0} per {1}",
        "user": "{0} of users",
    }
    return words[outcome.kind].format(*outcome.columns)
