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
        here: A peer that runs in this environment: what it needs is among our own extras.
    """

    name: str
    label: str
    once: bool = False
    here: bool = False

    @property
    def ours(self) -> bool:
        """Whether it is gradewise, and so runs in this environment."""
        return self.name.startswith("ours")


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
_SERVER = (
    "The server is started and filled before the clock starts; CPU is the client's alone, peak "
    "memory that of the larger of client and server."
)

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
    Benchmark(
        "dawid-skene",
        "20 EM steps of Dawid and Skene's model",
        "judgments",
        "1,000,000 judgments of 333,333 pairs by 500 annotators",
        (
            Contender("ours_crowd:dawid_skene", "gradewise"),
            Contender("crowd_kit:dawid_skene", "crowd-kit"),
        ),
        (Target(at_least=8, than="crowd_kit:dawid_skene"),),
        tolerance=1e-8,
        remark="Posteriors are compared: means, mean squares, and 200 pairs by themselves.",
    ),
    Benchmark(
        "adjudicate",
        "Judgments to posteriors by the default, candidates compared on held-out votes",
        "judgments",
        "1,000,000 judgments of 333,333 pairs by 500 annotators",
        (
            Contender("ours_crowd:auto", "gradewise, auto"),
            Contender("ours_crowd:majority", "gradewise, majority"),
            Contender("crowd_kit:majority", "crowd-kit, majority"),
            Contender("crowd_kit:dawid_skene", "crowd-kit, Dawid–Skene (20 steps)"),
        ),
        (Target(seconds=20),),
        remark="Accuracy and calibration on public crowds: docs/adjudication.md.",
    ),
    Benchmark(
        "push",
        "Pairs to a real Label Studio, 250 a request",
        "grading",
        "10,000 pairs",
        (
            Contender("ours_grading:push_sqlite", "gradewise push, SQLite"),
            Contender("ours_grading:push_postgres", "gradewise push, PostgreSQL"),
            Contender("label_studio:push", "SDK, import_tasks by 250, SQLite", here=True),
            Contender(
                "label_studio:push1", "SDK, one by one (200 measured), SQLite", once=True, here=True
            ),
        ),
        (Target(seconds=25),),
        remark="Gradewise cleans the texts, hashes each pair, asks what is there already, and "
        "looks for doubled tasks at the end; the SDK sends ready tasks, and one lost reply doubles "
        f"them. {_SERVER}",
    ),
    Benchmark(
        "pull",
        "All judgments from a real Label Studio",
        "grading",
        "10,000 pairs, 30,000 judgments",
        (
            Contender("ours_grading:pull_sqlite", "gradewise pull, SQLite"),
            Contender("ours_grading:pull_postgres", "gradewise pull, PostgreSQL"),
            Contender("label_studio:pull", "SDK, exports.as_json, SQLite", here=True),
        ),
        (Target(seconds=60),),
        remark="Gradewise checks every judgment and keeps the history; the SDK's export is one "
        f"request without progress, which a proxy may cut off. {_SERVER}",
    ),
    Benchmark(
        "pull-again",
        "30 new judgments from a real Label Studio that had been pulled",
        "grading",
        "10,000 pairs, 30,030 judgments",
        (
            Contender("ours_grading:again_sqlite", "gradewise pull, SQLite"),
            Contender("ours_grading:again_postgres", "gradewise pull, PostgreSQL"),
            Contender("label_studio:again", "SDK, exports.as_json, SQLite", here=True),
        ),
        (Target(seconds=1),),
        remark=f"The SDK has no other way than to get everything again. {_SERVER}",
    ),
    Benchmark(
        "labelling",
        "Five probabilities of pairs of skewed lengths by a MiniLM teacher, from files to files",
        "labelling",
        "5,000 pairs, Pins of 10 to 150 words",
        (
            Contender("ours_teacher:auto", "gradewise"),
            Contender("ours_teacher:bf16", "gradewise, bf16 asked for"),
            Contender("peers_teacher:label", "sentence-transformers CrossEncoder", here=True),
            Contender("peers_teacher:label_bf16", "the same in bf16", here=True),
        ),
        (
            Target(at_least=3.3, than="peers_teacher:label"),
            Target(at_least=1.3, than="peers_teacher:label_bf16"),
        ),
        remark="Gradewise also plans shards, looks for repeated pairs and audits what it wrote. "
        "The encoders' weights are the same; CrossEncoder has the head of its kind.",
    ),
    Benchmark(
        "fine-tuning",
        "One epoch over e5-small with frozen word embeddings, from tables to a model folder",
        "labelling",
        "480 pairs",
        (
            Contender("ours_teacher:fine_tune", "gradewise"),
            Contender("peers_teacher:fine_tune", "transformers Trainer, its defaults", here=True),
        ),
        (Target(at_least=2, than="peers_teacher:fine_tune"), Target(megabytes=2000)),
        remark="The Trainer's default is fp32, every weight, and pairs in no order of length.",
    ),
    Benchmark(
        "labelling-ray",
        "Pairs labelled by Ray workers on one machine",
        "labelling",
        "5,000 pairs; the wanted share is of 50,000 (`--sizes 10`)",
        (
            Contender("ours_ray:ray", "gradewise on Ray, start included"),
            Contender("ours_ray:local", "gradewise, local engine"),
        ),
        (Target(at_least=0.85, than="ours_ray:local"),),
        tolerance=1e-3,
        remark="CPU and memory of the Ray row are the driver's alone.",
    ),
)
"""Every benchmark, in the order of the page."""
