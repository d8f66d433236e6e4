"""What the commands of `gradewise experiment` share: options, and the configuration they make.

Options default to None, which stands for the settings: flag > environment
(`GRADEWISE_EXPERIMENT_UNIT=member`) > section `[experiment]` of gradewise.toml > default.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.settings import configure, parsed_time, parsed_weights
from relevance.errors import SettingsError

if TYPE_CHECKING:
    from evaluation.experiment.config import ExperimentConfig


class Contaminated(StrEnum):
    """What to do with users seen in two variants."""

    DROP = "drop"
    ERROR = "error"


class Adjust(StrEnum):
    """How groups are adjusted as a family."""

    HOLM = "holm"
    BH = "bh"


class Fell(StrEnum):
    """A verdict against shipping."""

    HOLD = "hold"
    STOP = "stop"


class Unclear(StrEnum):
    """A verdict while a guardrail is open."""

    HOLD = "hold"
    NOT_YET = "not yet"
    SHIP = "ship"


class Verdict(StrEnum):
    """The words of a verdict."""

    SHIP = "ship"
    HOLD = "hold"
    STOP = "stop"
    INVALID = "invalid"
    NOT_YET = "not yet"


_COLUMNS = "Columns of the log"
_MEASURED = "What is measured"
_RULES = "Tests and verdict"


def _option(panel: str, text: str, *names: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, metavar=metavar)


UnitOption = Annotated[
    str | None,
    _option(_COLUMNS, "What was randomised: the user (default: unit_id).", "--unit", metavar="COL"),
]
VariantOption = Annotated[
    str | None, _option(_COLUMNS, "The variant (default: variant).", "--variant", metavar="COL")
]
ControlOption = Annotated[
    str | None,
    _option(_COLUMNS, "Name of the control (default: control).", "--control", metavar="NAME"),
]
ByOption = Annotated[
    list[str] | None,
    _option(
        _COLUMNS,
        "Split by this; repeatable, the first is stratified by (default: country, if any).",
        "--by",
        metavar="COL",
    ),
]
SessionOption = Annotated[
    str | None,
    _option(_COLUMNS, "The session's identity (default: session_id).", "--session", metavar="COL"),
]
StartedAtOption = Annotated[
    str | None,
    _option(_COLUMNS, "The session's start (default: started_at).", "--started-at", metavar="COL"),
]
ExposedAtOption = Annotated[
    str | None,
    _option(_COLUMNS, "The exposure (default: exposed_at).", "--exposed-at", metavar="COL"),
]
ExperimentOption = Annotated[
    str | None,
    _option(
        _COLUMNS,
        "Name of the experiment, where column experiment holds several.",
        "--experiment",
        metavar="NAME",
    ),
]
StartOption = Annotated[
    str | None,
    _option(
        _COLUMNS,
        "Start, UTC; earlier sessions are the pre-period (default: each user's first exposure).",
        "--start",
        metavar="TIME",
    ),
]
EndOption = Annotated[
    str | None,
    _option(_COLUMNS, "End, UTC, exclusive (default: the log's).", "--end", metavar="TIME"),
]
PerUserOption = Annotated[
    bool | None,
    _option(_COLUMNS, "Each row is a user with sums, not a session.", "--per-user/--per-session"),
]
BeforeSuffixOption = Annotated[
    str | None,
    _option(
        _COLUMNS,
        "Ending of the pre-period's columns with --per-user (default: _before).",
        "--before-suffix",
        metavar="TEXT",
    ),
]
OutcomeOption = Annotated[
    str | None,
    _option(
        _MEASURED,
        "The primary: a column, or rate(c), mean(c), any(c), ratio(a,b), user(c) "
        "(default: fulfilled).",
        "--outcome",
        metavar="OUTCOME",
    ),
]
MetricOption = Annotated[
    list[str] | None,
    _option(
        _MEASURED,
        "A secondary outcome, spelled likewise; repeatable.",
        "--metric",
        metavar="OUTCOME",
    ),
]
GuardrailOption = Annotated[
    list[str] | None,
    _option(
        _MEASURED,
        "An outcome and the loss that is accepted: 'mean(sessions) >= -1%'; repeatable.",
        "--guardrail",
        metavar="'OUTCOME >= MARGIN'",
    ),
]
DuplicatesOption = Annotated[
    bool | None,
    _option(
        _MEASURED,
        "Look for repeated sessions, a pass of its own (default: up to 20,000,000 rows).",
        "--duplicates/--no-duplicates",
    ),
]
CupedOption = Annotated[
    bool | None,
    _option(_MEASURED, "Use pre-period sessions to narrow intervals.", "--cuped/--no-cuped"),
]
SplitOption = Annotated[
    str | None,
    _option(
        _RULES,
        "Intended split, such as control=1,treatment=1 (default: equal shares).",
        "--split",
        metavar="NAME=WEIGHT,…",
    ),
]
AlphaOption = Annotated[
    float | None,
    _option(_RULES, "Significance level; intervals are 1 - alpha (default: .05).", "--alpha"),
]
SrmAlphaOption = Annotated[
    float | None, _option(_RULES, "Level of the sample-ratio check (default: .001).", "--srm-alpha")
]
ContaminatedOption = Annotated[
    Contaminated | None,
    _option(_RULES, "Users seen in two variants (default: drop, and count).", "--contaminated"),
]
AdjustOption = Annotated[
    Adjust | None,
    _option(
        _RULES,
        "Groups as a family: holm for claims, bh for exploration (default: holm).",
        "--adjust",
    ),
]
SequentialOption = Annotated[
    bool | None,
    _option(
        _RULES,
        "Look at every day: figures that hold however often one looks.",
        "--sequential/--fixed-horizon",
    ),
]
PlannedUsersOption = Annotated[
    int | None,
    _option(_RULES, "Users of both arms that were planned for.", "--planned-users", metavar="N"),
]
TightestAtOption = Annotated[
    int | None,
    _option(
        _RULES,
        "Users of both arms at which the confidence sequence is tightest "
        "(default: those planned, else 10,000).",
        "--tightest-at",
        metavar="N",
    ),
]
MinUsersOption = Annotated[
    int | None,
    _option(_RULES, "Users an arm needs for a verdict (default: 100).", "--min-users", metavar="N"),
]
MinLiftOption = Annotated[
    float | None,
    _option(_RULES, "Relative lift worth having, such as .01; less is a hold.", "--min-lift"),
]
OnGroupFellOption = Annotated[
    Fell | None,
    _option(_RULES, "Verdict when a group fell significantly (default: hold).", "--on-group-fell"),
]
OnGuardrailBrokenOption = Annotated[
    Fell | None,
    _option(_RULES, "Verdict when a guardrail is broken (default: stop).", "--on-guardrail-broken"),
]
OnGuardrailUnclearOption = Annotated[
    Unclear | None,
    _option(
        _RULES, "Verdict when a guardrail may be broken (default: hold).", "--on-guardrail-unclear"
    ),
]
ConnectOption = Annotated[
    str | None,
    typer.Option(
        "--connect",
        metavar="URL",
        help="Database that holds the log, instead of SESSIONS: postgres://…, spark://…, …",
    ),
]
TableOption = Annotated[
    str | None, typer.Option("--table", metavar="NAME", help="Table of --connect.")
]
MemoryOption = Annotated[
    float | None,
    typer.Option(
        "--memory",
        metavar="GB",
        min=0.1,
        help="Memory to take before a large log spills to disk (default: 60 % of what is free).",
    ),
]
FailOnOption = Annotated[
    list[Verdict] | None,
    typer.Option("--fail-on", help="Exit with 3 on this verdict; repeatable."),
]


def experiment_config(**flags: Any) -> ExperimentConfig:
    """The configuration that flags, environment and gradewise.toml make.

    Args:
        **flags: Fields of `ExperimentConfig` as the options above give them: texts for `start`,
            `end` and `split`, lists for `by`, `metrics` and `guardrails`. None, or an empty list,
            stands for the settings.

    Raises:
        typer.BadParameter: A flag is not a time or not weights.
        SettingsError: A setting is unknown or wrong.
    """
    from evaluation.experiment.config import ExperimentConfig

    readers: dict[str, Callable[[str], Any]] = {
        "start": parsed_time,
        "end": parsed_time,
        "split": parsed_weights,
    }
    given: dict[str, Any] = {}
    for name, value in flags.items():
        if name in readers and isinstance(value, str):
            given[name] = _usage(name, readers[name], value)
        elif isinstance(value, (list, tuple)):
            given[name] = tuple(value) or None
        else:
            given[name] = str(value) if isinstance(value, StrEnum) else value
    return configure(ExperimentConfig, "experiment", **given)


def _usage(name: str, reader: Callable[[str], Any], text: str) -> Any:
    try:
        return reader(text)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint=f"--{name.replace('_', '-')}") from None
