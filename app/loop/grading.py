"""From the world to trusted grades."""

from __future__ import annotations

import dataclasses
import json

from app.loop.bench import TRAINING_COUNTRY, Bench, figure
from relevance.files import atomic
from relevance.progress import Progress


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
    """Draws the pairs that people grade."""
    from annotation.sampling import SamplePlan, draw_samples

    plan = SamplePlan(
        measure=bench.config.evaluation_queries,
        training={TRAINING_COUNTRY: bench.config.training_queries},
        pool=bench.config.open_pairs,
    )
    progress(0, 1, "drawing")
    samples = draw_samples(bench.read("queries"), bench.read("pairs"), plan, seed=bench.seed)
    bench.write("samples", samples, inputs=("queries", "pairs"))
    counts = dict(samples["draw"].value_counts().iter_rows())
    return (
        f"{counts['training']:,} {TRAINING_COUNTRY} pairs to train · "
        f"{counts['measure']:,} pairs in all countries to evaluate · "
        f"{counts.get('pool', 0)} left for you"
    )


def annotate(bench: Bench, progress: Progress) -> str:
    """Grades the sample in Label Studio and pulls the judgments.

    Some pairs are answered one by one through the annotation endpoint, each grader with an account
    of their own; the other answers travel with their tasks.
    """
    import polars as pl

    from annotation.desk import open_desk
    from annotation.sync import pull, push, submit
    from relevance.world import grade_pairs

    samples = bench.read("samples")
    graded = samples.filter(pl.col("draw") != "pool").sort("query_id", "pin_id")
    judgments = grade_pairs(bench.world, graded, n_graders=bench.config.overlap, seed=bench.seed)
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
        pulled = pull(desk, progress=progress)
    bench.write("judgments", pulled.judgments, inputs=("samples", "queries", "pins"))
    people = pulled.judgments["annotator"].n_unique()
    ways = pulled.by_source
    rejected = f" · {pulled.rejected.height} rejected" if pulled.rejected.height else ""
    return (
        f"{pushed.n_pairs:,} pairs in {len(pushed.countries)} projects · "
        f"{ways['endpoint']:,} judgments of {people} annotators one by one · "
        f"{ways['import']:,} imported · all pulled{rejected}"
    )


def adjudicate(bench: Bench, progress: Progress) -> str:
    """Turns judgments into trusted grades, and measures how far annotators agree."""
    from annotation.adjudicate import adjudicate as settle
    from evaluation.agreement import agreement

    progress(0, 1, "agreement, adjudication")
    judgments, queries = bench.read("judgments"), bench.read("queries")
    qrels = settle(judgments, method="auto")
    bench.write("qrels", qrels, inputs=("judgments",))
    results = agreement(judgments, queries, by="country", seed=bench.seed)
    bench.write_results("agreement", results, inputs=("judgments", "queries"))
    row = results.find("alpha(ordinal)")
    alpha = figure(row.value, row.ci_low, row.ci_high) if row else "undefined"
    return f"{len(qrels):,} trusted grades ({qrels['method'][0]}) · α ordinal {alpha}"
