"""`gradewise teacher label`: a trained teacher's grades of any number of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.teacher.options import ThreadsOption
from app.output import Format, FormatOption, OverwriteOption, notes, progress_bar
from relevance.errors import SettingsError, require_extra

if TYPE_CHECKING:
    from collections.abc import Mapping

    from relevance.teacher.labelling import LabelConfig, Manifest, Price

PairsOption = Annotated[
    str | None,
    typer.Option("--pairs", help="Pairs to label: query_id, pin_id; a file or a folder of files."),
]
QueriesOption = Annotated[
    str | None, typer.Option("--queries", help="Their queries; a file or a folder of files.")
]
PinsOption = Annotated[
    str | None, typer.Option("--pins", help="Their Pins; a file or a folder of files.")
]
ModelOption = Annotated[str | None, typer.Option("--model", help="Folder of a trained teacher.")]
OutOption = Annotated[
    str | None,
    typer.Option("--out", help="Folder of Parquet shards; an interrupted run continues."),
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        help="torch; ray for a cluster's workers, whose "
        "places may be URIs such as s3://bucket/pairs.",
    ),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision",
        help="auto (the fastest here), bf16, int8 or fp32; anything but fp32 only where a sample "
        "of the pairs comes out close to it.",
    ),
]
RAY = "ray"


def label(
    *,
    pairs: PairsOption = None,
    queries: QueriesOption = None,
    pins: PinsOption = None,
    model: ModelOption = None,
    out: OutOption = None,
    overwrite: OverwriteOption = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only audit the finished labels in --out.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only plan, score a sample and price; write nothing.")
    ] = False,
    price_per_hour: Annotated[
        float | None, typer.Option("--price-per-hour", min=0, help="Of one worker, for --dry-run.")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Workers like this one, for --dry-run.")
    ] = 1,
    name: Annotated[
        str, typer.Option("--name", help="What `model` says; the model folder's name if not given.")
    ] = "",
    engine: EngineOption = "torch",
    precision: PrecisionOption = "auto",
    device: Annotated[
        str, typer.Option("--device", help="auto (a GPU where there is one), cpu or cuda.")
    ] = "auto",
    threads: ThreadsOption = None,
    batch_tokens: Annotated[
        int | None, typer.Option("--batch-tokens", min=1, help="Tokens of a batch, with padding.")
    ] = None,
    shard_pairs: Annotated[
        int | None,
        typer.Option("--shard-pairs", min=1, help="Pairs a shard; 4096 or more if not given."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", help="Of the Ray cluster; one is started here if not given."),
    ] = None,
    actors: Annotated[
        int | None, typer.Option("--actors", min=1, help="Workers on the cluster; all it has.")
    ] = None,
    gpus_per_actor: Annotated[
        float | None,
        typer.Option(
            "--gpus-per-actor", min=0, help="GPUs of a worker; 1 where the cluster has any."
        ),
    ] = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Labels pairs with a trained teacher: p1…p5, exactly one row a pair, whatever is killed.

    gradewise teacher label --pairs pairs.parquet --queries queries.parquet --pins pins.parquet
    --model models/teacher --out labels
    """
    require_extra("torch", "teacher")
    require_extra("transformers", "teacher")
    if check:
        _check(Path(_given(out, "out")))
        return
    tables = (_given(pairs, "pairs"), _given(queries, "queries"), _given(pins, "pins"))
    from relevance.teacher.labelling import LabelConfig

    where, inner = _split(engine)
    config = LabelConfig(
        shard_pairs=shard_pairs,
        batch_tokens=batch_tokens,
        engine=inner,
        precision=precision,
        device=device,
        threads=threads,
        name=name,
    )
    if dry_run:
        _price(
            tables,
            _given(model, "model"),
            config,
            price_per_hour=price_per_hour,
            workers=workers,
            form=form,
        )
        return
    places = (*tables, _given(model, "model"), _given(out, "out"))
    manifest = (
        _label_on_ray(places, config, address, actors, gpus_per_actor, overwrite=overwrite)
        if where == RAY
        else _label_here(places, config, overwrite=overwrite)
    )
    _tell(manifest, places[-1])


def _split(engine: str) -> tuple[str, str]:
    """Where shards are scored (`"ray"` or `""`) and the engine there."""
    if engine == RAY:
        return RAY, "torch"
    if engine.startswith(f"{RAY}+"):
        return RAY, engine.removeprefix(f"{RAY}+")
    return "", engine


def _given(place: str | None, option: str) -> str:
    if place is None:
        raise SettingsError(f"--{option} is missing. Give it; see gradewise teacher label --help")
    return place


def _label_here(places: tuple[str, ...], config: LabelConfig, *, overwrite: bool) -> Manifest:
    from relevance.teacher.labelling import label_files

    pairs, queries, pins, model, out = map(Path, places)
    with progress_bar("label") as progress:
        return label_files(
            pairs,
            queries,
            pins,
            model,
            out,
            config=config,
            replace_stale=overwrite,
            progress=progress,
        )


def _label_on_ray(
    places: tuple[str, ...],
    config: LabelConfig,
    address: str | None,
    actors: int | None,
    gpus_per_actor: float | None,
    *,
    overwrite: bool,
) -> Manifest:
    require_extra("ray", "ray")
    from relevance.scaleout import RayConfig, label_files_on_ray

    pairs, queries, pins, model, out = places
    ray = RayConfig(
        address=address,
        actors=actors,
        gpus_per_actor=gpus_per_actor,
        cpus_per_actor=config.threads or 1,
    )
    with progress_bar("label") as progress:
        return label_files_on_ray(
            pairs,
            queries,
            pins,
            model,
            out,
            config=config,
            ray=ray,
            replace_stale=overwrite,
            progress=progress,
        )


def _tell(manifest: Manifest, out: str) -> None:
    """Says on stderr what was labelled, how fast, and how far from fp32."""
    rate = f"{manifest.pairs_per_second:,} pairs/s with {manifest.engine} in {manifest.precision}"
    lines = [f"{manifest.pairs:,} pairs ({manifest.distinct:,} distinct) in {out}, {rate}"]
    if manifest.drift:
        lines.append(_drift_line(manifest.drift))
    if manifest.note:
        lines.append(manifest.note)
    lines.append(f"audited: one row a pair in {manifest.shards:,} shards, every row sums to 1")
    for line in lines:
        notes.print(line, highlight=False, markup=False, soft_wrap=True)


def _drift_line(moved: Mapping[str, float]) -> str:
    return (
        f"against fp32 on {moved['n']:,.0f} pairs: mean |Δp| {moved['mean']:.4f}, "
        f"99.9 % below {moved['p999']:.4f}, largest {moved['largest']:.4f}, "
        f"other best grade {moved['flips']:.1%}"
    )


def _check(out: Path) -> None:
    """Audits a folder; exit code 3 if anything is wrong."""
    from relevance.teacher.labelling import verify_labels

    with progress_bar("audit") as progress:
        audit = verify_labels(out, progress=progress)
    for problem in audit.problems:
        notes.print(problem, highlight=False, markup=False, soft_wrap=True)
    if audit.problems:
        raise typer.Exit(3)
    notes.print(
        f"{out}: {audit.rows:,} rows for {audit.pairs:,} pairs in {audit.shards:,} shards, "
        "none twice, every row within 0–1 and of sum 1",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _price(
    tables: tuple[str, ...],
    model: str,
    config: LabelConfig,
    *,
    price_per_hour: float | None,
    workers: int,
    form: Format,
) -> None:
    """Prints what the job will take."""
    import csv
    import json
    import sys
    from dataclasses import asdict

    from app.output import print_table
    from relevance.results import markdown_table
    from relevance.teacher.labelling import price_labels

    pairs, queries, pins = map(Path, tables)
    with progress_bar("price") as progress:
        price = price_labels(
            pairs,
            queries,
            pins,
            Path(model),
            config=config,
            price_per_hour=price_per_hour,
            workers=workers,
            progress=progress,
        )
    header, rows = ["figure", "value"], _price_rows(price)
    if form is Format.JSON:
        print(json.dumps([{**asdict(price), "distinct_share": price.distinct_share}], indent=1))
    elif form is Format.CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows([header, *rows])
    elif form is Format.MARKDOWN:
        print(markdown_table(header, rows))
    else:
        print_table(header, rows)
    for line in filter(None, [_drift_line(price.drift) if price.drift else "", price.note]):
        notes.print(line, highlight=False, markup=False, soft_wrap=True)


def _price_rows(price: Price) -> list[list[str]]:
    unit = "GPU" if price.device == "cuda" else "CPU"
    rows = [
        ["pairs", f"{price.pairs:,}"],
        ["distinct", f"{price.distinct:,} ({price.distinct_share:.1%})"],
        ["shards", f"{price.shards:,}"],
        ["plan, seconds here", f"{price.plan_seconds:,.1f}"],
        ["engine", f"{price.engine} in {price.precision}, {price.device}"],
        ["sample", f"{price.sampled:,} pairs of {price.tokens:.0f} tokens"],
        ["pairs/s a worker", f"{price.pairs_per_second:,.1f}"],
        ["workers", f"{price.workers:,}"],
        ["hours", _few(price.hours)],
        [f"{unit} hours", _few(price.device_hours)],
    ]
    if price.cost is not None and price.cost_per_million is not None:
        rows += [
            ["cost", _few(price.cost)],
            ["cost per million pairs", _few(price.cost_per_million)],
        ]
    return rows


def _few(value: float) -> str:
    """Three significant digits, or whole."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
