"""METRICS: every metric by name. A new one is a function in its family's file and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from evaluation.metrics import pointwise, sums, threshold
from evaluation.metrics.declaration import PAIRS, SUMS, THRESHOLD, Metric
from evaluation.metrics.registry_ranking import RANKED

_ONE_CLASS = "all human grades are on one side of t"
_THRESHOLD_REMARK = (
    "t is 2-5. Where no pair has the grade t, the figure is that of the next grade that some pair "
    "has, with the note `same_as`."
)

_PREDICTED = (
    Metric(
        name="accuracy",
        family=PAIRS,
        function=pointwise.accuracy,
        doc="Share of pairs whose most probable grade is the human grade.",
        formula="mean over pairs of [argmax_k p_k = g]",
        states=("predicted=argmax",),
        remark="Of equally probable grades the lower counts as predicted.",
        source="scikit-learn accuracy_score",
    ),
    Metric(
        name="within1",
        family=PAIRS,
        function=pointwise.within1,
        doc="Share of pairs whose most probable grade is at most one off.",
        formula="mean over pairs of [|argmax_k p_k − g| ≤ 1]",
        states=("predicted=argmax",),
        source="arXiv 2509.03764",
    ),
    Metric(
        name="MAE",
        family=PAIRS,
        function=pointwise.mae,
        doc="Mean distance of the most probable grade from the human grade.",
        formula="mean over pairs of |argmax_k p_k − g|",
        high=4.0,
        higher_is_better=False,
        perfect=0.0,
        states=("predicted=argmax",),
        source="scikit-learn mean_absolute_error",
    ),
    Metric(
        name="RPS",
        family=PAIRS,
        function=pointwise.rps,
        doc="Ranked probability score: a miss by two grades costs more than a miss by one.",
        formula="mean over pairs of Σ_{k=1…K−1} (P(grade ≤ k) − [g ≤ k])² / (K − 1)",
        higher_is_better=False,
        perfect=0.0,
        states=("divided_by=4",),
        remark="Divided by the K − 1 = 4 thresholds, so that 1 is the worst; some leave that out.",
        source="Epstein, J. Appl. Meteorol. 1969; Murphy, J. Appl. Meteorol. 1971",
    ),
    Metric(
        name="Brier",
        family=PAIRS,
        function=pointwise.brier,
        doc="Squared distance of the probabilities from the human grade, over all grades.",
        formula="mean over pairs of Σ_{k=1…K} (p_k − [g = k])²",
        high=2.0,
        higher_is_better=False,
        perfect=0.0,
        states=("classes=5",),
        remark="Brier's own form over all K classes, twice the usual one where K = 2; 2 is worst.",
        source="Brier, Monthly Weather Review 1950",
    ),
    Metric(
        name="NLL",
        family=PAIRS,
        function=pointwise.nll,
        doc="Negative log likelihood of the human grade, in nats.",
        formula="mean over pairs of −ln max(p_g, 2⁻⁵²)",
        high=52 * 0.6931471805599453,
        higher_is_better=False,
        perfect=0.0,
        states=("log=natural", "floor=2.2e-16"),
        remark=(
            "A human grade of probability 0 would be infinite; the floor, that of scikit-learn's "
            "log_loss, makes it cost 36.04 nats."
        ),
        source="scikit-learn log_loss",
    ),
    Metric(
        name="ECE",
        family=SUMS,
        function=sums.ece,
        finish=sums.ece_of,
        doc="Expected calibration error: how far confidence is from accuracy, bin by bin.",
        formula=(
            "Σ_b |Σ_{pairs of bin b} (max_k p_k − [argmax_k p_k = g])| / n, "
            "bin b = ((b − 1) / B, b / B]"
        ),
        options=("bins",),
        higher_is_better=False,
        perfect=0.0,
        undefined="no_pair",
        undefined_when="there is no pair",
        states=("bins", "width=equal", "confidence=top_grade"),
        remark=(
            "B bins of equal width, 15 unless given. It is biased upwards where bins hold few "
            "pairs: compare figures of as many pairs only."
        ),
        source="Guo et al., ICML 2017, eq. 3",
    ),
    Metric(
        name="QWK",
        family=SUMS,
        function=sums.qwk,
        finish=sums.qwk_of,
        doc="Quadratic weighted kappa of the most probable grade and the human grade.",
        formula="1 − n Σ(g − p)² / (n Σ(g² + p²) − 2 Σg Σp), p = argmax_k p_k",
        low=-1.0,
        undefined="no_variation",
        undefined_when="all human and all predicted grades are one and the same grade",
        states=("weights=quadratic", "predicted=argmax"),
        remark=(
            "Over all pairs; equal to Σ w_ij O_ij / Σ w_ij E_ij taken from 1, with "
            "w_ij = (i − j)² and E_ij what independent grades of the same shares would give."
        ),
        source="Cohen, Psychological Bulletin 1968; scikit-learn cohen_kappa_score",
    ),
    Metric(
        name="confusion",
        family=SUMS,
        function=sums.confusion,
        finish=sums.confusion_of,
        doc="Share of the pairs of one human grade that a model gives one grade.",
        formula="#{g = grade, argmax_k p_k = predicted} / #{g = grade}",
        options=("grade", "predicted"),
        perfect=None,
        undefined="no_such_grade",
        undefined_when="no pair has that human grade",
        states=("given", "predicted=argmax"),
        remark=(
            "`confusion` alone stands for the 25 shares of the whole matrix, "
            "`confusion(grade=4)` for a row of it. Higher is better on the diagonal only."
        ),
        source="scikit-learn confusion_matrix(normalize='true')",
    ),
    Metric(
        name="AUROC",
        family=THRESHOLD,
        function=threshold.auroc,
        doc="Chance that P(grade ≥ t) is higher for a pair graded ≥ t than for one below.",
        formula="mean over (pair ≥ t, pair < t) of [s > s′] + ½ [s = s′], s = Σ_{k≥t} p_k",
        cutoff="required",
        undefined="one_class",
        undefined_when=_ONE_CLASS,
        states=("threshold", "ties=half"),
        remark=f"Pooled over all pairs of the group; ½ is chance. {_THRESHOLD_REMARK}",
        source="DeLong et al., Biometrics 1988; intervals: Obuchowski, Biometrics 1997",
    ),
    Metric(
        name="AUPRC",
        family=THRESHOLD,
        function=threshold.auprc,
        doc="Average precision of P(grade ≥ t) for the pairs graded ≥ t.",
        formula="Σ_n (R_n − R_{n−1}) P_n over the distinct values of Σ_{k≥t} p_k, highest first",
        cutoff="required",
        undefined="one_class",
        undefined_when=_ONE_CLASS,
        states=("threshold", "ties=together"),
        remark=f"Chance is the share of pairs graded ≥ t. {_THRESHOLD_REMARK}",
        source="scikit-learn average_precision_score",
    ),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in (*RANKED, *_PREDICTED)}
"""Every metric by name."""
