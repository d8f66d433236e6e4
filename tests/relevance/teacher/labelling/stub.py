"""A teacher without weights: logits are a hash of the texts, so every row can be foretold."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import relevance.teacher.labelling.job as job
import relevance.teacher.labelling.precision as precision
import relevance.teacher.labelling.pricing as pricing
from relevance.teacher.encode import Encoded

FEATURES = ("title", "description")


def foretold(query: str, pin: str) -> np.ndarray:
    """Logits of a pair of texts."""
    digest = hashlib.blake2b(f"{query}\0{pin}".encode(), digest_size=20).digest()
    return np.frombuffer(digest, dtype=np.uint32).astype(np.float64) / 2**30


class StubEncoder:
    def encode(self, queries, pins):
        pairs = zip(queries, pins, strict=True)
        return [Encoded(tuple(f"{q}\0{p}".encode()), len(q)) for q, p in pairs]


class StubEngine:
    """Exact; slow by `seconds` a pair; off by `noise` (a function of the logits)."""

    def __init__(self, name="torch", precision="fp32", seconds=0.0, noise=None):
        self.name, self.precision = name, precision
        self.seconds, self.noise = seconds, noise
        self.scored = []

    def logits(self, pairs, *, batch_tokens=None, progress=lambda *_: None):
        found = np.zeros((len(pairs), 5))
        for row, pair in enumerate(pairs):
            text = bytes(pair.ids).decode()
            query, _, pin = text.partition("\0")
            found[row] = foretold(query, pin)
            self.scored.append(text)
            if self.seconds:
                time.sleep(self.seconds)
            progress(row + 1, len(pairs))
        return found if self.noise is None else self.noise(found)


def stub_teacher(temperature=1.0):
    settings = SimpleNamespace(temperature=temperature, text_features=FEATURES)
    return SimpleNamespace(model=None, encoder=StubEncoder(), settings=settings)


def write_model(folder: Path) -> Path:
    """A folder that looks like a teacher's to everything but what loads it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    settings = {"base": "stub", "max_tokens": 64, "text_features": FEATURES, "history": []}
    settings["format"] = 1
    (folder / "gradewise.json").write_text(json.dumps(settings))
    return folder


def install(patch, engine=None) -> StubEngine:
    """Puts the stub where jobs load teachers and open engines; `patch(module, name, value)`."""
    one = engine or StubEngine()
    for module in (job, precision, pricing):
        if hasattr(module, "load_teacher"):
            patch(module, "load_teacher", lambda folder, **_: stub_teacher())
        if hasattr(module, "open_engine"):
            patch(module, "open_engine", lambda name, teacher, **_: one)
    return one
