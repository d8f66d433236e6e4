"""`gradewise teacher ablate --captions`: the same teacher under damaged captions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.teacher import contest
from app.output import Format, progress_bar
from relevance.errors import SettingsError
from relevance.results import Results, Row

if TYPE_CHECKING:
    import polars as pl

    from relevance.teacher.caption_noise import Damage, Perturb
    from relevance.teacher.config import TeacherConfig

RESULTS = "captions"
CHANGED = "n_captions_changed"


def run_captions(
    measuring: contest.Measuring,
    pins: pl.DataFrame,
    out: Path,
    config: TeacherConfig,
    *,
    kind: str,
    shares: str,
    model: Path | None,
    folds: int,
    overwrite: bool,
    form: Format,
) -> None:
    """Labels test pairs with clean and damaged captions, and shows what the damage costs.

    Args:
        measuring: The graded pairs, and how they are measured.
        pins: Pins with captions.
        out: Folder for the teacher, its labels and the results.
        config: How the teacher is trained.
        kind: `drop`, `shuffle` or `language`.
        shares: Percentages, comma-separated.
        model: A trained teacher to use instead.
        folds: Parts of the queries, one of which is tested on; not used with `model`.
        overwrite: Train and label anew.
        form: How to print.
    """
    import dataclasses

    from relevance.teacher.caption_noise import damaged_labels
    from relevance.teacher.labelling import LabelConfig

    parsed = read_shares(shares)
    if overwrite:
        shutil.rmtree(out / "labels", ignore_errors=True)
    teacher, tested = _teacher(measuring, pins, out, config, model, folds, overwrite=overwrite)
    measuring = dataclasses.replace(measuring, qrels=tested)
    perturb = perturber(kind, measuring.queries, seed=config.seed)
    label = LabelConfig(threads=config.threads, precision=config.precision)
    with progress_bar("label") as progress:
        found = list(
            damaged_labels(
                teacher, tested, measuring.queries, pins, out / "labels",
                kind=kind, perturb=perturb, shares=parsed, config=label, progress=progress,
            )
        )  # fmt: skip
    results = caption_results(found, measuring)
    contest.save(
        results, out, f"{RESULTS}-{kind}", f"gradewise teacher ablate --captions {kind}",
        {"shares": parsed, "model": str(model or "")},
    )  # fmt: skip
    if not contest.finish(results, form):
        _print(results, found, measuring, form)


def read_shares(text: str) -> list[float]:
    """Shares from percentages such as `25,50,100`, ascending.

    Raises:
        SettingsError: One is no number above 0 and up to 100.
    """
    try:
        shares = sorted({float(part) / 100 for part in text.split(",")})
    except ValueError:
        shares = [0.0]
    if not all(0 < share <= 1 for share in shares):
        raise SettingsError(
            f"--shares must be percentages above 0 and up to 100, got {text!r}. "
            "Write them like 25,50,100"
        )
    return shares


def perturber(kind: str, queries: pl.DataFrame, *, seed: int) -> Perturb:
    """What damages a share of the captions of Pins.

    Args:
        kind: `drop`, `shuffle` or `language`. For `language`, where Pins have no such column, each
            one's is told from its own words.
        queries: Their languages are those that a Pin's can be.
        seed: Seed of the drawing.
    """
    from relevance.captions import perturb

    def damage(some: pl.DataFrame, share: float) -> pl.DataFrame:
        spoken = spoken_of(some, queries) if kind == "language" else None
        return perturb(some, kind=kind, share=share, seed=seed, languages=spoken)  # type: ignore[arg-type]

    return damage


def spoken_of(pins: pl.DataFrame, queries: pl.DataFrame) -> pl.Series | None:
    """(n,) the language of each Pin: its column, else told from its title or description.

    None where the languages of the queries are not known either.
    """
    import polars as pl

    if "language" in pins.columns:
        return pins["language"]
    if "language" not in queries.columns:
        return None
    known = queries["language"].drop_nulls().unique().sort()
    fields = [name for name in ("title", "description") if name in pins.columns]
    if known.is_empty() or not fields:
        return None
    from relevance.languages import identify

    words = pins.select(pl.coalesce(pl.col(name).cast(pl.String) for name in fields)).to_series()
    return identify(words, list(known))["language"]


def caption_results(found: list[Damage], measuring: contest.Measuring) -> Results:
    """Figures with clean captions, then with damaged ones beside them, and how many changed."""
    results = measuring.alone(found[0].predictions)
    results += measuring.against(found[0].predictions, [each.predictions for each in found[1:]])
    rows = [
        Row(metric=CHANGED, system=each.name, value=float(each.n_changed), n=each.n_changed)
        for each in found
    ]
    return results + Results(tuple(rows))


def _teacher(  # noqa: PLR0917
    measuring: contest.Measuring,
    pins: pl.DataFrame,
    out: Path,
    config: TeacherConfig,
    model: Path | None,
    folds: int,
    *,
    overwrite: bool,
) -> tuple[Path, pl.DataFrame]:
    """A teacher, and the pairs to test it on: none of their queries has it seen."""
    from relevance.teacher.caption_noise import held_out, unseen_by
    from relevance.teacher.compare import note_of_weights
    from relevance.teacher.train import train_teacher

    if model is not None:
        return model, unseen_by(model, measuring.qrels)
    learned, tested = held_out(measuring.qrels, folds=folds, seed=config.seed)
    note_of_weights(config.base)  # a fallback would answer another question
    folder = out / "model"
    if overwrite:
        shutil.rmtree(folder, ignore_errors=True)
    with progress_bar("teacher") as progress:
        train_teacher(
            learned, measuring.queries, pins, folder, config,
            evaluate=contest.evaluator(learned, measuring.queries), resume=True, progress=progress,
        )  # fmt: skip
    return folder, tested


def _print(
    results: Results, found: list[Damage], measuring: contest.Measuring, form: Format
) -> None:
    pairs, queries = measuring.qrels.height, measuring.qrels["query_id"].n_unique()
    changed = {each.name: each.n_changed for each in found}
    contest.show_figures(
        results,
        heading="captions",
        metrics=measuring.names,
        form=form,
        title=f"One teacher, {pairs:,} pairs of {queries:,} queries that it has not seen",
        more={"changed": lambda name: f"{changed[name]:,} Pins"},
    )
    contest.show_differences(
        results,
        heading="captions",
        metrics=measuring.names,
        form=form,
        title="Difference to clean captions",
    )
    contest.say([contest.meaning(measuring.level)])
