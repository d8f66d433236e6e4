"""What every stage of the loop works at: the workspace, the seed, the world, the server."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.settings import configure
from relevance.errors import SettingsError
from relevance.provenance import seen_queries
from relevance.results import Results
from relevance.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

    from annotation.server import LocalServer
    from relevance.world import World

COMMAND = "gradewise demo"
TRAINING_COUNTRY = "US"
LEVEL = 0.95
GRADE_METRICS = ("accuracy", "within1", "AUROC@3", "AUROC@4", "AUROC@5")
RANKING_METRICS = ("nDCG@20", "P@8")
RESULT_TABLES = tuple(
    f"results-{part}" for part in ("agreement", "grades", "ranking", "compare", "experiment")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """How much of the world people grade in the demo; section `[demo]` of gradewise.toml.

    Attributes:
        training_queries: US queries whose pairs are graded to train the teacher.
        evaluation_queries: Queries of each country whose pairs are graded to evaluate.
        open_pairs: Pairs of each country pushed without a grade, for a person to try.
        endpoint_pairs: Pairs whose graders answer one by one, as people do; the others' answers
            are imported with their tasks.
        overlap: Graders of a pair.
        gold_questions: Pairs of each country whose grade is known, hidden among the others; from
            fifty in all on gold calibrates the adjudication.
        repeats: Share of the pairs that the same people are asked again.
    """

    training_queries: int = 60
    evaluation_queries: int = 36
    open_pairs: int = 10
    endpoint_pairs: int = 100
    overlap: int = 3
    gold_questions: int = 20
    repeats: float = 0.01

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            least = 0 if field.name in ("open_pairs", "gold_questions", "repeats") else 1
            if getattr(self, field.name) < least:
                raise SettingsError(
                    f"[demo] {field.name} must be at least {least}, got {getattr(self, field.name)}"
                )
        if self.repeats >= 1:
            raise SettingsError(f"[demo] repeats must be a share below 1, got {self.repeats:g}")


@dataclass(frozen=True)
class Bench:
    """What every stage works at.

    Attributes:
        root: Folder of the workspace.
        seed: Seed of everything random.
        server: The Label Studio of this workspace; started and stopped by whoever runs the stages.
    """

    root: Path
    seed: int
    server: LocalServer

    @cached_property
    def workspace(self) -> Workspace:
        """The tables."""
        return Workspace(self.root)

    @cached_property
    def config(self) -> LoopConfig:
        """Section `[demo]`."""
        return configure(LoopConfig, "demo")

    @cached_property
    def world(self) -> World:
        """The built-in world of this seed."""
        from relevance.world import WorldConfig, make_world

        return make_world(configure(WorldConfig, "world", seed=self.seed))

    def read(self, name: str) -> pl.DataFrame:
        """The named table."""
        return self.workspace.read(name, made_by=f"{COMMAND} --workspace {self.root}")

    def write(
        self,
        name: str,
        frame: pl.DataFrame,
        *,
        inputs: tuple[str, ...] = (),
        config: Mapping[str, Any] | None = None,
        model: Path | None = None,
    ) -> None:
        """Writes the named table with its provenance; a model hands on the queries it has seen."""
        self.workspace.write(
            name,
            frame,
            command=COMMAND,
            inputs=self.workspace.hashes(*inputs),
            config=config,
            seed=self.seed,
            seen_queries=seen_queries(model) if model else (),
        )

    def write_results(self, part: str, results: Results, *, inputs: tuple[str, ...]) -> None:
        """Writes one part of the long table."""
        self.write(f"results-{part}", results.to_frame(), inputs=inputs, config={"level": LEVEL})


def training_qrels(bench: Bench) -> pl.DataFrame:
    """The trusted grades of the pairs that were drawn to train on."""
    import polars as pl

    drawn = bench.read("samples").filter(pl.col("draw") == "training")
    return bench.read("qrels").join(drawn, on=["query_id", "pin_id"], how="semi")


def figure(value: float | None, low: float | None, high: float | None, form: str = ".3f") -> str:
    """A figure with its interval, for a stage's summary."""
    if value is None:
        return "undefined"
    interval = "" if low is None or high is None else f" [{low:{form}}, {high:{form}}]"
    return f"{value:{form}}{interval}"
