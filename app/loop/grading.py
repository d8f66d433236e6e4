"""From the world to trusted grades."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from app.loop.bench import COMMAND, LEVEL, TRAINING_COUNTRY, Bench, figure
from relevance.files import atomic
from relevance.progress import Progress

if TYPE_CHECKING:
    import polars as pl

    from annotation.adjudicate import Adjudication

PAIR = ["query_id", "pin_id"]
GRADED = ("measure", "training")


def build_world(bench: Bench, progress: Progress) -> str:
    """Writes the tables of the built-in world, its pictures, and the truth to check against."""
    from relevance.world import write_images

    world = bench.world
    tables = {
        "queries": world.queries,
        "pins": world.pins,
        "pairs": world.pairs,
        "qrels-truth": world.truth,
        "query_embeddings": world.query_embeddings,
        "pin_embeddings": world.pin_embeddings,
        "runs-production": world.runs_production,
        "runs-candidate": world.runs_candidate,
        "sessions": world.sessions,
    }
    for done, (name, frame) in enumerate(tables.items()):
        progress(done, len(tables) + 1, name)
        bench.write(name, frame, config=dataclasses.asdict(world.config))
    write_images(world, bench.root / "images")
    with atomic(bench.root / "truth.json") as temporary:
        temporary.write_text(json.dumps({"true_lift": dict(world.true_lift)}, indent=1) + "\n")
    countries = ", ".join(world.queries["country"].unique().sort())
    return (
        f"{len(world.queries):,} queries in {countries} · {len(world.pins):,} Pins · "
        f"{len(world.pairs):,} pairs · {len(world.sessions):,} sessions"
    )


def sample(bench: Bench, progress: Progress) -> str:
    """Draws the pairs that people grade, and among them hidden gold questions and repeats."""
    import polars as pl

    from annotation.sampling import (
        SAMPLE_COLUMNS,
        Costs,
        Hidden,
        SamplePlan,
        draw_gold,
        draw_repeats,
        draw_samples,
        merged,
    )

    config = bench.config
    plan = SamplePlan(
        measure=config.evaluation_queries,
        training={TRAINING_COUNTRY: config.training_queries},
        pool=config.open_pairs,
    )
    progress(0, 1, "drawing")
    queries = bench.read("queries")
    samples = draw_samples(queries, bench.read("pairs"), plan, seed=bench.seed)
    truth = bench.read("qrels-truth").select(
        "query_id", "pin_id", "grade", pl.lit("built-in world").alias("source")
    )
    costs = Costs(gold=Hidden(number=config.gold_questions))
    gold, _ = draw_gold(truth, queries, samples, costs, seed=bench.seed)
    again = draw_repeats(
        samples.filter(pl.col("draw").is_in(GRADED)).with_columns(
            pl.lit(None, pl.Int64).alias("overlap")
        ),
        queries,
        config.repeats,
        seed=bench.seed,
    )
    hidden = [frame.select(SAMPLE_COLUMNS) for frame in (gold, again)]
    bench.write("samples", merged(samples, hidden), inputs=("queries", "pairs"))
    bench.write("gold", truth.join(gold, on=PAIR, how="semi"), inputs=("qrels-truth",))
    counts = dict(samples["draw"].value_counts().iter_rows())
    return (
        f"{counts['training']:,} {TRAINING_COUNTRY} pairs to train · "
        f"{counts['measure']:,} pairs in all countries to evaluate · "
        f"{gold.height} gold questions and {again.height} repeats hidden · "
        f"{counts.get('pool', 0)} left for you"
    )


def annotate(bench: Bench, progress: Progress) -> str:
    """Grades the sample in Label Studio and pulls the judgments.

    Some pairs are answered one by one through the annotation endpoint, each grader with an account
    of their own; the other answers travel with their tasks.
    """
    import polars as pl

    from annotation.sync.desk import open_desk
    from annotation.sync.pull import pull
    from annotation.sync.push import push
    from annotation.sync.submit import submit
    from annotation.sync.tables import write_pulled
    from relevance.world import grade_pairs

    samples = bench.read("samples")
    graded = samples.filter(pl.col("draw").is_in(GRADED)).sort(PAIR)
    asked = pl.concat([graded, samples.filter(pl.col("draw") == "gold").sort(PAIR)])
    judgments = grade_pairs(bench.world, asked, n_graders=bench.config.overlap, seed=bench.seed)
    again = _graded_again(bench, samples.filter(pl.col("draw") == "repeat"), judgments)
    one_by_one = graded.sample(bench.config.endpoint_pairs, seed=bench.seed)
    by_hand = judgments.join(one_by_one, on=["query_id", "pin_id"], how="semi")
    ready = judgments.join(one_by_one, on=["query_id", "pin_id"], how="anti")
    bench.server.wait_ready(progress=progress)
    with open_desk(bench.root, server=bench.server) as desk:
        pushed = push(
            desk,
            bench.read("queries"),
            bench.read("pins"),
            samples,
            overlap=bench.config.overlap,
            finished=ready,
            progress=progress,
        )
        if pushed.n_unsent:  # an earlier run was killed between a task and its annotations
            submit(desk, ready, progress=progress)
        submit(desk, by_hand, progress=progress)
        if again.height:
            submit(desk, again, repeats=True, progress=progress)
        pulled = pull(desk, progress=progress)
        write_pulled(bench.workspace, desk.store, pulled)
    bench.write("judgments", pulled.judgments, inputs=("samples", "queries", "pins"))
    bench.write("repeats", pulled.repeats, inputs=("samples", "queries", "pins"))
    people = pulled.judgments["annotator"].n_unique()
    ways = pulled.by_source
    rejected = f" · {pulled.rejected.height} rejected" if pulled.rejected.height else ""
    return (
        f"{pushed.n_pairs:,} pairs in {len(pushed.projects)} projects · "
        f"{ways['endpoint']:,} judgments of {people} annotators one by one · "
        f"{ways['import']:,} imported · {pulled.repeats.height:,} repeated · all pulled{rejected}"
    )


def adjudicate(bench: Bench, progress: Progress) -> str:
    """Turns judgments into trusted grades, and looks at those who made them.

    Gold pairs teach the adjudicator what annotators are like; their grades were known, so they are
    no trusted grades of people, and queries of which nothing else is graded stay out of the qrels.
    """
    import polars as pl

    from annotation.adjudicate import adjudicated
    from evaluation.agreement import agreement

    progress(0, 3, "adjudication")
    judgments, queries, gold = (bench.read(name) for name in ("judgments", "queries", "gold"))
    found = adjudicated(judgments, "auto", gold=gold)
    qrels = found.qrels().filter(pl.col("method") != "gold")
    bench.write("qrels", qrels, inputs=("judgments", "gold"))
    progress(1, 3, "agreement")
    results = agreement(judgments, queries, by="country", seed=bench.seed)
    bench.write_results("agreement", results, inputs=("judgments", "queries"))
    progress(2, 3, "annotators, disputes")
    said = _quality(bench, judgments, gold, found)
    row = results.find("alpha(ordinal)")
    alpha = figure(row.value, row.ci_low, row.ci_high) if row else "undefined"
    return f"{len(qrels):,} trusted grades ({found.method}) · α ordinal {alpha} · {said}"


def _quality(bench: Bench, judgments: pl.DataFrame, gold: pl.DataFrame, found: Adjudication) -> str:
    """Writes scorecards and the seniors' queue; returns what they come to."""
    from annotation.graders import scorecards
    from annotation.graders.rows import card_table
    from annotation.queue import doubts, senior_queue
    from app.commands.annotation.queue import Purpose, write_queue
    from relevance.grades import FIVE

    cards = scorecards(judgments, bench.read("repeats"), gold, level=LEVEL, adjudication=found)
    bench.write(
        "results-graders",
        card_table(cards),
        inputs=("judgments", "repeats", "gold"),
        config={"level": LEVEL},
    )
    waiting = senior_queue(doubts(judgments, found, FIVE, gold=gold), samples=bench.read("samples"))
    write_queue(waiting, bench.workspace, Purpose.SENIOR, {}, command=COMMAND)
    flagged = sum(bool(card.flags) for card in cards)
    minutes = waiting["seconds"].sum() / 60
    return (
        f"{len(cards)} annotators, {flagged or 'nobody'} to talk to; "
        f"{waiting.height} disputes ({minutes:.0f} min) wait for a senior"
    )


def _graded_again(bench: Bench, repeated: pl.DataFrame, judgments: pl.DataFrame) -> pl.DataFrame:
    """What the people who graded these pairs say when they see them a second time."""
    import polars as pl

    from relevance.world import grade_pairs

    languages = bench.world.queries.select("query_id", "language")
    parts = [judgments.clear()]
    for (language,), pairs in repeated.join(languages, on="query_id").group_by(
        "language", maintain_order=True
    ):
        readers = sum(language in grader.languages for grader in bench.world.graders)
        everybody = grade_pairs(bench.world, pairs, n_graders=readers, seed=bench.seed + 1)
        parts.append(everybody.join(judgments, on=[*PAIR, "annotator"], how="semi"))
    return pl.concat(parts)
