"""How large the built-in world is, and its seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from relevance.errors import InputError, did_you_mean

LANGUAGES: Mapping[str, str] = MappingProxyType({"US": "en", "FR": "fr", "MX": "es", "JP": "ja"})
"""The countries that the world can have, with the language of their people."""

_QUERIES = MappingProxyType({"US": 150, "FR": 90, "MX": 90, "JP": 90})


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldConfig:
    """Sizes of a world; every figure in it follows from these and the seed.

    Attributes:
        seed: The same seed gives the same world, byte for byte.
        queries: Number of queries of each country (keys of `LANGUAGES`).
        pins: Number of Pins in all, divided among the countries like their queries.
        candidates: Pins in the pool of each query.
        users: People in the A/B test, among the countries like their queries.
        sessions_per_user: Mean number of search sessions of a user within the experiment.
        experiment_days: Length of the experiment.
        pre_period_days: Length of the log before it.
        dimensions: Length of every embedding.
    """

    seed: int = 0
    queries: Mapping[str, int] = field(default_factory=lambda: dict(_QUERIES))
    pins: int = 4000
    candidates: int = 30
    users: int = 30_000
    sessions_per_user: float = 8.0
    experiment_days: int = 14
    pre_period_days: int = 28
    dimensions: int = 64

    def __post_init__(self) -> None:
        for country in self.queries:
            if country not in LANGUAGES:
                raise InputError(
                    f"the world has no country {country!r}.{did_you_mean(country, LANGUAGES)} "
                    f"Use {', '.join(LANGUAGES)}"
                )
        if not self.queries or min(self.queries.values()) < 1:
            raise InputError("a world needs at least one country with at least one query")
        if self.candidates < 5 or self.pins < 8 * self.candidates:
            raise InputError(
                f"a world needs at least 5 candidates a query and 8 times as many Pins, "
                f"got {self.candidates} and {self.pins}"
            )
        if self.users < 20 * len(self.queries) or self.sessions_per_user < 1:
            raise InputError("a world needs at least 20 users a country and 1 session a user")

    def shares(self, total: int) -> dict[str, int]:
        """Divides `total` among the countries like their queries (sums to `total` exactly)."""
        counts = np.array(list(self.queries.values()), dtype=np.float64)
        edges = np.rint(np.cumsum(counts) / counts.sum() * total).astype(int)
        parts = np.diff(edges, prepend=0)
        return {country: int(part) for country, part in zip(self.queries, parts, strict=True)}


def tiny(seed: int = 0) -> WorldConfig:
    """A world that is built in well under a second: for tests."""
    return WorldConfig(
        seed=seed,
        queries={"US": 12, "FR": 8, "MX": 8, "JP": 8},
        pins=360,
        candidates=20,
        users=400,
        sessions_per_user=5.0,
    )


def stream(seed: int, part: str) -> np.random.Generator:
    """The random stream of a named part of the world; parts do not disturb each other."""
    digest = hashlib.blake2b(f"{seed}/{part}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))
