"""How an experiment is analysed: section `[experiment]` of gradewise.toml."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from evaluation.multiplicity import ADJUSTMENTS
from evaluation.outcomes import Guardrail, Outcome, parse_guardrail, parse_outcome
from evaluation.sessions import SessionLog
from relevance.errors import SettingsError, did_you_mean

Texts = str | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentConfig:
    """How an experiment is analysed: what the log's columns mean, what is measured, the rules.

    Attributes:
        unit: Column of what was randomised: the user.
        variant: Column of the variant.
        control: Name of the variant that the others are compared with.
        outcome: The primary: a column (1 or 0, true or false, any number) or another spelling of
            `evaluation.outcomes`.
        metrics: Secondary outcomes, spelled likewise.
        guardrails: Outcomes with their margin: `mean(sessions) >= -1%`.
        by: Columns to split by, the first of them to stratify by; empty for `country`, if the log
            has it.
        session: Column of the session's identity; None for `session_id`, if the log has it.
        started_at: Column of the session's start; None for `started_at`, if the log has it.
        exposed_at: Column of the exposure; None for `exposed_at`, if the log has it.
        experiment: Name of the experiment, where the log holds several.
        start: Start of the experiment, UTC; None for each user's first exposure.
        end: End of the experiment, UTC, exclusive; None for the end of the log.
        per_user: Each row of the table is a user with sums; a column `c` has its pre-period value
            in `c` + `before_suffix`.
        before_suffix: See `per_user`.
        duplicates: Look for repeated sessions, a pass of its own; None for up to 20,000,000 rows.
        split: Variant → intended weight; None for equal shares of the variants found.
        alpha: Significance level of the two-sided tests; intervals have level 1 - alpha.
        srm_alpha: Below this p the sample-ratio check says that the split is broken.
        contaminated: What to do with users seen in two variants: `drop` (and count) or `error`.
        cuped: Use pre-period sessions, where there are any.
        adjust: How the groups (countries) are adjusted as a family, p-values and intervals alike:
            `holm` for claims, `bh` for exploration.
        sequential: Look at every day: confidence sequences and always-valid p-values.
        planned_users: Users of both arms that the experiment was planned for; None if unplanned.
        tightest_at: Users of both arms at which the confidence sequence is tightest; None for
            `planned_users`, else 10,000. Must be fixed before the data are seen.
        min_users: Users an arm below which there is no verdict, and no look.
        min_lift: Relative lift worth having; an interval below it is a reason to hold.
        on_group_fell: Verdict when the primary fell significantly in a group: `hold` or `stop`.
        on_guardrail_broken: Verdict when a guardrail is worse than its margin: `hold` or `stop`.
        on_guardrail_unclear: Verdict when a guardrail may be worse than its margin: `hold`,
            `not yet` or `ship`.
    """

    unit: str = "unit_id"
    variant: str = "variant"
    control: str = "control"
    outcome: str = "fulfilled"
    metrics: Texts = ()
    guardrails: Texts = ()
    by: Texts = ()
    session: str | None = None
    started_at: str | None = None
    exposed_at: str | None = None
    experiment: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    per_user: bool = False
    before_suffix: str = "_before"
    duplicates: bool | None = None
    split: Mapping[str, float] | None = None
    alpha: float = 0.05
    srm_alpha: float = 0.001
    contaminated: str = "drop"
    cuped: bool = True
    adjust: str = "holm"
    sequential: bool = False
    planned_users: int | None = None
    tightest_at: int | None = None
    min_users: int = 100
    min_lift: float = 0.0
    on_group_fell: str = "hold"
    on_guardrail_broken: str = "stop"
    on_guardrail_unclear: str = "hold"

    def __post_init__(self) -> None:
        self._check_numbers()
        for name, words in _CHOICES.items():
            if getattr(self, name) not in words:
                near = did_you_mean(getattr(self, name), words)
                raise SettingsError(
                    f"{name} must be {' or '.join(map(repr, words))}, got "
                    f"{getattr(self, name)!r}.{near}"
                )
        names = [outcome.name for outcome in self.outcomes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SettingsError(f"outcome {twice[0]!r} is asked for twice")

    def _check_numbers(self) -> None:
        for name in ("alpha", "srm_alpha"):
            if not 0 < getattr(self, name) < 1:
                raise SettingsError(f"{name} must be between 0 and 1, got {getattr(self, name)}")
        for name in ("planned_users", "tightest_at", "min_users"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise SettingsError(f"{name} must be at least 1, got {number}")
        if self.start and self.end and not _utc(self.start) < _utc(self.end):
            raise SettingsError(f"end {self.end} is not after start {self.start}")
        for variant, weight in (self.split or {}).items():
            if not 0 < weight < math.inf:
                raise SettingsError(f"split: the weight of {variant!r} must be > 0, got {weight}")

    @property
    def primary(self) -> Outcome:
        """The outcome that decides."""
        return parse_outcome(self.outcome)

    @property
    def secondary(self) -> tuple[Outcome, ...]:
        """The secondary outcomes."""
        return tuple(parse_outcome(text) for text in texts(self.metrics))

    @property
    def guards(self) -> tuple[Guardrail, ...]:
        """The guardrails."""
        return tuple(parse_guardrail(text) for text in texts(self.guardrails))

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Everything measured, the primary first."""
        return (self.primary, *self.secondary, *(guard.outcome for guard in self.guards))

    @property
    def log(self) -> SessionLog:
        """The part that says how to read the session log."""
        return SessionLog(
            unit=self.unit,
            variant=self.variant,
            outcomes=self.outcomes,
            by=texts(self.by),
            session=self.session,
            started_at=self.started_at,
            exposed_at=self.exposed_at,
            experiment=self.experiment,
            start=self.start,
            end=self.end,
            per_user=self.per_user,
            before_suffix=self.before_suffix,
            duplicates=self.duplicates,
            looks=self.sequential,
        )


_CHOICES = {
    "contaminated": ("drop", "error"),
    "adjust": tuple(ADJUSTMENTS),
    "on_group_fell": ("hold", "stop"),
    "on_guardrail_broken": ("hold", "stop"),
    "on_guardrail_unclear": ("hold", "not yet", "ship"),
}


def texts(value: Texts) -> tuple[str, ...]:
    """A list of texts; a single text is a list of one."""
    return (value,) if isinstance(value, str) else tuple(value)


def _utc(time: datetime) -> datetime:
    """The time in UTC; one without a zone is taken as UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
