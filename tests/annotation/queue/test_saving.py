from __future__ import annotations

import numpy as np
import polars as pl
import pytest


@pytest.mark.slow
def test_adaptive_overlap_reaches_uniform_quality_with_fewer_labels(saving):
    """Two opinions everywhere, then one more where it pays, against as many for all pairs alike."""
    n, method, saved = 1_500, "dawid-skene-shrunk", {3: [], 4: []}
    for seed in range(2):
        votes, truth = saving.votes_in_turn(n, seed)
        goals = [int(n * share) for share in (2.2, 2.4, 2.6, 2.8, 3.0, 3.3, 3.6)]
        curve = saving.adaptive(votes, truth, goals, method, "absolute", batch=n // 10)
        start = votes.filter(pl.col("turn") <= 2)
        points = [(2 * n, *saving.quality(start, truth, method)), *curve]
        labels, accuracy = [p[0] for p in points], np.maximum.accumulate([p[1] for p in points])
        for overlap, found in saved.items():
            uniform = votes.filter(pl.col("turn") <= overlap)
            goal = saving.quality(uniform, truth, method)[0]
            assert accuracy[-1] >= goal
            needed = np.interp(goal, accuracy, labels)
            found.append(1 - needed / (overlap * n))
    print({overlap: np.round(found, 3).tolist() for overlap, found in saved.items()})
    assert np.mean(saved[3]) >= 0.15
    assert np.mean(saved[4]) >= 0.2
