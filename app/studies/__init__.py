"""Studies on public data: the same functions as the commands, by folds, into docs/real-data.md.

Run one with `make real-data DATA=folder`, or `python -m app.studies --data folder --slice` for a
quarter of an hour's version. `study.py` says what is studied; everything else is shared.
"""
