"""Captions by a real (tiny, random) BLIP: one row a Pin, whatever its picture."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from app.cli import app
from relevance.captions import CaptionConfig, caption_pins, job, open_captioner, pictures
from relevance.captions.models import Blip, Labels
from relevance.captions.pictures import PictureError, read_picture
from relevance.errors import InputError, ModelError


def _png(seed: int, size: int = 40) -> bytes:
    picture = Image.effect_noise((size, size), 20 + 10 * seed).convert("RGB")
    out = io.BytesIO()
    Image.blend(picture, Image.new("RGB", picture.size, (40 * seed % 255, 90, 30)), 0.6).save(
        out, "PNG"
    )
    return out.getvalue()


@pytest.fixture(scope="module")
def captioner(blip: Path) -> Blip:
    return Blip(str(blip), max_tokens=5)


@pytest.fixture
def pins(tmp_path: Path) -> pl.DataFrame:
    for seed in range(6):
        (tmp_path / f"{seed}.png").write_bytes(_png(seed))
    (tmp_path / "torn.png").write_bytes(_png(1)[:60])
    (tmp_path / "text.png").write_text("no picture at all")
    inline = "data:image/png;base64," + base64.b64encode(_png(2)).decode()
    images = [
        *(f"{seed}.png" for seed in range(6)),
        *("torn.png", "text.png", "nowhere.png", None, inline, "https://example.org/a.png"),
    ]
    ids = [f"p{number:02d}" for number in range(len(images))]
    given = [None] * 5 + ["a desk by a window"] + [None] * 6
    return pl.DataFrame({"pin_id": ids, "image": images, "image_caption": given})


def _config(folder: Path, **options: Any) -> CaptionConfig:
    return CaptionConfig(**{"root": folder, "batch": 2, "shard_pins": 3, **options})


def test_every_pin_has_one_row_and_says_where_its_caption_is_from(
    pins: pl.DataFrame, captioner: Blip, tmp_path: Path
) -> None:
    made = caption_pins(pins, tmp_path / "work", captioner, config=_config(tmp_path))
    assert made["pin_id"].equals(pins["pin_id"])
    rows = {row["pin_id"]: row for row in made.iter_rows(named=True)}
    assert rows["p00"]["caption_source"] == rows["p10"]["caption_source"] == "blip"
    assert rows["p00"]["image_caption"]
    assert rows["p05"]["image_caption"] == "a desk by a window"
    assert (rows["p05"]["caption_source"], rows["p05"]["caption_problem"]) == ("provided", None)
    problems = {pin: row["caption_problem"] for pin, row in rows.items() if row["caption_problem"]}
    assert problems == {
        "p06": "not a picture",
        "p07": "not a picture",
        "p08": "missing",
        "p09": "no picture",
        "p11": "host not allowed",
    }
    replaced = caption_pins(
        pins, tmp_path / "again", captioner, config=_config(tmp_path, replace=True)
    )
    assert replaced.filter(pin_id="p05")["caption_source"].item() == "blip"


def test_batches_change_nothing(pins: pl.DataFrame, captioner: Blip, tmp_path: Path) -> None:
    one = caption_pins(pins, tmp_path / "a", captioner, config=_config(tmp_path, batch=1))
    many = caption_pins(pins[::-1], tmp_path / "b", captioner, config=_config(tmp_path, batch=9))
    assert one.equals(many.sort("pin_id"))


def test_killed_it_goes_on_with_the_next_shard(
    pins: pl.DataFrame, captioner: Blip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = caption_pins(pins, tmp_path / "whole", captioner, config=_config(tmp_path))
    real, seen = job.read_picture, []

    def dies(address: str | None, **options: Any) -> Any:
        seen.append(address)
        if len(seen) == 8:
            raise KeyboardInterrupt
        return real(address, **options)

    monkeypatch.setattr(job, "read_picture", dies)
    work = tmp_path / "work"
    with pytest.raises(KeyboardInterrupt):
        caption_pins(pins, work, captioner, config=_config(tmp_path))
    assert len(list(work.glob("shard-*.parquet"))) == 2
    (work / "shard-00001.parquet").write_bytes(b"torn")
    assert caption_pins(pins, work, captioner, config=_config(tmp_path)).equals(whole)
    assert len(seen) == 8 + 8  # of eleven, three were done
    with pytest.raises(InputError, match="holds captions of other Pins"):
        caption_pins(pins.head(3), work, captioner, config=_config(tmp_path))


def test_bombs_and_huge_files_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(_png(0))
    monkeypatch.setattr(pictures, "LARGEST_PIXELS", 100)
    with pytest.raises(PictureError, match="too large"):
        read_picture("a.png", root=tmp_path)
    monkeypatch.setattr(pictures, "LARGEST_BYTES", 10)
    with pytest.raises(PictureError, match="too large"):
        read_picture("a.png", root=tmp_path)
    with pytest.raises(PictureError, match="not a picture"):
        read_picture("data:image/png;base64,###", root=tmp_path)


def test_no_model_no_captions(tmp_path: Path) -> None:
    assert open_captioner("provided", None) is None
    with pytest.raises(InputError, match=r"captioner 'blp' is unknown. Did you mean 'blip'"):
        open_captioner("blp", None)
    with pytest.raises(InputError, match="captioner blip needs weights: --model"):
        open_captioner("blip", None)
    with pytest.raises(ModelError, match="no model for pictures can be read from"):
        open_captioner("blip", str(tmp_path))
    with pytest.raises(InputError, match="at least 1"):
        CaptionConfig(batch=0)


def test_class_names_are_called_labels(tmp_path: Path) -> None:
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    names = {0: "desk", 1: "lamp", 2: "sofa"}
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = ViTConfig(
        image_size=32, patch_size=8, intermediate_size=16, id2label=names, num_labels=3, **sizes
    )
    torch.manual_seed(0)
    ViTForImageClassification(config).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    labels = Labels(str(tmp_path))
    assert labels.source == "labels"
    (text,) = labels.describe([Image.new("RGB", (40, 40), (200, 30, 30))])
    assert set(text.split(", ")) <= set(names.values())


def test_the_command_captions_and_keeps_what_is_there(
    pins: pl.DataFrame, blip: Path, tmp_path: Path
) -> None:
    pins.write_parquet(tmp_path / "pins.parquet")
    out = tmp_path / "captioned.parquet"
    words = ["data", "captions", "--pins", str(tmp_path / "pins.parquet"), "--out", str(out)]
    done = CliRunner().invoke(
        app,
        [*words, "--captioner", "blip", "--model", str(blip), "--threads", "1"],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    assert "host not allowed" in done.output
    made = pl.read_parquet(out)
    assert made["caption_source"].value_counts().sort("caption_source").rows() == [
        (None, 5),
        ("blip", 6),
        ("provided", 1),
    ]
    assert not (tmp_path / "captioned-captions").exists()
    kept = CliRunner().invoke(app, [*words, "--overwrite"], catch_exceptions=False)
    assert kept.exit_code == 0
    assert pl.read_parquet(out)["image_caption"].null_count() == 11
