"""sentence-transformers labels the same pairs; transformers' Trainer tunes the same weights."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.teacher_data import SEED

IMPORTS = {
    "label": ("sentence_transformers.cross_encoder", "transformers.models.bert.modeling_bert"),
    "label_bf16": ("sentence_transformers.cross_encoder", "transformers.models.bert.modeling_bert"),
    "fine_tune": ("transformers.trainer", "transformers.models.bert.modeling_bert"),
}
_FOLDER = "cross-encoder"


def prepare(function: str, files: Mapping[str, Path]) -> None:
    """Makes the folder that a CrossEncoder reads: the same encoder, the head of its kind."""
    if function == "fine_tune":
        _weights("multilingual-e5-small")
        return
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    out = files["pairs"].parent / _FOLDER
    if not (out / "tokenizer_config.json").exists():
        torch.manual_seed(SEED)
        source = _weights("all-MiniLM-L6-v2")
        model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=5)
        model.save_pretrained(out)
        AutoTokenizer.from_pretrained(source).save_pretrained(out)


def finish() -> None:
    """Nothing was started."""


def work(function: str, files: Mapping[str, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """The same files to a file of probabilities, or to trained weights."""
    out = Path(tempfile.mkdtemp(prefix="peer-"))
    try:
        if function == "fine_tune":
            done = _fine_tune(files, out)
        else:
            done = _label(files, out, bf16=function == "label_bf16")
    finally:
        shutil.rmtree(out)
    print(done)
    return {"pairs": done}, {}


def _label(files: Mapping[str, Path], out: Path, *, bf16: bool) -> float:
    import torch
    from sentence_transformers import CrossEncoder

    rows = _joined(files, "pairs")
    options = {"dtype": torch.bfloat16} if bf16 else {}
    model = CrossEncoder(
        str(files["pairs"].parent / _FOLDER), device="cpu", max_length=256, model_kwargs=options
    )
    pairs = list(zip(rows["text"], rows["description"], strict=True))
    found = model.predict(pairs, apply_softmax=True, show_progress_bar=False)
    columns = {f"p{at + 1}": found[:, at].astype(float) for at in range(5)}
    rows.select("query_id", "pin_id").with_columns(**columns).write_parquet(out / "p.parquet")
    return float(rows.height)


def _fine_tune(files: Mapping[str, Path], out: Path) -> float:
    from transformers import (
        AutoModelForSequenceClassification,
        DataCollatorWithPadding,
        PreTrainedTokenizerFast,
        Trainer,
        TrainingArguments,
    )

    source = _weights("multilingual-e5-small")
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_file=str(source / "tokenizer.json"),
        pad_token="<pad>",  # noqa: S106 - no password
    )
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=5)
    rows = _joined(files, "qrels")
    encoded = tokenizer(
        rows["text"].to_list(), rows["description"].to_list(), truncation=True, max_length=128
    )
    examples: list[dict[str, Any]] = [
        {"input_ids": ids, "attention_mask": mask, "labels": grade - 1}
        for ids, mask, grade in zip(
            encoded["input_ids"], encoded["attention_mask"], rows["grade"], strict=True
        )
    ]
    arguments = TrainingArguments(
        output_dir=str(out),
        use_cpu=True,
        num_train_epochs=1,
        per_device_train_batch_size=16,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=examples,
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    trainer.train()
    trainer.save_model(str(out / "m"))
    return float(rows.height)


def _joined(files: Mapping[str, Path], table: str) -> pl.DataFrame:
    rows = pl.read_parquet(files[table])
    return rows.join(pl.read_parquet(files["queries"]), on="query_id", maintain_order="left").join(
        pl.read_parquet(files["pins"]), on="pin_id", maintain_order="left"
    )


def _weights(name: str) -> Path:
    from relevance.teacher.bases import find_base
    from relevance.teacher.weights import prepare_weights

    return prepare_weights(find_base(name)).folder
