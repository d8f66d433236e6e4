"""`gradewise evaluation metrics` as a user meets it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from typer.testing import CliRunner

from app.commands.evaluation import app
from evaluation.metrics import METRICS


def printed(form: str) -> str:
    done = CliRunner().invoke(app, ["metrics", "--format", form])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_metric_is_listed_in_every_format() -> None:
    rows = json.loads(printed("json"))
    assert [row["metric"] for row in rows] == [m.spelling for m in METRICS.values()]
    auroc = next(row for row in rows if row["metric"] == "AUROC@t")
    assert (auroc["needs"], auroc["range"], auroc["better"]) == ("predictions", "0 … 1", "higher")
    assert next(row for row in rows if row["metric"] == "MAE")["better"] == "lower"
    table = list(csv.reader(io.StringIO(printed("csv"))))
    assert table[0] == list(rows[0])
    assert table[1:] == [list(row.values()) for row in rows]
    text = printed("text")
    assert all(metric.spelling in text for metric in METRICS.values())


def test_markdown_is_the_page_of_definitions() -> None:
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert printed("markdown") == page.read_text(encoding="utf-8")
