"""Krippendorff's α of the panel with and without each annotator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from annotation.graders.coded import Floats, Ints, Panel
from evaluation.agreement.coefficients import alpha, n_cells, pair_columns

_STEP = 1e-5


@dataclass(frozen=True, slots=True)
class WithWithout:
    """α of the panel, and what leaving out somebody does to it.

    Attributes:
        whole: α of everybody.
        without: (A,) α without the annotator.
        gain: (A,) without - whole.
        error: (A,) standard error of the gain, from resampled queries (linearised).
    """

    whole: float
    without: Floats
    gain: Floats
    error: Floats


def with_and_without(panel: Panel, *, ordered: bool) -> WithWithout:
    """α with and without each annotator; ordinal on ordered scales, else nominal.

    The gain is a function of sums over queries, so its variance follows from each query's influence
    on it; only the annotator's own queries differ from what is common to all.
    """
    k, n = len(panel.levels), panel.n_people
    counts = np.bincount(panel.pair * k + panel.level, minlength=panel.n_pairs * k)
    votes = counts.reshape(panel.n_pairs, k)
    cells = n_cells(panel.levels)
    patterns, of_pair = _patterns(votes)
    whole_table = pair_columns(patterns.astype(np.float64), panel.levels)[:, :cells]
    kind, own_kind = np.unique(of_pair[panel.pair] * k + panel.level, return_inverse=True)
    left = patterns[kind // k] - np.eye(k, dtype=np.int64)[kind % k]
    less = pair_columns(left.astype(np.float64), panel.levels)[:, :cells] - whole_table[kind // k]
    columns = np.zeros((panel.n_queries, cells))
    np.add.at(columns, panel.query, whole_table[of_pair])
    moved = np.bincount(panel.annotator * len(kind) + own_kind, minlength=n * len(kind))
    total = columns.sum(axis=0)
    totals = total + moved.reshape(n, len(kind)) @ less
    figure = partial(alpha, levels=panel.levels, metric="ordinal" if ordered else "nominal")
    whole = float(figure(total))
    without = np.asarray(figure(totals), dtype=np.float64)
    slope, slopes = _gradient(figure, total[None, :])[0], _gradient(figure, totals)
    change = (less @ slopes.T)[own_kind, panel.annotator]
    error = _errors(panel, columns, slopes - slope, change)
    undefined = np.isnan(without) | np.isnan(whole)
    return WithWithout(whole, without, without - whole, np.where(undefined, np.nan, error))


def _errors(panel: Panel, columns: Floats, turn: Floats, change: Floats) -> Floats:
    """(A,) standard errors of what has influence `columns · turn + change` in each query."""
    n, q = panel.n_people, panel.n_queries
    if q < 2:
        return np.full(n, np.nan)
    code = panel.annotator * q + panel.query[panel.pair]
    cells, at = np.unique(code, return_inverse=True)
    who, query = cells // q, cells % q
    own = np.bincount(at, change)
    common = np.einsum("ij,ij->i", columns[query], turn[who])
    squares = np.einsum("ij,jk,ik->i", turn, columns.T @ columns, turn)
    squares += np.bincount(who, 2 * common * own + own**2, minlength=n)
    mean = (turn @ columns.sum(axis=0) + np.bincount(who, own, minlength=n)) / q
    return np.asarray(np.sqrt(np.maximum(squares - q * mean**2, 0) * q / (q - 1)))


def _gradient(figure: Callable[[Floats], Floats], sums: Floats) -> Floats:
    """(n, m) derivatives of the figures of (n, m) sums, by central differences."""
    step = _STEP * np.maximum(np.abs(sums).sum(axis=1, keepdims=True), 1.0)
    found = np.empty_like(sums)
    for column in range(sums.shape[1]):
        up = np.zeros(sums.shape[1])
        up[column] = 1.0
        found[:, column] = (figure(sums + step * up) - figure(sums - step * up)) / (2 * step[:, 0])
    return np.nan_to_num(found)


def _patterns(votes: Ints) -> tuple[Ints, Ints]:
    """The distinct rows, and each row's position among them."""
    base = int(votes.max(initial=0)) + 1
    if base ** votes.shape[1] < 2**62:
        code = votes @ (base ** np.arange(votes.shape[1], dtype=np.int64))
        _, first, at = np.unique(code, return_index=True, return_inverse=True)
        return votes[first], at.astype(np.int64)
    found, at = np.unique(votes, axis=0, return_inverse=True)
    return found, at.reshape(-1).astype(np.int64)
