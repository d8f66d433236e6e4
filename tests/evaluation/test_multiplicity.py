"""Adjusted p-values of a family."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evaluation.multiplicity import ADJUSTMENTS, adjustment, benjamini_hochberg, holm
from relevance.errors import InputError


def test_holm_by_hand() -> None:
    """Smallest × 4, next × 3, …, never falling below an earlier one, never above 1."""
    found = holm([0.02, 0.01, 0.6, 0.015])
    assert found == pytest.approx([0.045, 0.04, 0.6, 0.045])
    assert holm([0.5, 0.6]).tolist() == [1, 1]
    assert holm([0.03]).tolist() == [0.03]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_claims_what_its_steps_claim(p_values: list[float]) -> None:
    claimed: set[int] = set()
    for step, index in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[index] * (len(p_values) - step) > 0.05:
            break
        claimed.add(int(index))
    assert {i for i, p in enumerate(holm(p_values)) if p <= 0.05} == claimed


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_both_are_those_of_statsmodels(p_values: list[float]) -> None:
    for ours, theirs in ((holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        assert ours(p_values) == pytest.approx(multipletests(p_values, method=theirs)[1])


def test_adjustments_go_by_name() -> None:
    assert adjustment("holm") is holm
    assert adjustment("bh") is benjamini_hochberg
    assert list(ADJUSTMENTS) == ["holm", "bh"]
    with pytest.raises(InputError, match=r"'holms' is unknown. Did you mean 'holm'\? Use one of"):
        adjustment("holms")
