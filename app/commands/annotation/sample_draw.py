"""The draw of `gradewise annotation sample`: made, told, and then written."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.commands.annotation.sample_forecast import Evidence, intervals, query_figures, report
from app.commands.annotation.sample_inputs import table
from app.commands.annotation.sample_plan import (
    Asked,
    candidates_of,
    costs_of,
    design_of,
    frame_of,
    read_files,
    unseen,
)

if TYPE_CHECKING:
    import polars as pl

    from annotation.sampling.costs import Costs
    from annotation.sampling.drawing import Design, Drawn
    from annotation.sampling.forecast import Expected
    from annotation.sampling.frame import Frame
    from relevance.workspace import Workspace


class Draw:
    """A draw, made but not written.

    Attributes:
        frame: The candidates.
        report: Cost and expected intervals, one row a country.
        notes: What is worth knowing.
        n_drawn: Pairs drawn, without gold questions and repeats.
    """

    def __init__(self, space: Workspace, asked: Asked, level: float) -> None:
        self.space, self.asked = space, asked
        self.queries = space.read("queries", made_by="gradewise data import, or gradewise demo")
        self.old = space.read("samples") if asked.append and space.has("samples") else None
        self.predictions = self._given(asked.predictions, "predictions")
        self.judgments = self._given(asked.judgments, "judgments", own=True)
        candidates, runs, paths = candidates_of(space, asked)
        frame = frame_of(space, asked, candidates, self.queries, self.old)
        frame = unseen(frame, paths) if asked.draw == "measure" else frame
        self.frame = self._sized(frame)
        evidence = Evidence(runs, self._given(asked.past, "qrels", own=True), self.predictions)
        costs = costs_of(asked, self.queries, self.judgments, self._strata())
        design = design_of(asked, costs)
        self.drawn: Drawn | None = None
        widths: dict[str, dict[str, Expected]] = {}
        if asked.active:
            main = new = self._trained(design)
            known, told = main.clear(), self.frame.notes
        else:
            self.drawn = self._measured(design, evidence)
            widths = intervals(self.drawn, evidence, level, asked.seed)
            main, new, known = self.drawn.samples, self.drawn.new, self.drawn.known
            told = (*self.drawn.notes, *_cautions(self.drawn, asked))
        hidden, few = self._hidden(new, costs)
        self.n_drawn, self.parts = main.height, [main, *hidden]
        self.notes = [*told, *few, *_basis(costs, evidence, asked)]
        self.report = self._report([new, *hidden], known, costs, widths)

    def write(self) -> None:
        """Writes the table `samples`."""
        from annotation.sampling.merging import merged

        parts = self.parts
        if self.asked.overlap is None and not self.asked.adaptive:
            parts = [part.drop("overlap") for part in parts]
        self.space.write(
            "samples",
            merged(self.old, parts),
            command="annotation sample",
            inputs=read_files(self.space, self.asked),
            config=_config(self.asked),
            seed=self.asked.seed,
        )

    def write_frame(self, path: Path) -> None:
        """Writes the pairs that could be drawn, with what they were drawn by."""
        from relevance.tables import write_table

        rows = self.frame.rows
        if self.drawn is not None:
            rows = self.drawn.frame.rows
            rows = rows.filter(rows["probability"] > 0)
        names = ["query_id", "pin_id", "stratum", "probability", "size", "judged", "drawn"]
        write_table(rows.select(name for name in names if name in rows.columns), path, "pairs")

    def _given(self, name: str | None, kind: str, *, own: bool = False) -> pl.DataFrame | None:
        """The table that an option names; the workspace's own one without, if it may be used."""
        if name is not None:
            return table(self.space, name, kind)
        return self.space.read(kind) if own and self.space.has(kind) else None

    def _strata(self) -> pl.DataFrame:
        import polars as pl

        finest = pl.col(f"stratum {self.frame.depth}").alias("stratum")
        return self.frame.rows.select("query_id", finest).unique()

    def _sized(self, frame: Frame) -> Frame:
        """The frame with the sizes that pairs are drawn in proportion to."""
        import polars as pl

        from annotation.sampling.uncertainty import sizes_of

        if self.asked.size is None:
            return frame
        sizes = sizes_of(
            frame.rows.drop("size"),
            self.asked.size,
            predictions=self.predictions,
            rank_weight=self.asked.rank_weight or "none",
        )
        return replace(frame, rows=frame.rows.with_columns(pl.Series("size", sizes)))

    def _measured(self, design: Design, evidence: Evidence) -> Drawn:
        from annotation.sampling.drawing import draw

        return draw(self.frame, design, self._figures(evidence))

    def _figures(self, evidence: Evidence) -> pl.DataFrame | None:
        """What Neyman's allocation rests on."""
        import polars as pl

        from annotation.sampling.moments import moments

        if self.asked.allocate != "neyman" or not evidence.text:
            return None
        measure = self.asked.measure or "P@8"
        if self.asked.whole:
            found = list(query_figures(evidence, measure, self.asked.seed).values())
            return found[0] if found else None
        own = moments(
            self.frame.rows, measure, past=evidence.past, predictions=evidence.predictions
        )
        return self.frame.rows.select(
            "query_id",
            "pin_id",
            pl.Series("mean", own.weight * own.mean),
            pl.Series("noise", own.weight**2 * own.noise),
        ).filter(pl.col("mean").is_not_nan())

    def _trained(self, design: Design) -> pl.DataFrame:
        from annotation.sampling.active import draw_training

        tables = ("query_embeddings", "pin_embeddings")
        there = all(self.space.has(name) for name in tables)
        embeddings = (self.space.read(tables[0]), self.space.read(tables[1])) if there else None
        student = self._given(self.asked.student, "predictions")
        assert self.predictions is not None  # `check` asks for it
        return draw_training(self.frame, design, self.predictions, student, embeddings)

    def _hidden(
        self, new: pl.DataFrame, costs: Costs
    ) -> tuple[list[pl.DataFrame], tuple[str, ...]]:
        """Gold questions and repeats."""
        import polars as pl

        from annotation.sampling.hidden import draw_gold, draw_repeats

        parts: list[pl.DataFrame] = []
        told: tuple[str, ...] = ()
        if self.asked.gold is not None:
            rows = self.space.read("gold", made_by="an editor (query_id, pin_id, grade)")
            seen = [frame.select("query_id", "pin_id") for frame in (self.old, self.judgments)
                    if frame is not None]  # fmt: skip
            avoid = pl.concat(seen) if seen else None
            found, told = draw_gold(
                rows, self.queries, new, costs, avoid=avoid, seed=self.asked.seed
            )
            parts.append(found)
        if costs.repeats:
            parts.append(draw_repeats(new, self.queries, costs.repeats, seed=self.asked.seed))
        return parts, told

    def _report(
        self,
        sent: list[pl.DataFrame],
        known: pl.DataFrame,
        costs: Costs,
        widths: dict[str, dict[str, Expected]],
    ) -> list[dict[str, Any]]:
        import polars as pl

        from annotation.sampling.costs import bills

        rows = pl.concat([part.select("query_id", "draw", "overlap") for part in sent])
        return report(bills(rows, known, self.queries, costs.pace), widths)


def _cautions(drawn: Drawn, asked: Asked) -> list[str]:
    """What to beware of in estimates from the draw."""
    rows, told = drawn.frame.rows, []
    again = rows.filter(rows["asked"] & rows["drawn"]).height
    if again:
        told.append(f"{again:,} pairs were drawn before for {asked.draw}: they are certain now")
    if asked.size is not None and asked.draw == "measure":
        told.append("pairs drawn by size serve P@k, DCG@k and accuracy; for nDCG draw queries")
    return told


def _basis(costs: Costs, evidence: Evidence, asked: Asked) -> list[str]:
    """What cost and intervals rest on, in words."""
    pace = ", ".join(f"{name} {value:.1f} s" for name, value in costs.pace.languages.items())
    told = [
        f"a judgment takes {costs.pace.default:.1f} s"
        + (f" ({pace})" if pace else "")
        + (", as past judgments show" if costs.pace.measured else "")
        + ("" if costs.pace.measured or asked.seconds else ", assumed")
    ]
    if asked.active:
        return told
    if evidence.text:
        return [*told, f"intervals to expect rest on {evidence.text}"]
    told.append("no interval can be told: --past or --predictions show how figures vary")
    if asked.allocate == "neyman":
        told.append("nothing tells how figures vary: allocated in proportion to the strata's sizes")
    return told


def _config(asked: Asked) -> dict[str, Any]:
    """The options that made the draw, for the provenance."""
    given = {key: value for key, value in asdict(asked).items() if value not in (None, (), False)}
    return {"runs": list(asked.run), **{key: given[key] for key in given if key != "run"}}
