"""Quantiles and tails of Student's t and the binomial, from scipy.special (which loads quickly)."""

from __future__ import annotations

import numpy as np

from annotation.graders.coded import Floats, Ints


def t_quantile(level: float, freedom: Floats) -> Floats:
    """(n,) half-widths, in standard errors, of two-sided intervals; infinite freedom is normal."""
    from scipy.special import ndtri, stdtrit

    p = (1 + level) / 2
    finite = np.isfinite(freedom)
    found = stdtrit(np.where(finite, np.maximum(freedom, 1), 1), p)
    return np.where(finite, found, np.where(np.isnan(freedom), np.nan, ndtri(p)))


def t_upper(x: Floats, freedom: Floats) -> Floats:
    """(n,) P(T ≥ x)."""
    from scipy.special import stdtr

    return np.asarray(stdtr(freedom, -x), dtype=np.float64)


def binomial_lower(hits: Ints, n: Ints, p: Floats) -> Floats:
    """(n,) P(X ≤ hits)."""
    from scipy.special import bdtr

    return np.asarray(bdtr(hits.astype(np.float64), n.astype(np.int64), p), dtype=np.float64)


def binomial_upper(hits: Ints, n: Ints, p: float) -> Floats:
    """(n,) P(X ≥ hits)."""
    from scipy.special import bdtrc

    above = bdtrc(np.maximum(hits - 1, 0).astype(np.float64), n.astype(np.int64), p)
    return np.where(hits > 0, above, 1.0)
