"""Synthetic graders: people with a severity, a noise and a pace of their own.

A grader sees the true grade's place on a line, shifted by severity and blurred by noise (more on
hard pairs), and cuts the line at 1.5, 2.5, 3.5 and 4.5. The grades 2, 3 and 4 lie closer together
on the line than 1 and 5, so that confusions gather at the borders 2/3 and 3/4. Now and then anybody
slips and hits any key.

All of a judgment's chance comes from a hash of (seed, query, Pin, grader): it does not depend on
which other pairs are graded, in which order or when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from relevance.errors import InputError

PLACES = (0.3, 2.1, 3.0, 3.9, 5.7)
"""Where the true grades 1-5 lie on the line."""

BORDERS = (1.5, 2.5, 3.5, 4.5)
"""Where the line is cut into grades."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grader:
    """A synthetic grader.

    Attributes:
        name: Pseudonym, as in the column `annotator`.
        languages: Languages that the grader reads, BCP 47.
        severity: How much lower than true the grader sees a Pin, in grades; negative = lenient.
        noise: Standard deviation of the blur on a pair of usual difficulty, in grades.
        seconds: Median time for a pair.
        abstains: Probability of "cannot judge".
        slips: Probability of a grade given at random (a wrong key, a misread query).
    """

    name: str
    languages: tuple[str, ...]
    severity: float
    noise: float
    seconds: float
    abstains: float
    slips: float = 0.0


GRADERS: tuple[Grader, ...] = tuple(
    Grader(
        name=name,
        languages=languages,
        severity=severity,
        noise=noise,
        seconds=pace,
        abstains=skip,
        slips=slips,
    )
    for name, languages, severity, noise, pace, skip, slips in (
        ("heron", ("en",), 0.10, 0.50, 14.0, 0.004, 0.03),
        ("kestrel", ("en", "es"), -0.20, 0.65, 9.0, 0.010, 0.06),
        ("wren", ("en", "fr"), 0.25, 0.55, 17.0, 0.006, 0.03),
        ("plover", ("en",), -0.05, 0.75, 6.5, 0.002, 0.10),
        ("mesange", ("fr",), -0.15, 0.55, 15.0, 0.008, 0.04),
        ("loriot", ("fr",), 0.15, 0.70, 10.0, 0.004, 0.08),
        ("colibri", ("es",), -0.25, 0.60, 11.0, 0.005, 0.06),
        ("cenzontle", ("es",), 0.10, 0.55, 13.0, 0.007, 0.05),
        ("tsubame", ("ja",), 0.30, 0.50, 18.0, 0.010, 0.03),
        ("suzume", ("ja",), 0.05, 0.65, 12.0, 0.004, 0.06),
        ("uguisu", ("ja", "en"), -0.10, 0.65, 10.0, 0.008, 0.07),
    )
)
"""The graders of the world; at least three read each language."""

_COMMENTS = (
    "",
    "right subject, wrong style",
    "not sure about the occasion",
    "picture and text disagree",
    "border between two grades",
)


def simulate(
    pairs: pl.DataFrame,
    graders: Sequence[Grader] = GRADERS,
    *,
    n_graders: int = 3,
    seed: int = 0,
) -> pl.DataFrame:
    """Judgments of pairs, each by `n_graders` people who read the query's language.

    Args:
        pairs: query_id, pin_id, grade (true) and language (of the query).
        graders: Who is there.
        n_graders: Judgments a pair.
        seed: Seed of the graders' chance.

    Returns:
        query_id, pin_id, annotator, grade (null = cannot judge), flag, comment, seconds; in key
        order. Who grades a pair, and how, depends on the seed and the pair alone.

    Raises:
        InputError: Fewer than `n_graders` read the language of a pair.
    """
    drawn = _assign(pairs, graders, n_graders, seed)
    by_name = {grader.name: grader for grader in graders}
    people = [by_name[name] for name in drawn["annotator"]]
    chance = _chance(drawn, seed)
    severity = np.array([person.severity for person in people])
    noise = np.array([person.noise for person in people]) * _difficulty(drawn, seed)
    truth = drawn["grade"].to_numpy()
    seen = np.array(PLACES)[truth - 1] - severity + noise * _normal(chance[:, 0], chance[:, 1])
    slips = chance[:, 7] < np.array([person.slips for person in people])
    meant = np.searchsorted(np.array(BORDERS), seen) + 1
    grades = np.where(slips, np.floor(chance[:, 8] * 5).astype(np.int64) + 1, meant)
    abstains = chance[:, 2] < np.array([person.abstains for person in people])
    pace = np.array([person.seconds for person in people])
    # Pairs near a border take longer: people waver.
    near = 1 + 0.6 * np.exp(-4 * np.abs(seen[:, None] - np.array(BORDERS)).min(axis=1))
    seconds = pace * near * np.exp(0.45 * _normal(chance[:, 3], chance[:, 4]))
    comment = np.where(chance[:, 5] < 0.03, np.floor(chance[:, 6] * 4).astype(int) + 1, 0)
    return drawn.select("query_id", "pin_id", "annotator").with_columns(
        pl.Series("grade", np.where(abstains, 0, grades)).cast(pl.Int64).replace(0, None),
        pl.Series("flag", np.where(abstains, "cannot_judge", "")).replace("", None),
        pl.Series("comment", [_COMMENTS[place] or None for place in comment], dtype=pl.String),
        pl.Series("seconds", np.round(seconds, 1)),
    )


def _assign(
    pairs: pl.DataFrame, graders: Sequence[Grader], n_graders: int, seed: int
) -> pl.DataFrame:
    """One row for each judgment to make."""
    readers = {
        language: [grader.name for grader in graders if language in grader.languages]
        for language in pairs["language"].unique(maintain_order=True)
    }
    for language, names in readers.items():
        if len(names) < n_graders:
            raise InputError(
                f"{n_graders} graders a pair were asked for, but {len(names)} read {language!r}. "
                "Ask for fewer, or give more graders"
            )
    rows: list[tuple[str, str, int, str]] = []
    for query_id, pin_id, grade, language in pairs.select(
        "query_id", "pin_id", "grade", "language"
    ).iter_rows():
        names = _in_turn(readers[language], f"{seed}|{query_id}|{pin_id}")
        rows.extend((query_id, pin_id, grade, name) for name in names[:n_graders])
    schema = {"query_id": pl.String, "pin_id": pl.String, "grade": pl.Int64, "annotator": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("query_id", "pin_id", "annotator")


def _in_turn(names: Sequence[str], pair: str) -> list[str]:
    """The names in an order that the pair draws by lot."""
    return sorted(names, key=lambda name: hashlib.blake2b(f"{pair}|{name}|turn".encode()).digest())


def _chance(drawn: pl.DataFrame, seed: int) -> Floats:
    """Nine uniform numbers a judgment, shape (judgments, 9)."""
    keys = drawn.select("query_id", "pin_id", "annotator").iter_rows()
    return _uniforms((f"{seed}|{q}|{p}|{annotator}" for q, p, annotator in keys), 9)


def _difficulty(drawn: pl.DataFrame, seed: int) -> Floats:
    """Factor of the noise, 0.6-1.4, the same for everybody who grades the pair."""
    keys = drawn.select("query_id", "pin_id").iter_rows()
    return 0.6 + 0.8 * _uniforms((f"{seed}|{q}|{p}|difficulty" for q, p in keys), 1)[:, 0]


def _uniforms(keys: Iterable[str], number: int) -> Floats:
    """Numbers in (0, 1) from a hash of each key, shape (keys, number)."""
    size = 4 * number
    digests = b"".join(hashlib.blake2b(key.encode(), digest_size=size).digest() for key in keys)
    return (np.frombuffer(digests, dtype="<u4").reshape(-1, number) + 0.5) / 2.0**32


def _normal(one: Floats, other: Floats) -> Floats:
    """Standard normal numbers from pairs of uniform ones (Box and Muller 1958)."""
    return np.asarray(np.sqrt(-2 * np.log(one)) * np.cos(2 * np.pi * other))
