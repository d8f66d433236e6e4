"""A BEIR data set: the folder with `corpus.jsonl`, `queries.jsonl` and `qrels/`.

- Grades: the scores of the qrels, usually 0 and 1 or 0 to 2, see `relevance.importers.five`.
- Qrels: `qrels/test.tsv`, else the one file that is there.
- Queries: those with qrels; `metadata` becomes columns (country, language, …).
- Pins: the whole corpus; `text` is the description.
- Pairs: every judged pair.

Each file may be zipped (`corpus.jsonl.gz`). Source: github.com/beir-cellar/beir; the licences are
the data sets' own.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relevance.errors import InputError, MissingInputError, TableError
from relevance.grades import TREC, GradeScale
from relevance.importers.five import to_five
from relevance.tables import read_table

FROM = "download a data set of github.com/beir-cellar/beir and unzip it"


def read(folder: Path, scale: GradeScale | None = None) -> dict[str, pl.DataFrame]:
    """The tables queries, pins, pairs and qrels of a BEIR folder.

    Args:
        folder: The folder.
        scale: The scale of its scores; None to take it from them.

    Raises:
        MissingInputError: A file is not in the folder.
        TableError: A file is broken, or a judged query or document is not there.
        InputError: There are several qrels and none is `test`, or too many grades.
    """
    path = _qrels_file(folder)
    graded = read_table(path, "qrels", scale=scale or TREC)
    queries = read_table(_file(folder, "queries.jsonl"), "queries")
    pins = read_table(_file(folder, "corpus.jsonl"), "pins")
    _refuse_unknown(graded, queries, "query_id", path, "queries.jsonl")
    _refuse_unknown(graded, pins, "pin_id", path, "corpus.jsonl")
    qrels = to_five(graded, scale, path).select(
        "query_id", "pin_id", "grade", method=pl.lit("human")
    )
    return {
        "queries": queries.join(qrels, on="query_id", how="semi"),
        "pins": pins,
        "pairs": qrels.select("query_id", "pin_id"),
        "qrels": qrels,
    }


def _file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise MissingInputError(folder / name, FROM)


def _qrels_file(folder: Path) -> Path:
    found = sorted(path for path in (folder / "qrels").glob("*.tsv*") if path.is_file())
    test = [path for path in found if path.name.split(".")[0] == "test"]
    chosen = test or found
    if len(chosen) > 1:
        names = ", ".join(path.name for path in chosen)
        raise InputError(f"{folder / 'qrels'} holds {names}. Leave one, or name one test.tsv")
    if not chosen:
        raise MissingInputError(folder / "qrels" / "test.tsv", FROM)
    return chosen[0]


def _refuse_unknown(
    qrels: pl.DataFrame, known: pl.DataFrame, key: str, path: Path, name: str
) -> None:
    unknown = qrels.join(known, on=key, how="anti")
    if unknown.height:
        raise TableError(
            f"{unknown[key].n_unique()} ids of the qrels are not in {name}",
            path=path,
            column=key,
            value=unknown[key][0],
            way_out="Take both files from the same release",
        )
