"""Which contenders meet on which files, and what is wanted of gradewise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who does the work.

    Attributes:
        name: `module:function` of `benchmarks.contenders`.
        label: As the tables call it.
        once: Measured in one round only, because it takes long and its figure is extrapolated.
    """

    name: str
    label: str
    once: bool = False

    @property
    def ours(self) -> bool:
        """Whether it is gradewise, and so runs in this environment."""
        return self.name.startswith("ours:")


@dataclass(frozen=True, slots=True)
class Target:
    """What is wanted of gradewise.

    Attributes:
        at_least: Times faster than `than`.
        than: Name of a contender.
        megabytes: Peak memory at most.
        seconds: Work at most.
    """

    at_least: float | None = None
    than: str = ""
    megabytes: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A piece of work for all its contenders; ours first.

    Attributes:
        name: As `--only` calls it.
        title: What is done.
        files: Key of `benchmarks.data.FILES`.
        rows: What size 1 is, in words.
        contenders: Who does it.
        targets: What is wanted.
        tolerance: By how much figures of two contenders may differ.
        remark: What a reader must know to read the table right.
    """

    name: str
    title: str
    files: str
    rows: str
    contenders: Sequence[Contender]
    targets: Sequence[Target]
    tolerance: float = 1e-9
    remark: str = ""


OUR_RANKING = "gradewise, with intervals"

BENCHMARKS: Sequence[Benchmark] = (
    Benchmark(
        "ranking-files",
        "nDCG@20 and P@8 by 20 countries, from run, qrels and queries files",
        "ranking",
        "5,000,000 ranked rows, 4,000,000 graded pairs, 100,000 queries; string ids",
        (
            Contender("ours:ranking_files", OUR_RANKING),
            Contender("ours:ranking_files_points", "gradewise, points only"),
            Contender("pytrec:files", "pytrec_eval-terrier"),
        ),
        (Target(at_least=6, than="pytrec:files"), Target(megabytes=1500)),
        remark="Gradewise prints Judged@20 and equal-weighted means besides; the peer does not.",
    ),
    Benchmark(
        "ranking-joined",
        "nDCG@20 and P@8 by 20 countries, from one file that holds run, grades and country",
        "ranking",
        "6,000,000 rows, 100,000 queries",
        (
            Contender("ours:ranking_joined", OUR_RANKING),
            Contender("ours:ranking_joined_points", "gradewise, points only"),
            Contender("pytrec:joined", "pytrec_eval-terrier"),
            Contender("ranx_arrays:joined", "ranx from sorted arrays, compiled before"),
        ),
        (
            Target(at_least=18, than="pytrec:joined"),
            Target(at_least=4, than="ranx_arrays:joined"),
            Target(megabytes=400),
        ),
        remark="ranx gets sorted arrays, its quickest door; its dicts take many times longer.",
    ),
    Benchmark(
        "grades",
        "AUROC@3, @4, @5 and accuracy",
        "grades",
        "10,000,000 rows, 100,000 queries",
        (
            Contender("ours:grades_points", "gradewise"),
            Contender("sklearn_grades:points", "scikit-learn"),
        ),
        (Target(at_least=15, than="sklearn_grades:points"), Target(megabytes=300)),
        tolerance=1e-12,
        remark="Points only on both sides.",
    ),
    Benchmark(
        "intervals",
        "1,000-fold intervals over queries of AUROC@3, @4, @5 and accuracy",
        "grades",
        "10,000,000 rows, 100,000 queries",
        (
            Contender("ours:grades_intervals", "gradewise"),
            Contender(
                "sklearn_grades:loop", "loop over scikit-learn (one replicate × 1,000)", once=True
            ),
        ),
        (Target(seconds=20),),
        remark="The loop is extrapolated from one replicate.",
    ),
    Benchmark(
        "alpha",
        "Krippendorff's ordinal α; gradewise with its interval, the peer as a point",
        "judgments",
        "1,000,000 judgments of 333,333 pairs by 500 annotators",
        (
            Contender("ours:alpha", "gradewise, with interval"),
            Contender("krippendorff_alpha:counts", "krippendorff from counts of grades"),
            Contender("krippendorff_alpha:matrix", "krippendorff from the matrix"),
        ),
        (Target(at_least=10, than="krippendorff_alpha:matrix"),),
        remark="The matrix (annotators × pairs) is the peer's documented use, counts its quickest.",
    ),
    Benchmark(
        "experiment",
        "Fulfillment lift by 20 countries with CUPED, from a session log",
        "sessions",
        "10,000,000 sessions of 1,000,000 users",
        (
            Contender("ours:experiment", "gradewise, with its checks"),
            Contender("ours:experiment_duplicates", "the same, repeated sessions looked for"),
            Contender("tea:polars", "tea-tasting on Polars"),
            Contender("tea:ibis", "tea-tasting on Ibis/DuckDB"),
            Contender("cluster_ols:sessions", "statsmodels, OLS clustered by user"),
        ),
        (
            Target(at_least=1.5, than="tea:polars"),
            Target(at_least=1.5, than="tea:ibis"),
            Target(at_least=10, than="cluster_ols:sessions"),
        ),
        remark="Gradewise also looks for contaminated users and for exposures out of the window, "
        "and checks the sample ratio; the peers get a table of users made without these checks. "
        "statsmodels has no CUPED and gives plain differences.",
    ),
)
"""Every benchmark, in the order of the page."""
