"""`gradewise evaluation metrics`: every metric and how it is written."""

from __future__ import annotations

from app.output import Format, FormatOption, print_table


def metrics(form: FormatOption = Format.TEXT) -> None:
    """Every metric: how it is written, what it says, where it comes from.

    Example: gradewise evaluation metrics --format markdown
    """
    import csv
    import json
    import sys

    from evaluation.metrics import METRICS, Metric
    from relevance.results import markdown_table

    header = ["metric", "needs", "range", "undefined", "meaning", "source"]
    needs = {"ranking": "runs", "pairs": "predictions", "threshold": "predictions"}

    def spelled(metric: Metric) -> str:
        options = f"({','.join(f'{name}=…' for name in metric.options)})" if metric.options else ""
        letter = "t" if metric.family == "threshold" else "k"
        cutoff = {"required": f"@{letter}", "optional": f"[@{letter}]", "none": ""}[metric.cutoff]
        return f"{metric.name}{f'[{options}]' if options else ''}{cutoff}"

    rows = [
        [
            spelled(m),
            needs[m.family],
            f"{m.low:g} … {'∞' if m.high is None else format(m.high, 'g')}",
            m.undefined,
            m.doc,
            m.source,
        ]
        for m in METRICS.values()
    ]
    if form is Format.JSON:
        dicts = [dict(zip(header, row, strict=True)) for row in rows]
        sys.stdout.write(json.dumps(dicts, ensure_ascii=False, indent=1) + "\n")
    elif form is Format.CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows([header, *rows])
    elif form is Format.MARKDOWN:
        sys.stdout.write(markdown_table(header, rows) + "\n")
    else:
        print_table(header, rows)
