"""`gradewise evaluation metrics`: every metric and how it is written."""

from __future__ import annotations

from app.output import Format, FormatOption, print_table


def metrics(form: FormatOption = Format.TEXT) -> None:
    """Every metric: how it is written, what it says, where it comes from.

    Markdown gives the whole page of definitions, docs/metrics.md:
    gradewise evaluation metrics --format markdown
    """
    import csv
    import json
    import sys

    from evaluation.metrics.document import OVERVIEW, overview, page

    rows = overview()
    if form is Format.JSON:
        dicts = [dict(zip(OVERVIEW, row, strict=True)) for row in rows]
        sys.stdout.write(json.dumps(dicts, ensure_ascii=False, indent=1) + "\n")
    elif form is Format.CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows([OVERVIEW, *rows])
    elif form is Format.MARKDOWN:
        sys.stdout.write(page())
    else:
        print_table(OVERVIEW, rows)
