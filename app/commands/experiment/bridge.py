"""`gradewise experiment bridge`: did offline gains become online lifts?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.evaluation.shared import Sources, checked_level
from app.commands.experiment.bridge_output import print_bridge
from app.commands.experiment.saved_results import read_results
from app.output import Format, FormatOption, LevelOption, SeedOption, emit
from relevance.errors import SettingsError

if TYPE_CHECKING:
    from evaluation.experiment.bridge_points import PastExperiment

_SAVED = "--format json > FILE"


def bridge(
    *,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            "--pair",
            metavar="NAME=COMPARE,EXPERIMENT",
            help="A past experiment: saved results of evaluation compare and of experiment "
            "analyze (JSON, CSV, Parquet); repeatable.",
        ),
    ] = None,
    workspace: Annotated[
        list[Path] | None,
        typer.Option(
            "--workspace", help="A past experiment's workspace, with both results; repeatable."
        ),
    ] = None,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Offline metrics, comma-separated.")
    ] = "nDCG@20,P@8",
    outcome: Annotated[
        str | None,
        typer.Option("--outcome", help="Online outcome (default: each experiment's primary)."),
    ] = None,
    candidate: Annotated[
        str | None,
        typer.Option(
            "--candidate",
            help="The candidate that was tested, where comparisons have several (default: the one "
            "called as the treatment, else candidate).",
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by", metavar="COL", help="Column split by; repeatable (default: all in common)."
        ),
    ] = None,
    absolute: Annotated[
        bool, typer.Option("--absolute", help="Absolute differences instead of relative ones.")
    ] = False,
    level: LevelOption = 0.95,
    reps: Annotated[
        int, typer.Option("--reps", min=40, help="Resamplings of the experiments.")
    ] = 2_000,
    seed: SeedOption = 0,
    form: FormatOption = Format.TEXT,
) -> None:
    """Do offline gains become online lifts? Past experiments, country by country.

    gradewise experiment bridge --pair march=compare-03.json,ab-03.json
    --pair april=compare-04.json,ab-04.json

    Intervals draw whole experiments. Measurement noise pulls correlations towards 0; the corrected
    figure takes it out. Experiments whose split was broken are left out, and counted.
    """
    from evaluation.experiment.bridge import bridge as run

    files = [_pair(text) for text in pair or ()] + [_workspace(root) for root in workspace or ()]
    if not files:
        raise SettingsError(
            "there is no past experiment. Give --pair NAME=COMPARE,EXPERIMENT or --workspace DIR"
        )
    results = run(
        [_read(name, offline, online) for name, offline, online in files],
        metrics=[part.strip() for part in re.split(r",(?![^(]*\))", metrics) if part.strip()],
        outcome="".join(outcome.split()) if outcome else None,
        candidate=candidate,
        by=by or (),
        absolute=absolute,
        level=checked_level(level),
        reps=reps,
        seed=seed,
    ).sourced(_sources(files))
    if form is Format.TEXT:
        print_bridge(results, absolute=absolute, level=level)
    else:
        emit(results, form)


_Files = tuple[str, Path, Path]
"""Name, saved comparison, saved experiment."""


def _pair(text: str) -> _Files:
    name, _, files = text.partition("=")
    offline, _, online = files.partition(",")
    if not (name and offline and online):
        raise SettingsError(
            f"--pair must be NAME=COMPARE,EXPERIMENT, got {text!r}. "
            "Write it like march=compare.json,experiment.json"
        )
    return name, Path(offline), Path(online)


def _workspace(root: Path) -> _Files:
    """The two results of a workspace, called as its folder."""

    def table(part: str) -> Path:
        paths = [root / f"results-{part}{ending}" for ending in (".parquet", ".csv")]
        return next((path for path in paths if path.exists()), paths[0])

    return root.resolve().name, table("compare"), table("experiment")


def _read(name: str, offline: Path, online: Path) -> PastExperiment:
    from evaluation.experiment.bridge_points import PastExperiment

    return PastExperiment(
        name,
        read_results(offline, f"gradewise evaluation compare … {_SAVED}"),
        read_results(online, f"gradewise experiment analyze … {_SAVED}"),
        _level(offline),
        _level(online),
    )


def _level(path: Path) -> float:
    """Level of the intervals that a result's provenance tells; the usual one without."""
    from relevance.provenance import read_provenance

    config = (read_provenance(path) or {}).get("config") or {}
    return float(config.get("level", 0.95))


def _sources(files: Sequence[_Files]) -> str:
    paths = {
        f"{name}.{part}": path
        for name, *both in files
        for part, path in zip(("compare", "experiment"), both, strict=True)
    }
    return Sources(paths).text
