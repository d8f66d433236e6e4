"""`gradewise teacher bases`: what a teacher can start from."""

from __future__ import annotations

from app.output import Format, FormatOption, print_table


def bases(*, form: FormatOption = Format.TEXT) -> None:
    """The base models a teacher can start from, and where their weights are.

    gradewise teacher bases
    """
    import csv
    import json
    import sys

    from relevance.results import markdown_table
    from relevance.teacher.bases import BASES
    from relevance.teacher.weights import describe_source

    header = ["name", "parameters", "layers", "languages", "licence", "weights"]
    rows = [
        [
            base.name,
            f"{base.parameters / 1e6:.1f} M",
            str(base.kept_layers or "all"),
            base.languages,
            base.licence,
            source,
        ]
        for base, source in ((base, describe_source(base)) for base in BASES.values())
    ]
    if form is Format.JSON:
        print(json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=1))
    elif form is Format.CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows([header, *rows])
    elif form is Format.MARKDOWN:
        print(markdown_table(header, rows))
    else:
        print_table(header, rows)
