"""Named random streams: a stratum's draw depends on the seed and its own name, on nothing else."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, name: str) -> np.random.Generator:
    """The random stream of a named part of a draw; parts do not disturb each other."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
