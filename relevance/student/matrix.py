"""Features → normalised input matrices; the statistics are fitted on training pairs once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relevance.errors import ModelError
from relevance.features import SIDES, STUDENT_FEATURES, Context, Feature, Floats, Side

RATE_PRIOR_IMPRESSIONS = 20.0
"""A rate is shrunk to the average as if it had been shown this many times more."""

_CLIP = 5.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """The statistics of one feature over the training pairs.

    Attributes:
        name: The feature.
        prior: Rates: the average rate, to which single ones are shrunk.
        mean: Numbers and rates: mean of the values that are there.
        scale: 1 / standard deviation; 0 where the values do not vary.
        missing_mean: Share of missing values.
        missing_scale: 1 / standard deviation of being missing; 0 where that does not vary.
        vocabulary: Categories: the values of the codes 1, 2, …; code 0 is everything else.
        size: Vectors: their dimensions; 0 where there are none.
    """

    name: str
    prior: float = 0.0
    mean: float = 0.0
    scale: float = 0.0
    missing_mean: float = 0.0
    missing_scale: float = 0.0
    vocabulary: tuple[str, ...] = ()
    size: int = 0

    @property
    def feature(self) -> Feature:
        """Its entry in the registry."""
        return STUDENT_FEATURES[self.name]

    @property
    def width(self) -> int:
        """How many columns of its side's number matrix it takes, the one for missing included."""
        if self.feature.kind == "category" or (self.feature.kind == "vector" and not self.size):
            return 0
        return max(self.size, 1) + 1


@dataclass(frozen=True, slots=True)
class Matrices:
    """The input of a set of pairs.

    Attributes:
        numbers: Side → (n, width) float32; the rows of query and pin are distinct queries and Pins.
        categories: Side → (n, n_categories) codes, 0 = unknown.
        query_rows: (n_pairs,) row of each pair's query.
        pin_rows: (n_pairs,) row of each pair's Pin.
    """

    numbers: Mapping[Side, Floats]
    categories: Mapping[Side, NDArray[np.int64]]
    query_rows: NDArray[np.int64]
    pin_rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FeatureStatistics:
    """The fitted features, in the order of the registry."""

    features: tuple[Fitted, ...]

    def of(self, side: Side) -> list[Fitted]:
        """Those of one side."""
        return [fitted for fitted in self.features if fitted.feature.side == side]

    def width(self, side: Side) -> int:
        """Columns of a side's number matrix."""
        return sum(fitted.width for fitted in self.of(side))

    def vocabularies(self, side: Side) -> list[int]:
        """Size of each category of a side, the unknown one not counted."""
        return [len(f.vocabulary) for f in self.of(side) if f.feature.kind == "category"]

    def columns(self, name: str) -> tuple[int, int]:
        """Where a vector feature lies in its side's number matrix: first column, and one past."""
        side = STUDENT_FEATURES[name].side
        start = 0
        for fitted in self.of(side):
            if fitted.name == name:
                return start, start + fitted.size
            start += fitted.width
        return 0, 0

    def transform(self, given: Context) -> Matrices:
        """The matrices of a context.

        Raises:
            ModelError: Embeddings are not of the dimensions that the student was trained on.
        """
        numbers: dict[Side, Floats] = {}
        categories: dict[Side, NDArray[np.int64]] = {}
        heights = {"query": given.queries.height, "pin": given.pins.height}
        for side in SIDES:
            rows = heights.get(side, given.pairs.height)
            blocks: list[Floats] = [np.zeros((rows, 0), np.float32)]
            codes: list[NDArray[np.int64]] = [np.zeros((rows, 0), np.int64)]
            for fitted in self.of(side):
                values = fitted.feature.compute(given)
                if fitted.feature.kind == "category":
                    codes.append(_codes(values, fitted))
                elif fitted.width:
                    blocks.append(_block(values, fitted))
            numbers[side] = np.concatenate(blocks, axis=1)
            categories[side] = np.concatenate(codes, axis=1)
        return Matrices(numbers, categories, given.query_rows, given.pin_rows)

    def to_dicts(self) -> list[dict[str, Any]]:
        """As JSON values."""
        return [dataclasses.asdict(fitted) for fitted in self.features]


def fit_features(given: Context, rows: NDArray[np.int64] | None = None) -> FeatureStatistics:
    """The statistics of every registered feature.

    Args:
        given: The pairs.
        rows: Those of them to fit on; None = all.
    """
    chosen = np.arange(given.pairs.height) if rows is None else rows
    used: dict[Side, NDArray[np.int64]] = {
        "query": np.unique(given.query_rows[chosen]),
        "pin": np.unique(given.pin_rows[chosen]),
        "pair": chosen,
    }
    features = STUDENT_FEATURES.values()
    return FeatureStatistics(tuple(_fit(f, f.compute(given)[used[f.side]]) for f in features))


def statistics_from(dicts: Iterable[Mapping[str, Any]]) -> FeatureStatistics:
    """The inverse of `FeatureStatistics.to_dicts`.

    Raises:
        ModelError: A feature is not in the registry.
    """
    features = [Fitted(**{**d, "vocabulary": tuple(d["vocabulary"])}) for d in dicts]
    for fitted in features:
        if fitted.name not in STUDENT_FEATURES:
            raise ModelError(
                f"the student was trained with feature {fitted.name!r}, which this version lacks. "
                "Distil it again, or use the version named in its provenance.json"
            )
    return FeatureStatistics(tuple(features))


def _fit(feature: Feature, values: NDArray[Any]) -> Fitted:
    if feature.kind == "category":
        known = sorted({value for value in values.tolist() if value is not None})
        return Fitted(feature.name, vocabulary=tuple(known))
    if feature.kind == "vector":
        missing_mean, missing_scale = _moments(np.isnan(values).any(axis=1).astype(np.float64))
        return Fitted(
            feature.name,
            size=int(values.shape[1]),
            missing_mean=missing_mean,
            missing_scale=missing_scale,
        )
    prior = 0.0
    if feature.kind == "rate":
        successes, shown = np.nansum(np.where(np.isnan(values).any(1, keepdims=True), 0, values), 0)
        prior = float(successes / shown) if shown > 0 else 0.0
        values = _log_rate(values, prior)
    missing = np.isnan(values)
    mean, scale = _moments(values[~missing].astype(np.float64))
    missing_mean, missing_scale = _moments(missing.astype(np.float64))
    return Fitted(feature.name, prior, mean, scale, missing_mean, missing_scale)


def _moments(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean, and 1 / standard deviation; 0 where nothing varies, so that the column stays 0."""
    if len(values) == 0:
        return 0.0, 0.0
    mean, deviation = float(values.mean()), float(values.std())
    return mean, 1 / deviation if deviation > 1e-9 else 0.0


def _log_rate(values: NDArray[Any], prior: float) -> NDArray[np.float64]:
    """Ln of the shrunk rate relative to the average one; 0 = average, NaN where not logged."""
    if prior <= 0:
        return np.where(np.isnan(values).any(axis=1), np.nan, 0.0)
    successes, shown = values[:, 0], values[:, 1]
    shrunk = (successes + prior * RATE_PRIOR_IMPRESSIONS) / (shown + RATE_PRIOR_IMPRESSIONS)
    rate: NDArray[np.float64] = np.log(shrunk / prior)
    return rate


def _codes(values: NDArray[Any], fitted: Fitted) -> NDArray[np.int64]:
    known = {value: code for code, value in enumerate(fitted.vocabulary, start=1)}
    return np.array([[known.get(value, 0)] for value in values.tolist()], np.int64).reshape(-1, 1)


def _block(values: NDArray[Any], fitted: Fitted) -> Floats:
    """(n, width): the normalised values, then whether they are missing."""
    if fitted.feature.kind == "vector":
        values = _checked(values, fitted) * np.sqrt(fitted.size)  # coordinates of about 1
        missing = np.isnan(values).any(axis=1)
    else:
        if fitted.feature.kind == "rate":
            values = _log_rate(values, fitted.prior)
        missing = np.isnan(values)
        values = np.clip((values - fitted.mean) * fitted.scale, -_CLIP, _CLIP)[:, None]
    flag = np.clip((missing - fitted.missing_mean) * fitted.missing_scale, -_CLIP, _CLIP)
    block: Floats = np.empty((len(values), fitted.width), np.float32)
    block[:, :-1] = np.where(missing[:, None], 0, values)
    block[:, -1] = flag
    return block


def _checked(values: NDArray[Any], fitted: Fitted) -> NDArray[Any]:
    """Vectors of the trained dimensions; none at all are all missing."""
    if values.shape[1] == 0:
        return np.full((len(values), fitted.size), np.nan, np.float32)
    if values.shape[1] != fitted.size:
        raise ModelError(
            f"{fitted.name} has {values.shape[1]} dimensions, but the student was trained on "
            f"{fitted.size}. Use the embeddings of the same encoder"
        )
    return values
