"""What an A/B test says: lift per country and overall, sample-ratio gate, verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from evaluation.lift import Comparison, lift_rows
from evaluation.moments import Moments
from evaluation.multiplicity import holm
from evaluation.sample_ratio import SampleRatio, Split
from evaluation.sessions import DUPLICATES_UP_TO, SessionLog, SessionMoments, session_moments
from evaluation.verdict import Evidence, Rules, decide
from relevance.errors import InputError, SettingsError, did_you_mean
from relevance.results import ExperimentRow, Results

NO_GROUP = "(missing)"
"""Group of the users whose first exposed session names no country."""

MANY_VARIANTS = 20
"""More variants than this are taken for a wrong column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentConfig:
    """How an experiment is analysed.

    Attributes:
        unit: Column of what was randomised: the user.
        variant: Column of the variant.
        control: Name of the variant that the others are compared with.
        outcome: Column of the outcome: 1 or 0, true or false, or any number.
        by: Column to split and stratify by; None for `country`, if the log has it.
        session: Column of the session's identity; None for `session_id`, if the log has it.
        started_at: Column of the session's start; None for `started_at`, if the log has it.
        exposed_at: Column of the exposure; None for `exposed_at`, if the log has it.
        experiment: Name of the experiment, where the log holds several.
        start: Start of the experiment, UTC; None for each user's first exposure.
        split: Variant → intended weight; None for equal shares of the variants found.
        alpha: Significance level of the two-sided tests; intervals have level 1 - alpha.
        srm_alpha: Below this p the sample-ratio check says that the split is broken.
        contaminated: What to do with users seen in two variants: `drop` (and count) or `error`.
        cuped: Use pre-period sessions, where there are any.
        min_users: Users an arm below which there is no verdict.
        min_lift: Relative lift worth having; an interval below it is a reason to hold.
    """

    unit: str = "unit_id"
    variant: str = "variant"
    control: str = "control"
    outcome: str = "fulfilled"
    by: str | None = None
    session: str | None = None
    started_at: str | None = None
    exposed_at: str | None = None
    experiment: str | None = None
    start: datetime | None = None
    split: Mapping[str, float] | None = None
    alpha: float = 0.05
    srm_alpha: float = 0.001
    contaminated: str = "drop"
    cuped: bool = True
    min_users: int = 100
    min_lift: float = 0.0

    def __post_init__(self) -> None:
        for name in ("alpha", "srm_alpha"):
            if not 0 < getattr(self, name) < 1:
                raise SettingsError(f"{name} must be between 0 and 1, got {getattr(self, name)}")
        if self.contaminated not in ("drop", "error"):
            raise SettingsError(
                f"contaminated must be 'drop' or 'error', got {self.contaminated!r}"
            )
        for variant, weight in (self.split or {}).items():
            if not 0 < weight < math.inf:
                raise SettingsError(f"split: the weight of {variant!r} must be > 0, got {weight}")

    @property
    def log(self) -> SessionLog:
        """The part that says how to read the session log."""
        return SessionLog(
            unit=self.unit,
            variant=self.variant,
            outcome=self.outcome,
            by=self.by,
            session=self.session,
            started_at=self.started_at,
            exposed_at=self.exposed_at,
            experiment=self.experiment,
            start=self.start,
        )


def analyze(sessions: pl.DataFrame | str | Path, config: ExperimentConfig | None = None) -> Results:
    """Analyses an experiment from its session log.

    The rows, for each treatment (`system`): the primary (metric = the outcome's name; weighted to
    one mix of countries, CUPED where there is a pre-period), the same per country and as the
    `(mean)` of countries, `…(unadjusted)` as the plain shares of sessions, `heterogeneity`
    (value = I²), `sample_ratio`, `verdict` (in `note`); then what was counted and left out
    (value = share, `n` users or `n_sessions` sessions).

    Args:
        sessions: A frame, a CSV, JSON Lines or Parquet file, or a folder of Parquet files; the
            rules of the session table stand in `evaluation.sessions`.
        config: Columns, control, split, levels.

    Raises:
        MissingInputError: The file is not there.
        TableError: A column is missing or holds values of the wrong kind.
        InputError: There is no such variant, or there are contaminated users and that is an error.
    """
    config = config or ExperimentConfig()
    return analyze_moments(session_moments(sessions, config.log), config)


def analyze_moments(moments: SessionMoments, config: ExperimentConfig) -> Results:
    """Analyses an experiment from moments, which may be added up from anywhere; see `analyze`."""
    split = _split(moments, config)
    if config.contaminated == "error":
        _refuse_contaminated(moments)
    clean = moments.cells.filter(~pl.col("contaminated") & pl.col("variant").is_in(list(split)))
    groups = _moments_by(clean, "group")
    ratio = SampleRatio.of(groups, _moments_by(clean, "day"), split, config.srm_alpha)
    treatments = [variant for variant in split if variant != config.control]
    parts = [
        Comparison.of(groups, treatment=treatment, control=config.control, cuped=config.cuped)
        for treatment in treatments
    ]
    rows: list[ExperimentRow] = []
    for part, p_adjusted in zip(parts, _over_treatments(parts), strict=True):
        rows += lift_rows(
            part,
            metric=config.outcome,
            by=moments.by,
            alpha=config.alpha,
            p_adjusted=p_adjusted,
            doubt="invalid: sample ratio" if ratio.broken else "",
        )
        rows += _ratio_rows(part.treatment, ratio, moments.by)
        rows.append(_verdict_row(part, p_adjusted, ratio, moments.by, config))
    return Results((*rows, *_count_rows(moments, list(split))))


def _split(moments: SessionMoments, config: ExperimentConfig) -> dict[str, float]:
    """Variant → intended share, control first; raises `InputError` for variants not found."""
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
    users = int(moments.cells.filter("contaminated")["users"].sum())
    if users:
        raise InputError(
            f"{moments.source}: {users:,} users were seen in two variants. "
            "Mend the log, or leave them out with --contaminated drop"
        )


def _moments_by(cells: pl.DataFrame, column: str) -> dict[str, dict[str, Moments]]:
    """Variant → value of the column → moments, values in order."""
    label = pl.col(column).cast(pl.String).fill_null(NO_GROUP)
    numbers = pl.selectors.numeric()
    table = cells.group_by("variant", label).agg(numbers.sum()).sort("variant", column)
    groups: dict[str, dict[str, Moments]] = {}
    for row in table.to_dicts():
        moments = Moments.of_sums(row["users"], row)
        groups.setdefault(row["variant"], {})[row[column]] = moments
    return groups


def _over_treatments(parts: Sequence[Comparison]) -> list[float | None]:
    """The primaries' p, adjusted over the treatments (Holm); None where there is no comparison."""
    adjusted = iter(holm([part.primary.p_value for part in parts if part.primary]).tolist())
    return [next(adjusted) if part.primary else None for part in parts]


def _ratio_rows(treatment: str, ratio: SampleRatio, by: str) -> list[ExperimentRow]:
    """The sample-ratio check overall and per group: value = share of users in the treatment."""

    def row(split: Split, place: tuple[str, str]) -> ExperimentRow:
        share, intended = split.share(treatment), ratio.intended[treatment]
        fires = split.p_adjusted is not None and split.p_adjusted < ratio.alpha
        few = "" if split.p_value is not None else "too few users to test"
        return ExperimentRow(
            metric="sample_ratio",
            slice=place[0],
            group=place[1],
            system=treatment,
            value=share,
            baseline=intended,
            difference=None if share is None else share - intended,
            p_value=split.p_value,
            p_adjusted=split.p_adjusted,
            n=split.users,
            note="broken" if fires else few,
        )

    rows = [row(ratio.overall, ("all", "all"))]
    return rows + [row(split, (by, group)) for group, split in ratio.groups.items() if by]


def _verdict_row(
    part: Comparison,
    p_adjusted: float | None,
    ratio: SampleRatio,
    by: str,
    config: ExperimentConfig,
) -> ExperimentRow:
    name = config.outcome
    groups = {group: (c, part.p_groups[group]) for group, c in part.defined.items()}
    evidence = Evidence(
        rate="the fulfillment rate" if name == "fulfilled" else f"the rate of {name}",
        primary=part.primary,
        p_value=1.0 if p_adjusted is None else p_adjusted,
        users=(part.everyone[0].n, part.everyone[1].n),
        kind=by,
        groups=groups if len(groups) > 1 else {},
        broken=ratio.broken,
    )
    rules = Rules(alpha=config.alpha, min_users=config.min_users, min_lift=config.min_lift)
    word, reason = decide(evidence, rules)
    users = sum(evidence.users)
    return ExperimentRow(metric="verdict", system=part.treatment, n=users, note=f"{word}: {reason}")


def _count_rows(moments: SessionMoments, variants: list[str]) -> list[ExperimentRow]:
    """What was left out (`excluded(…)`), or kept and worth knowing (`kept(…)`)."""
    cells, by = moments.cells, moments.by
    exposed = cells.filter(pl.col("variant").is_not_null())
    pure = exposed.filter(~pl.col("contaminated"))
    known = pl.col("variant").is_in(variants)
    clean = pure.filter(known)
    users = [
        ("excluded(contaminated)", exposed.filter("contaminated"), "users", "seen in two variants"),
        ("excluded(unknown_variant)", pure.filter(~known), "users", "in a variant not compared"),
        (
            "excluded(not_exposed)",
            cells.filter(pl.col("variant").is_null()),
            "users",
            "without an exposed session",
        ),
        ("kept(with_pre_period)", clean, "with_pre_period", "with sessions before"),
    ]
    if by:
        nowhere = clean.filter(pl.col("group").is_null())
        users += [
            (f"kept(no_{by})", nowhere, "users", f"whose first exposed session has no {by}"),
            (f"kept(several_{by})", clean, "several_groups", "the first exposed session decides"),
        ]
    rows = [
        _counted(cells, metric, int(part[name].sum()), note) for metric, part, name, note in users
    ]
    return [*rows, *_session_counts(moments, exposed, clean), *_outcome_note(clean)]


def _counted(cells: pl.DataFrame, metric: str, users: int, note: str) -> ExperimentRow:
    """A count of users: value = their share of all users of the log."""
    everyone = int(cells["users"].sum())
    share = users / everyone if everyone else None
    return ExperimentRow(metric=metric, value=share, n=users, note=note)


def _session_counts(
    moments: SessionMoments, exposed: pl.DataFrame, clean: pl.DataFrame
) -> list[ExperimentRow]:
    """Counts of sessions: value = their share of all sessions of the log."""
    if moments.duplicates is None:
        why = "too many rows" if moments.rows > DUPLICATES_UP_TO else "there is no session column"
        repeated = f"not looked for: {why}"
    else:
        repeated = "repeated; counted once"
    counts = (
        ("duplicate_sessions", moments.duplicates or 0, repeated),
        ("missing_outcome", clean["missing_outcome"].sum(), "without an outcome; the user stays"),
        (
            "outside_window",
            exposed["outside"].sum(),
            "between start and first exposure, or exposed before the start",
        ),
        (
            "no_variant",
            moments.cells["no_variant"].sum(),
            "with an exposure but no variant; not taken as exposed",
        ),
        ("no_unit", moments.no_unit, "without a user"),
    )
    return [
        ExperimentRow(
            metric=f"excluded({name})",
            value=int(count) / moments.rows if moments.rows else None,
            n_sessions=int(count),
            note=note,
        )
        for name, count, note in counts
    ]


def _outcome_note(cells: pl.DataFrame) -> list[ExperimentRow]:
    """A row that warns of outcomes beyond 0 and 1."""
    seen = cells.select(pl.col("low").min(), pl.col("high").max()).row(0)
    if None in seen or 0 <= seen[0] <= seen[1] <= 1:
        return []
    note = f"outcomes from {seen[0]:g} to {seen[1]:g}: a mean per session, not a rate"
    return [ExperimentRow(metric="outcome", note=note)]
