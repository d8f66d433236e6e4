"""A session log as an A/B test leaves it: users with heavy tails, two weeks before, two weeks in.

Rows stand in the order of time, as logs do, so that a user's sessions are spread over the file.
Written a day at a time, so that 10^8 and more rows fit in memory.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

SEED = 20261123
START = np.datetime64("2026-03-02", "us")
DAYS = 14
"""Days before the start, and days from it on."""

SESSIONS, USERS = 10_000_000, 1_000_000
_DAY = 86_400_000_000
_BLOCK = 2_000_000

Numbers = NDArray[np.float64]


def sessions(folder: Path, size: float, countries: tuple[str, ...]) -> None:
    """Writes `sessions`: 10^7 × `size` sessions of 10^6 × `size` users in 20 countries."""
    rng = np.random.default_rng(SEED)
    users = max(int(USERS * size), 400)
    weight = np.minimum(rng.lognormal(0.0, 1.0, users), 60)
    edges = np.cumsum(weight) / weight.sum()
    taste = rng.beta(3, 4, users).astype(np.float32)
    share = 1 / np.arange(1, len(countries) + 1)
    country = rng.choice(len(countries), users, p=share / share.sum()).astype(np.int8)
    treated = rng.random(users) < 0.5
    names = pl.Series(countries, dtype=pl.Categorical)
    wanted = max(int(SESSIONS * size), 4_000)
    writer, done = None, 0
    try:
        for day in range(-DAYS, DAYS):
            left = wanted * (day + DAYS + 1) // (2 * DAYS) - done
            for first in range(0, left, _BLOCK):
                n = min(_BLOCK, left - first)
                user = np.searchsorted(edges, rng.random(n)).clip(0, users - 1)
                offset = np.sort(rng.integers(0, _DAY, n)) * min(n / left, 1) + first / left * _DAY
                started = START + (day * _DAY + offset.astype(np.int64)).astype("timedelta64[us]")
                inside = day >= 0
                lift = 1 + 0.01 * (treated[user] & inside)
                frame = pl.DataFrame(
                    {
                        "session_id": np.arange(done, done + n),
                        "unit_id": user,
                        "variant": _variants(treated[user], inside=inside),
                        "country": names[country[user]],
                        "started_at": started,
                        "exposed_at": pl.Series(started)
                        if inside
                        else pl.Series([None] * n, dtype=pl.Datetime("us")),
                        "fulfilled": rng.random(n, dtype=np.float32) < taste[user] * lift,
                    }
                )
                done += n
                table = frame.to_arrow()
                if writer is None:
                    writer = pq.ParquetWriter(folder / "sessions.parquet", table.schema)
                writer.write_table(pa.table(table), row_group_size=500_000)
    finally:
        if writer is not None:
            writer.close()


def _variants(treated: NDArray[np.bool_], *, inside: bool) -> pl.Series:
    names = pl.Series(["control", "treatment"], dtype=pl.Categorical)
    if not inside:
        return pl.Series([None] * len(treated), dtype=pl.Categorical)
    return names[treated.astype(np.int8)]
