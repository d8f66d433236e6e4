"""Names and figures as people read them: the one place where a number becomes text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from app.blocks import UNDEFINED

METRICS: Mapping[str, str] = {
    "fulfilled": "Search fulfillment rate",
    "sample_ratio": "Sample ratio: share of users in treatment",
    "heterogeneity": "Heterogeneity between groups (I²)",
    "excluded": "Left out",
    "kept": "Kept",
    "log": "In the log",
    "analysed": "Analysed",
    "outcome": "Outcome",
    "verdict": "Verdict",
    "accuracy": "Accuracy",
    "within1": "Within one grade",
    "alpha(nominal)": "Nominal α",
    "alpha(ordinal)": "Ordinal α",
    "alpha(interval)": "Interval α",
    "kappa(weights=quadratic)": "Quadratic κ",
    "AC1": "Gwet’s AC1",
    "AC2(weights=ordinal)": "Gwet’s AC2",
}
SYSTEMS: Mapping[str, str] = {
    "teacher": "Teacher",
    "student": "Student",
    "student_human": "Student, human labels only",
    "bm25": "BM25",
    "production": "Production",
    "candidate": "Candidate",
    "majority": "Majority grade",
    "chance": "Chance",
}
GROUPS: Mapping[str, str] = {
    "all": "All",
    "(mean)": "Equal weight",
    "(traffic)": "By traffic",
}
VERDICTS: Mapping[str, str] = {
    "ship": "Ship",
    "hold": "Hold",
    "stop": "Stop",
    "invalid": "Invalid",
    "not yet": "Not yet",
}
NOTES: Mapping[str, str] = {
    "few_queries": "too few queries ({n}) to rely on",
    "no_interval": "no interval was asked for",
    "label_noise": "interval widened by {n} of the grades",
    "posterior_mean": "mean over draws of the grades {n}",
    "no_posterior": "{n} grades without a posterior",
    "no_bounds": "no bounds for unjudged Pins",
    "loose_bounds": "bounds may be wider than any grades give",
    "posterior_mean_difference": "mean difference over draws of the grades {n}",
    "no_traffic": "{n} groups without traffic, so none is weighted by it",
    "no_such_grade": "no pair has that grade",
    "one_query_groups": "{n} groups with one query, so no interval",
    "undefined_draws": "undefined in {n} draws of the grades",
    "Q": "Cochran’s Q {n}",
    "df": "on {n} degrees of freedom",
    "p": "p {n}",
    "I2": "I² {n}",
    "no_relevant": "{n} without any relevant Pin",
    "missing": "{n} that the run misses, counted as 0",
    "missing_baseline": "{n} that the baseline misses, counted as 0",
    "missing_candidate": "{n} that the candidate misses, counted as 0",
    "not_judged": "{n} without a judgment",
    "not_predicted": "{n} without a prediction",
    "seen_in_training": "{n} queries seen in training, left out",
    "seen_kept": "{n} queries seen in training, kept",
    "rank_disagrees": "{n} where rank and score disagree",
    "groups": "over {n} groups",
    "undefined_groups": "{n} groups undefined",
    "one_class": "only one class of grades",
    "one_query": "one query: no interval",
    "no_query": "no query is left",
    "no_pair": "no pair is left",
    "no_pair_graded_twice": "no pair was graded twice",
    "no_group": "defined in no group",
    "no_variation": "nothing varies",
    "not_tested": "not tested",
    "resampled_pairs": "few queries, so pairs were resampled",
    "rel_unbounded": "the baseline is not clearly above 0: no relative interval",
}
"""Codes of a row's note in words; `{n}` is the count that follows the code."""

THIN = "few_queries"
"""Code of a note that says a figure rests on too few queries; it is shown greyed."""

BASELINE = "baseline "
SUMS = ("ECE", "QWK", "confusion")
PAIRS = ("accuracy", "within1", "MAE", "AUROC", "AUPRC", "RPS", "Brier", "NLL", *SUMS)
AGREEMENT = ("alpha", "kappa", "AC1", "AC2")
QUERIES = ("nDCG", "sDCG", "DCG", "P@", "P(", "R@", "RR", "AP", "ERR", "RBP", "Judged")

DEFINITIONS: Mapping[str, str] = {
    "Search fulfillment rate": (
        "Share of search sessions that end in a high-significance action, such as a save or a "
        "long click. Users are randomised, so its interval comes from users and not from "
        "sessions."
    ),
    "Lift": (
        "Relative difference between treatment and control (or between a candidate and its "
        "baseline), in percent with its sign. The interval inverts the same test as the p-value."
    ),
    "[low, high]": (
        "Interval: where the true figure lies, as far as these data can tell. Offline intervals "
        "resample queries, the experiment’s come from users."
    ),
    "p, p adjusted": (
        "How often chance alone would show a difference as large as this one; adjusted: when all "
        "countries and metrics that are compared count as one family."
    ),
    "Sample ratio check": (
        "Whether users were split as intended. If not, the verdict is invalid and no lift is "
        "evidence."
    ),
    "CUPED": "Takes out what users’ behaviour before the test explains, so intervals get narrower.",
    "Ship, hold, stop, invalid, not yet": (
        "Ship: it rose and no country fell. Hold: a country fell, or the lift is too small. Stop: "
        "it fell. Invalid: the split is broken. Not yet: it cannot be told from no change."
    ),
    "nDCG@20": (
        "Quality of the first 20 results against the best possible order of all judged Pins; gain "
        "= grade − 1, from 0 to 1."
    ),
    "P@8": ("Share of the first 8 results with grade 4 or 5, divided by 8 whatever was returned."),
    "Judged@k": (
        "Share of the first k results that people have judged: how much of a ranking metric rests "
        "on judgments."
    ),
    "Accuracy": "Share of pairs where the model’s most probable grade is the people’s grade.",
    "AUROC@t": (
        "Chance that the model puts a pair of grade ≥ t above one of a lower grade; .5 is chance, "
        "1 is perfect."
    ),
    "Krippendorff’s α": (
        "Agreement between annotators beyond chance: 1 is perfect, 0 is what chance gives. "
        "Ordinal counts a miss by two grades as worse than a miss by one."
    ),
    "Within one grade": "Share of pairs of judgments that are at most one grade apart.",
    "Grades": (
        "5 highly relevant · 4 relevant · 3 marginally relevant · 2 irrelevant · 1 highly "
        "irrelevant."
    ),
    "All, equal weight, by traffic": (
        "All counts every query, pair or user once. Equal weight gives each country the same "
        "weight; by traffic gives each its share of searches. They are never mixed."
    ),
    UNDEFINED: (
        "Undefined: the figure does not exist there, for the reason in its footnote. It is never "
        "shown as 0."
    ),
}
"""What the words on the pages mean."""


def metric_name(metric: str) -> str:
    """A metric as people call it; one without a name of its own keeps its spelling."""
    base, _, what = metric.removesuffix(")").partition("(")
    if metric not in METRICS and base in METRICS and what:
        return f"{METRICS[base]}: {what.replace('_', ' ')}"
    return METRICS.get(metric, metric)


def system_name(system: str) -> str:
    """A system as people call it; unknown ones keep their name."""
    return SYSTEMS.get(system, system)


def group_name(group: str) -> str:
    """A group as people call it; countries keep their code."""
    return GROUPS.get(group, group)


def remark(note: str) -> str:
    """A row's note in words; what is not a known code is kept, the baseline's name is left out."""
    parts = [part.strip() for part in note.split(";")]
    return "; ".join(_in_words(part) for part in parts if part and not part.startswith(BASELINE))


def baseline_name(note: str) -> str:
    """The baseline that a comparison's note names; empty if it names none."""
    parts = (part.strip() for part in note.split(";"))
    return next((part.removeprefix(BASELINE) for part in parts if part.startswith(BASELINE)), "")


def unit(metric: str) -> str:
    """What n counts for a metric: `pairs`, `queries`, or nothing known."""
    if metric.startswith((*PAIRS, *AGREEMENT)):
        return "pairs"
    return "queries" if metric.startswith(QUERIES) else ""


def _in_words(part: str) -> str:
    code, _, n = part.partition(": ")
    return NOTES[code].replace("{n}", n).strip() if code in NOTES else part


def number(value: float | None) -> str:
    """A metric between 0 and 1 with three decimals, `—` if undefined."""
    return UNDEFINED if value is None else minus(f"{value:.3f}")


def rate(value: float | None) -> str:
    """A share in percent, such as `41.3%`."""
    return UNDEFINED if value is None else f"{value:.2%}"


def difference(value: float | None) -> str:
    """An absolute difference with its sign and four decimals."""
    return UNDEFINED if value is None else minus(f"{value:+.4f}")


def lift(value: float | None) -> str:
    """A relative difference in percent with its sign, such as `+1.94%`."""
    return UNDEFINED if value is None else minus(f"{value:+.2%}")


def p_value(value: float | None) -> str:
    """A p-value: four decimals, `<.0001` below that."""
    if value is None:
        return UNDEFINED
    return "<.0001" if value < 1e-4 else f"{value:.4f}".lstrip("0") if value < 1 else "1.0000"


def count(value: int | None) -> str:
    """A count with thousands separated."""
    return UNDEFINED if value is None else f"{value:,}"


def interval(low: str, high: str) -> str:
    """Ready ends as an interval; empty if either is undefined."""
    return "" if UNDEFINED in (low, high) else f"[{low}, {high}]"


def sentence(text: str) -> str:
    """Text with a capital first letter and percentages written as everywhere else here."""
    return re.sub(r"(?<=\d)[\s\u202f]%", "%", text[:1].upper() + text[1:])


def listing(words: Iterable[str]) -> str:
    """Words joined by commas and a last `and`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def minus(text: str) -> str:
    """A figure's text with a true minus sign."""
    return text.replace("-", "−")
