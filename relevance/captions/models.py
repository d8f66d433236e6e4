"""Models that put pictures into words: BLIP, and classifiers as a weak stand-in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relevance.errors import ModelError, require_extra
from relevance.files import hash_file

if TYPE_CHECKING:
    from PIL.Image import Image

_LABELS = 3
_LEAST = 0.1
"""Probability below which a class is not worth naming."""


class Blip:
    """Captions by BLIP (Li et al. 2022, arXiv 2201.12086), greedy, so that they can be repeated.

    Args:
        model: Folder, or name on the model hub (`Salesforce/blip-image-captioning-base`).
        max_tokens: Longest caption.

    Raises:
        ModelError: It cannot be had, is damaged or is no captioner.
        MissingExtraError: transformers or Pillow is not installed.
    """

    source = "blip"

    def __init__(self, model: str, *, max_tokens: int = 30) -> None:
        self.identity = f"blip {_identity(model)} {max_tokens}"
        self._max_tokens = max_tokens
        self._processor, self._model = _load(model, "AutoModelForImageTextToText", "AutoProcessor")

    def describe(self, pictures: Sequence[Image]) -> list[str]:
        """A caption a picture, in their order; it depends on nothing but the picture."""
        import torch

        with torch.inference_mode():
            inputs = self._processor(images=list(pictures), return_tensors="pt")
            ids = self._model.generate(
                **inputs, max_new_tokens=self._max_tokens, num_beams=1, do_sample=False
            )
        texts: list[str] = self._processor.batch_decode(ids, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]


class Labels:
    """Names of a classifier's likeliest classes: no captions, and never called so.

    Args:
        model: Folder, or name on the model hub, of any image classifier.
        max_tokens: Not used; a caption's length is that of its three names.

    Raises:
        ModelError: It cannot be had, is damaged or is no classifier.
        MissingExtraError: transformers or Pillow is not installed.
    """

    source = "labels"

    def __init__(self, model: str, *, max_tokens: int = 30) -> None:  # noqa: ARG002
        self.identity = f"labels {_identity(model)}"
        self._processor, self._model = _load(
            model, "AutoModelForImageClassification", "AutoImageProcessor"
        )

    def describe(self, pictures: Sequence[Image]) -> list[str]:
        """Up to three names a picture, the likeliest first; empty where none is likely."""
        import torch

        with torch.inference_mode():
            inputs = self._processor(images=list(pictures), return_tensors="pt")
            likely = self._model(**inputs).logits.float().softmax(-1)
        names = self._model.config.id2label
        top = likely.topk(min(_LABELS, likely.shape[1]))
        return [
            ", ".join(str(names[at]) for at, p in zip(row, ps, strict=True) if p >= _LEAST)
            for row, ps in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ]


def use_threads(count: int | None) -> None:
    """Has torch use `count` threads from here on; None leaves it as it is."""
    import torch

    if count is not None:
        torch.set_num_threads(count)


def _load(name: str, model_class: str, processor_class: str) -> tuple[Any, Any]:
    for module in ("torch", "transformers", "PIL"):
        require_extra(module, "captions")
    import transformers

    try:
        processor = getattr(transformers, processor_class).from_pretrained(name)
        # Pickles run code when they are read.
        model = getattr(transformers, model_class).from_pretrained(name, use_safetensors=True)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"no model for pictures can be read from {name!r} ({reason}). Give --model a folder "
            "with config.json and model.safetensors, or a name on a model hub that answers here"
        ) from error
    return processor, model.eval()


def _identity(model: str) -> str:
    """What names the weights: a hash of a folder's files, else the name."""
    folder = Path(model)
    if not folder.is_dir():
        return model
    hashes = [f"{path.name} {hash_file(path)}" for path in sorted(folder.glob("*.*"))]
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
