"""Captions of the Pins' pictures: made, kept apart from weaker words, and made wrong on purpose.

`caption_pins` writes them in resumable shards with a captioner of `CAPTIONERS`; `perturb` makes a
share of them wrong, to see how far such errors propagate. Nothing here imports torch before a
captioner that needs it is opened.
"""

from __future__ import annotations

from relevance.captions.job import (
    CAPTIONERS,
    PROVIDED,
    CaptionConfig,
    Captioner,
    caption_pins,
    open_captioner,
)
from relevance.captions.noise import KINDS, perturb

__all__ = [
    "CAPTIONERS",
    "KINDS",
    "PROVIDED",
    "CaptionConfig",
    "Captioner",
    "caption_pins",
    "open_captioner",
    "perturb",
]
