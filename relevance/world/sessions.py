"""An A/B test of the candidate ranking: session log and its true lift.

Every user has an own rate of sessions (heavy-tailed) and an own probability that a session is
fulfilled (logit-normal around the country's). The treatment adds a constant of the country to the
logit, in sessions that are exposed. Users are randomised one by one with probability ½.

The true lift is that of the very users and sessions in the log: over all sessions from each user's
first exposure on, Σ P(fulfilled | treatment) ÷ Σ P(fulfilled | control) - 1. It is exact: it
depends neither on the variants nor on the outcomes drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.world.config import WorldConfig, stream

EXPERIMENT = "candidate-ranking"
START = datetime(2025, 3, 3)

BASE_RATE: Mapping[str, float] = MappingProxyType({"US": 0.52, "FR": 0.48, "MX": 0.55, "JP": 0.45})
"""Fulfillment rate of the median user."""

EFFECT: Mapping[str, float] = MappingProxyType({"US": 0.055, "FR": 0.05, "MX": 0.06, "JP": 0.012})
"""What the treatment adds to the logit."""

_USER_SPREAD = 0.6
_TAIL = 0.9
_NEW_USERS = 0.2
_EXPOSED = 0.94
Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def make_sessions(config: WorldConfig) -> tuple[pl.DataFrame, dict[str, float]]:
    """The table `sessions`, and the true relative lift of each country and of `all`."""
    frames, totals, lifts = [], np.zeros(2), {}
    for country, number in config.shares(config.users).items():
        frame, (control, treatment) = _country(config, country, number)
        frames.append(frame)
        lifts[country] = float(treatment / control - 1)
        totals += (control, treatment)
    lifts["all"] = float(totals[1] / totals[0] - 1)
    frame = pl.concat(frames).sort("started_at", "unit_id")
    numbered = pl.format("s-{}", pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(7))
    return frame.with_columns(numbered.alias("session_id")).select(_COLUMNS), lifts


_COLUMNS = (
    "experiment",
    "session_id",
    "unit_id",
    "variant",
    "country",
    "started_at",
    "exposed_at",
    "fulfilled",
)


def _country(
    config: WorldConfig, country: str, users: int
) -> tuple[pl.DataFrame, tuple[float, float]]:
    rng = stream(config.seed, f"sessions/{country}")
    rate = config.sessions_per_user * rng.lognormal(-(_TAIL**2) / 2, _TAIL, users)
    base = BASE_RATE[country]
    logit = np.log(base / (1 - base)) + _USER_SPREAD * rng.standard_normal(users)
    treated = rng.random(users) < 0.5
    inside = 1 + rng.poisson(np.maximum(rate - 1, 0.05))
    old = rng.random(users) >= _NEW_USERS
    before = rng.poisson(rate * config.pre_period_days / config.experiment_days) * old
    log = _log(config, rng, inside, before)
    user, seconds, exposed = log
    plain = _probability(logit[user])
    helped = np.where(exposed, _probability(logit[user] + EFFECT[country]), plain)
    first = np.full(users, np.inf)
    np.minimum.at(first, user[exposed], seconds[exposed])
    counted = (seconds >= first[user]) & (seconds >= 0)
    fulfilled = rng.random(user.size) < np.where(treated[user], helped, plain)
    truth = (float(plain[counted].sum()), float(helped[counted].sum()))
    return _frame(country, log, treated, fulfilled, rng), truth


def _log(
    config: WorldConfig, rng: np.random.Generator, inside: Counts, before: Counts
) -> tuple[NDArray[np.int64], Floats, NDArray[np.bool_]]:
    """User, start (seconds from the experiment's start) and exposure of every session."""
    users = np.arange(inside.size)
    user = np.concatenate([np.repeat(users, inside), np.repeat(users, before)])
    n_inside, n_before = int(inside.sum()), int(before.sum())
    day = 86_400.0
    seconds = np.concatenate(
        [
            rng.random(n_inside) * config.experiment_days * day,
            -rng.random(n_before) * config.pre_period_days * day - 1,
        ]
    )
    exposed = (rng.random(user.size) < _EXPOSED) & (seconds >= 0)
    return user, np.floor(seconds), exposed


def _probability(logit: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logit)))


def _frame(
    country: str,
    log: tuple[NDArray[np.int64], Floats, NDArray[np.bool_]],
    treated: NDArray[np.bool_],
    fulfilled: NDArray[np.bool_],
    rng: np.random.Generator,
) -> pl.DataFrame:
    user, seconds, exposed = log
    start = np.datetime64(START, "us")
    started = start + (seconds * 1_000_000).astype("timedelta64[us]")
    delay = rng.integers(1, 20, user.size) * np.timedelta64(1_000_000, "us")
    number = pl.Series("unit_id", user + 1).cast(pl.String).str.zfill(6)
    frame = pl.DataFrame(
        {
            "unit_id": number,
            "treated": treated[user],
            "inside": seconds >= 0,
            "exposed": exposed,
            "started_at": started,
            "exposed_at": started + delay,
            "fulfilled": fulfilled.astype(np.float64),
        }
    )
    variant = pl.when("treated").then(pl.lit("treatment")).otherwise(pl.lit("control"))
    return frame.with_columns(
        pl.lit(EXPERIMENT).alias("experiment"),
        pl.lit(country).alias("country"),
        pl.format(f"{country.lower()}-{{}}", "unit_id").alias("unit_id"),
        pl.when("inside").then(variant).alias("variant"),
        pl.when("exposed").then("exposed_at").alias("exposed_at"),
    )
