"""Declarations of the ranking metrics; part of `METRICS`."""

from __future__ import annotations

from evaluation.metrics import ranking
from evaluation.metrics.declaration import RANKING, Metric

_NO_GAIN = "no judged Pin of the query has a positive gain"
_NO_RELEVANT = "no judged Pin of the query is relevant"
_NEEDS_TOP = "Needs a scale with a best grade."

RANKED: tuple[Metric, ...] = (
    Metric(
        name="nDCG",
        family=RANKING,
        function=ranking.ndcg,
        doc="DCG of the list over that of the best order of all judged Pins of the query.",
        formula="DCG@k / (DCG@k of the judged Pins, returned or not, best first)",
        cutoff="optional",
        options=("gain",),
        undefined="no_relevant",
        undefined_when=_NO_GAIN,
        states=("gain", "ideal=judged"),
        remark=(
            "The linear gain is grade − 1 on scale five, max(grade, 0) on scale trec, so that both "
            "equal trec_eval; gain=exp is 2^(grade − 1) − 1 and 2^grade − 1. Without a cutoff the "
            "ideal holds all judged Pins."
        ),
        source="Järvelin and Kekäläinen, TOIS 2002; trec_eval ndcg, ndcg_cut",
    ),
    Metric(
        name="sDCG",
        family=RANKING,
        function=ranking.sdcg,
        doc="DCG of the list over that of k Pins of the best grade.",
        formula="DCG@k / Σ_{i=1…k} gain(best grade) / log2(i + 1)",
        cutoff="required",
        options=("gain",),
        perfect=None,
        states=("gain", "ideal_of_top"),
        remark=f"Comparable across queries that have fewer good Pins than k. {_NEEDS_TOP}",
        source="arXiv 2509.03764",
    ),
    Metric(
        name="DCG",
        family=RANKING,
        function=ranking.dcg,
        doc="Sum of gain / log2(rank + 1).",
        formula="Σ_{i=1…k} gain(g_i) / log2(i + 1)",
        cutoff="optional",
        options=("gain",),
        high=None,
        perfect=None,
        states=("gain",),
        source="Järvelin and Kekäläinen, TOIS 2002; Burges et al., ICML 2005 (discount)",
    ),
    Metric(
        name="P",
        family=RANKING,
        function=ranking.precision,
        doc="Share of the first k that is relevant, divided by k whatever was returned.",
        formula="Σ_{i=1…k} [g_i ≥ rel] / k",
        cutoff="required",
        options=("rel",),
        perfect=None,
        states=("relevant_from", "divided_by"),
        source="trec_eval P",
    ),
    Metric(
        name="R",
        family=RANKING,
        function=ranking.recall,
        doc="Share of the relevant Pins that is among the first k.",
        formula="Σ_{i=1…k} [g_i ≥ rel] / #{judged Pins with g ≥ rel}",
        cutoff="optional",
        options=("rel",),
        perfect=None,
        undefined="no_relevant",
        undefined_when=_NO_RELEVANT,
        states=("relevant_from", "divided_by=relevant"),
        source="trec_eval recall",
    ),
    Metric(
        name="RR",
        family=RANKING,
        function=ranking.reciprocal_rank,
        doc="Reciprocal rank of the first relevant Pin.",
        formula="1 / min{i ≤ k: g_i ≥ rel}, 0 if there is none",
        cutoff="optional",
        options=("rel",),
        undefined="no_relevant",
        undefined_when=_NO_RELEVANT,
        states=("relevant_from",),
        source="trec_eval recip_rank",
    ),
    Metric(
        name="AP",
        family=RANKING,
        function=ranking.average_precision,
        doc="Mean over the relevant Pins of the precision at their rank.",
        formula="Σ_{i=1…k} [g_i ≥ rel] P@i / #{judged Pins with g ≥ rel}",
        cutoff="optional",
        options=("rel",),
        perfect=None,
        undefined="no_relevant",
        undefined_when=_NO_RELEVANT,
        states=("relevant_from", "divided_by=relevant"),
        remark="A relevant Pin that is not among the first k counts 0.",
        source="trec_eval map, map_cut",
    ),
    Metric(
        name="ERR",
        family=RANKING,
        function=ranking.err,
        doc="Expected 1 / rank at which a reader who stops at good Pins stops.",
        formula="Σ_{i=1…k} (1 / i) s_i Π_{j<i} (1 − s_j), s = (2^g − 1) / 2^g_max, g from 0",
        cutoff="required",
        perfect=None,
        states=("stop=exponential", "top"),
        remark=_NEEDS_TOP,
        source="Chapelle et al., CIKM 2009",
    ),
    Metric(
        name="RBP",
        family=RANKING,
        function=ranking.rbp,
        doc="Rank-biased precision: what a reader finds who goes on with probability p.",
        formula="(1 − p) Σ_{i=1…k} [g_i ≥ rel] p^(i − 1)",
        cutoff="optional",
        options=("p", "rel"),
        perfect=None,
        states=("p", "relevant_from"),
        remark=(
            "A lower bound: relevant Pins behind rank k, behind the end of the list, or among the "
            "unjudged could add the residual, (1 − p) Σ_{unjudged i ≤ k} p^(i − 1) + p^k "
            "(p^returned without a cutoff, or where fewer than k were returned)."
        ),
        source="Moffat and Zobel, TOIS 2008; ir_measures RBP; trec_eval rbp (p = 0.9, graded)",
    ),
    Metric(
        name="Judged",
        family=RANKING,
        function=ranking.judged,
        doc="Share of the returned first k that was judged.",
        formula="#{i ≤ k: judged} / min(k, returned)",
        cutoff="optional",
        perfect=None,
        undefined="missing",
        undefined_when="nothing was returned for the query",
        states=("divided_by_shown",),
        remark="Stands beside every ranking metric: it says how much of it rests on judgments.",
        source="ir_measures Judged",
    ),
)
