"""`gradewise data`: bring tables in, check, convert, complete and look at them."""

from __future__ import annotations

import typer

from app.commands.data.captions import captions
from app.commands.data.check import check
from app.commands.data.convert import convert
from app.commands.data.describe import describe
from app.commands.data.import_tables import import_
from app.commands.data.languages import languages
from app.commands.data.texts import texts

app = typer.Typer(
    help="Tables: import public data, check, convert, describe; complete the texts of Pins.",
    no_args_is_help=True,
)
app.command("import")(import_)
for _verb in (check, convert, describe, languages, texts, captions):
    app.command()(_verb)
