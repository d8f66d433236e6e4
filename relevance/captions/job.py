"""Captions for many Pins, in shards that survive being killed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import polars as pl

from relevance.captions.models import Blip, Labels
from relevance.captions.pictures import PictureError, read_picture
from relevance.errors import InputError, did_you_mean
from relevance.files import atomic
from relevance.progress import Progress, silent

if TYPE_CHECKING:
    from PIL.Image import Image

PROVIDED = "provided"
_MANIFEST = "manifest.json"
_SCHEMA = {"pin_id": pl.String, "caption": pl.String, "problem": pl.String}


class Captioner(Protocol):
    """Puts pictures into words."""

    source: str
    identity: str

    def describe(self, pictures: Sequence[Image]) -> list[str]:
        """A text a picture, in their order; empty where there is nothing to say."""


CAPTIONERS: Mapping[str, Callable[..., Captioner]] = {"blip": Blip, "labels": Labels}
"""Captioners by name, beside `provided`, which makes none. Add one: a class here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionConfig:
    """How Pins get captions.

    Attributes:
        batch: Pictures that a model sees at once.
        shard_pins: Pins a shard; so many are done again at most after a kill.
        root: Folder that relative paths of pictures start at.
        hosts: Hosts that may be asked for pictures.
        replace: Caption Pins that have a caption, too.
    """

    batch: int = 16
    shard_pins: int = 256
    root: Path = Path()
    hosts: Collection[str] = ()
    replace: bool = False

    def __post_init__(self) -> None:
        if self.batch < 1 or self.shard_pins < 1:
            raise InputError(
                f"batch and shard_pins must be at least 1, got {self.batch} and {self.shard_pins}"
            )


def open_captioner(name: str, model: str | None, *, max_tokens: int = 30) -> Captioner | None:
    """The captioner of that name; None for `provided`, which keeps what the Pins have.

    Raises:
        InputError: There is none of that name, or it needs a model.
        ModelError: The model cannot be had.
    """
    if name == PROVIDED:
        return None
    if name not in CAPTIONERS:
        known = (PROVIDED, *CAPTIONERS)
        raise InputError(
            f"captioner {name!r} is unknown.{did_you_mean(name, known)} Use {', '.join(known)}"
        )
    if model is None:
        raise InputError(f"captioner {name} needs weights: --model FOLDER, or a name on a hub")
    return CAPTIONERS[name](model, max_tokens=max_tokens)


def caption_pins(
    pins: pl.DataFrame,
    work: Path,
    captioner: Captioner | None,
    *,
    config: CaptionConfig = CaptionConfig(),
    progress: Progress = silent,
) -> pl.DataFrame:
    """The Pins, in their order, with captions where there were none.

    Args:
        pins: Table `pins`, with `image`.
        work: Folder of shards; an interrupted job in it is continued.
        captioner: As `open_captioner` gives it; None keeps what is there.
        config: How.
        progress: Told of Pins done.

    Returns:
        The Pins with image_caption; caption_source (`provided`, `blip`, `labels`; null without a
        caption) and caption_problem (why there is none; null otherwise).

    Raises:
        InputError: `work` holds captions of other Pins or another captioner.
    """
    if "image_caption" not in pins.columns:
        pins = pins.with_columns(image_caption=pl.lit(None, dtype=pl.String))
    given = pl.col("image_caption").is_not_null() & (
        pl.col("image_caption").str.strip_chars() != ""
    )
    wanted = pins.clear() if captioner is None else pins
    if not config.replace:
        wanted = wanted.filter(~given)
    if "image" not in wanted.columns:
        wanted = wanted.with_columns(image=pl.lit(None, dtype=pl.String))
    made = pl.DataFrame(schema=_SCHEMA)
    if captioner is not None:
        made = _all_shards(wanted.select("pin_id", "image"), work, captioner, config, progress)
    source = captioner.source if captioner else PROVIDED
    joined = pins.join(made, on="pin_id", how="left", maintain_order="left")
    new = pl.col("caption").is_not_null()
    return joined.with_columns(
        image_caption=pl.when(new).then("caption").when(given).then("image_caption"),
        caption_source=pl.when(new).then(pl.lit(source)).when(given).then(pl.lit(PROVIDED)),
        caption_problem=pl.when(~given).then("problem"),
    ).drop("caption", "problem")


def _all_shards(
    wanted: pl.DataFrame,
    work: Path,
    captioner: Captioner,
    config: CaptionConfig,
    progress: Progress,
) -> pl.DataFrame:
    rows = wanted.sort("pin_id")
    _claim(work, rows, captioner, config)
    frames = [pl.DataFrame(schema=_SCHEMA)]
    for start in range(0, rows.height, config.shard_pins):
        part = rows[start : start + config.shard_pins]
        path = work / f"shard-{start // config.shard_pins:05d}.parquet"
        shard = _finished(path, part)
        if shard is None:
            shard = _captioned(part, captioner, config)
            with atomic(path) as temporary:
                shard.write_parquet(temporary)
        frames.append(shard)
        progress(start + part.height, rows.height, captioner.source)
    return pl.concat(frames)


def _claim(work: Path, rows: pl.DataFrame, captioner: Captioner, config: CaptionConfig) -> None:
    """Makes `work` the folder of this job, or finds that it is already."""
    facts = {
        "pins": hashlib.sha256(rows.write_csv().encode()).hexdigest(),
        "captioner": captioner.identity,
        "shard_pins": config.shard_pins,
    }
    path = work / _MANIFEST
    if path.exists():
        if json.loads(path.read_text()) != facts:
            raise InputError(
                f"{work} holds captions of other Pins, of another captioner or in other shards. "
                "Finish that job with its own arguments, or remove the folder"
            )
        return
    for left in work.glob("shard-*.parquet"):
        left.unlink()
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=1) + "\n")


def _finished(path: Path, part: pl.DataFrame) -> pl.DataFrame | None:
    """A shard that is whole; None for one that is missing or damaged."""
    try:
        shard = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError):
        return None
    return shard if shard.columns == [*_SCHEMA] and shard["pin_id"].equals(part["pin_id"]) else None


def _captioned(part: pl.DataFrame, captioner: Captioner, config: CaptionConfig) -> pl.DataFrame:
    rows: list[tuple[str, str | None, str | None]] = []
    for start in range(0, part.height, config.batch):
        batch = part[start : start + config.batch]
        pictures: dict[str, Image] = {}
        problems: dict[str, str] = {}
        for pin_id, address in batch.select("pin_id", "image").iter_rows():
            try:
                pictures[pin_id] = read_picture(address, root=config.root, hosts=config.hosts)
            except PictureError as error:
                problems[pin_id] = str(error)
        texts = captioner.describe(list(pictures.values())) if pictures else []
        said = dict(zip(pictures, texts, strict=True))
        for pin_id in batch["pin_id"]:
            text = said.get(pin_id) or None
            rows.append((pin_id, text, None if text else problems.get(pin_id, "nothing to say")))
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
