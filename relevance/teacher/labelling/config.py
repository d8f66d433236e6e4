"""How a labelling job is done."""

from __future__ import annotations

from dataclasses import dataclass

MANIFEST = "manifest.json"
"""What a folder of labels says of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """How pairs are labelled.

    Attributes:
        shard_pairs: Pairs a shard on average; None for what suits the job (4,096 or more). A killed
            job loses the shard at hand.
        batch_tokens: Tokens of a batch, padding included; None for what suits the engine.
        engine: Name of an engine; see `relevance.teacher.engines`.
        precision: `"auto"` (what the engine is fastest in here), `"bf16"`, `"int8"` or `"fp32"`.
            Whatever is asked, a sample of the job's pairs must come out close to fp32, else the job
            is done in fp32.
        device: `"auto"` (a GPU where there is one), `"cpu"` or `"cuda"`.
        threads: Threads of the engine; None for every core.
        name: What `model` says in the predictions; empty for the model folder's name.
    """

    shard_pairs: int | None = None
    batch_tokens: int | None = None
    engine: str = "torch"
    precision: str = "auto"
    device: str = "auto"
    threads: int | None = None
    name: str = ""


DEFAULTS = LabelConfig()
"""As nobody says otherwise."""
