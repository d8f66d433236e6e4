"""What scikit-learn and scipy say of predicted grades, for every measure of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np

from evaluation.metrics import Measure
from evaluation.metrics.pointwise import Floats
from evaluation.metrics.sums import BINS
from relevance.errors import require_extra

Oracle = Callable[[Measure, Floats, Floats], tuple[float, str]]


def scikit_learn(measure: Measure, grades: Floats, probabilities: Floats) -> tuple[float, str]:
    """The measure over all pairs, and what was called.

    Args:
        measure: Of predicted grades.
        grades: (N,) human grades.
        probabilities: (N, K) predicted probabilities of the grades 1 … K.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    require_extra("sklearn", "verify")
    with warnings.catch_warnings():
        # it warns of undefined figures, which are NaN, and of sums like 0.9999999
        warnings.simplefilter("ignore")
        return _ORACLES[measure.metric.name](measure, grades, probabilities)


def _predicted(probabilities: Floats) -> Floats:
    return np.asarray(probabilities.argmax(axis=1) + 1)


def _levels(probabilities: Floats) -> list[int]:
    return list(range(1, probabilities.shape[1] + 1))


def _accuracy(_: Measure, grades: Floats, probabilities: Floats) -> tuple[float, str]:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(grades, _predicted(probabilities))), "accuracy_score"


def _within1(_: Measure, grades: Floats, probabilities: Floats) -> tuple[float, str]:
    from sklearn.metrics import confusion_matrix

    matrix = confusion_matrix(grades, _predicted(probabilities), labels=_levels(probabilities))
    near = sum(np.trace(matrix, offset) for offset in (-1, 0, 1))
    return float(near / matrix.sum()), "confusion_matrix, three diagonals"


def _mae(_: Measure, grades: Floats, probabilities: Floats) -> tuple[float, str]:
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(grades, _predicted(probabilities))), "mean_absolute_error"


def _rps(_: Measure, grades: Floats, probabilities: Floats) -> tuple[float, str]:
    from sklearn.metrics import mean_squared_error

    levels = _levels(probabilities)[:-1]
    at_most = np.cumsum(probabilities, axis=1)[:, :-1]
    truth = np.column_stack([grades <= k for k in levels]).astype(np.float64)
    return float(mean_squared_error(truth, at_most)), "mean_squared_error of P(grade ≤ k)"


def _brier(_: Measure, grades: Floats, probabilities: Floats) -> tuple[float, str]:
    from sklearn.metrics import mean_squared_error

    truth = np.column_stack([grades == k for k in _levels(probabilities)]).astype(np.float64)
    k = probabilities.shape[1]
    return k * float(mean_squared_error(truth, probabilities)), f"mean_squared_error × {k} classes"


def _nll(_: Measure, grades: Floats, probabilities: Floats) -> tuple[float, str]:
    from sklearn.metrics import log_loss

    return float(log_loss(grades, probabilities, labels=_levels(probabilities))), "log_loss"


def _ece(measure: Measure, grades: Floats, probabilities: Floats) -> tuple[float, str]:
    from scipy.stats import binned_statistic

    bins = dict(measure.options).get("bins", BINS)
    edges = np.arange(int(bins) + 1) / int(bins)
    confidence = probabilities.max(axis=1)
    gap = confidence - (_predicted(probabilities) == grades)
    # scipy's bins are [a, b); ours are (a, b], as in the paper: so everything is negated
    sums = binned_statistic(-np.minimum(confidence, 1.0), gap, "sum", bins=-edges[::-1]).statistic
    return float(np.abs(sums).sum() / len(grades)), "scipy binned_statistic"


def _qwk(_: Measure, grades: Floats, probabilities: Floats) -> tuple[float, str]:
    from sklearn.metrics import cohen_kappa_score

    kappa = cohen_kappa_score(
        grades, _predicted(probabilities), labels=_levels(probabilities), weights="quadratic"
    )
    return float(kappa), "cohen_kappa_score(weights='quadratic')"


def _confusion(measure: Measure, grades: Floats, probabilities: Floats) -> tuple[float, str]:
    from sklearn.metrics import confusion_matrix

    asked = dict(measure.options)
    matrix = confusion_matrix(grades, _predicted(probabilities), labels=_levels(probabilities))
    row = matrix[int(asked["grade"]) - 1]
    share = row[int(asked["predicted"]) - 1] / row.sum() if row.sum() else float("nan")
    return float(share), "confusion_matrix"


def _auroc(measure: Measure, grades: Floats, probabilities: Floats) -> tuple[float, str]:
    from sklearn.metrics import roc_auc_score

    return _at(measure, grades, probabilities, roc_auc_score)


def _auprc(measure: Measure, grades: Floats, probabilities: Floats) -> tuple[float, str]:
    from sklearn.metrics import average_precision_score

    return _at(measure, grades, probabilities, average_precision_score)


def _at(
    measure: Measure, grades: Floats, probabilities: Floats, score: Callable[..., float]
) -> tuple[float, str]:
    """`score` at the threshold, or at the next that some pair has: the same labels."""
    name = getattr(score, "__name__", "")
    higher = grades[grades >= (measure.cutoff or 0)]
    if len(higher) in (0, len(grades)):
        return float("nan"), f"{name}: one class only"
    threshold = int(higher.min())
    scores = probabilities[:, threshold - 1 :].sum(axis=1)
    return float(score(grades >= threshold, scores)), f"{name} at {threshold}"


_ORACLES: Mapping[str, Oracle] = {
    "accuracy": _accuracy,
    "within1": _within1,
    "MAE": _mae,
    "RPS": _rps,
    "Brier": _brier,
    "NLL": _nll,
    "ECE": _ece,
    "QWK": _qwk,
    "confusion": _confusion,
    "AUROC": _auroc,
    "AUPRC": _auprc,
}
