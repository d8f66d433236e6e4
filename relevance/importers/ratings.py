"""Ratings from anywhere: CSV, JSON or Parquet with a row a rating, or a column a rater.

- Columns are found by the names they usually have, or said: `--query-column`, `--pin-column`,
  `--grade-column` (several: a column a rater), `--annotator-column`, `--time-column`.
- Grades: 1-5, or 0 up to at most 4, see `relevance.importers.five`; anything else must be said with
  `--scale` or `--grade-map`. What is none of the scale is set aside.
- Without an annotator's column the ratings are qrels, one a pair; else judgments.
- A rating that is there again counts once; of different ones by one annotator the latest does.
- Queries: the text is the id where there is none. Pins: title and description where there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from relevance.errors import InputError, TableError, did_you_mean
from relevance.grades import GradeScale
from relevance.importers.cells import text_of
from relevance.importers.grading import Grading, Rating, parse_grade_map
from relevance.importers.judged import build
from relevance.importers.raw_rows import RawFile, RawRow, read_raw
from relevance.importers.set_aside import Outcome

USUAL: Mapping[str, tuple[str, ...]] = {
    "query_id": ("query_id", "qid", "query.id", "query_no", "topic_id", "topic"),
    "text": (
        "query", "query_text", "query.text", "search_term", "search_query", "search", "keyword",
        "keywords", "term", "text", "q",
    ),
    "pin": (
        "pin_id", "pin", "doc_id", "docid", "document_id", "doc", "document", "product_id", "asin",
        "item_id", "item", "result_id", "result", "url", "pin.id", "doc.id", "document.id",
        "product.id", "item.id",
    ),
    "grade": ("grade", "rating", "score", "label", "relevance", "judgment", "judgement", "value"),
    "annotator": (
        "annotator", "rater", "judge", "assessor", "worker", "grader", "user", "annotator_id",
        "rater_id", "judge_id", "worker_id", "user_id", "user_email", "email", "judged_by",
        "rated_by", "completed_by", "user.email", "user.id", "user.name", "rater.id",
        "annotator.id", "annotator.email", "annotator.name",
    ),
    "time": ("created_at", "timestamp", "date", "time", "rated_at", "judged_at", "updated_at"),
    "comment": ("comment", "explanation", "note", "notes", "remark"),
    "seconds": ("seconds", "lead_time", "duration"),
    "country": ("country",),
    "language": ("language", "lang"),
    "segment": ("segment",),
    "title": ("title", "name", "doc.title", "document.title", "pin.title"),
    "description": ("description",),
    "image": ("image", "image_url"),
}  # fmt: skip
"""What a column is → the names that it usually has, the likeliest first."""

FLAGS = {
    "query_id": "--query-column",
    "text": "--query-column",
    "pin": "--pin-column",
    "grade": "--grade-column",
    "annotator": "--annotator-column",
    "time": "--time-column",
}
"""What a column is → the option that says which it is."""

_DETAILS = ("country", "language", "segment", "title", "description", "image")


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingOptions:
    """What a user says of a file of ratings; None = told from the file.

    Attributes:
        query_column: Id or text of the query.
        pin_column: Id of the document.
        grade_column: The rating; several with commas: a column a rater, named after him or her.
        annotator_column: Who rated.
        time_column: When.
        grade_map: What grades mean, such as `0=1,1=2,skip=cannot_judge`.
        scale: The scale that they are on.
    """

    query_column: str | None = None
    pin_column: str | None = None
    grade_column: str | None = None
    annotator_column: str | None = None
    time_column: str | None = None
    grade_map: str | None = None
    scale: GradeScale | None = None

    @property
    def given(self) -> list[str]:
        """The options that say something of the columns."""
        names = ("query", "pin", "grade", "annotator", "time")
        return [f"--{name}-column" for name in names if getattr(self, f"{name}_column")]

    def grading(self, levels: tuple[int, ...] = ()) -> Grading:
        """How grades become the five.

        Args:
            levels: Those that the file names.

        Raises:
            InputError: The map cannot be read, or stands beside a scale.
        """
        if self.grade_map is not None and self.scale is not None:
            raise InputError("--grade-map says what grades mean: leave out --scale")
        mapping = None if self.grade_map is None else parse_grade_map(self.grade_map)
        return Grading(scale=self.scale, mapping=mapping, levels=levels)


AS_FOUND = RatingOptions()
"""Nothing is said of the file."""


def read(path: Path, options: RatingOptions = AS_FOUND) -> Outcome:
    """The tables of a file of ratings.

    Args:
        path: The file.
        options: What is known of it.

    Raises:
        MissingInputError: It is not there.
        TableError: It cannot be read, a column is missing, or no rating is left.
    """
    file = read_raw(path)
    if not file.rows:
        raise TableError("the file has no rows", path=path, way_out="Give a file with rows")
    columns = columns_of(file, options)
    wide = [name.strip() for name in (options.grade_column or "").split(",")]
    if len(wide) > 1:
        grades = [_exact(file, name, "grade") for name in wide]
        return from_wide(file, columns, grades, options)
    ratings = [_rating(row, columns) for row in file.rows]
    return build(
        path,
        ratings,
        options.grading(),
        rejected=file.rejected,
        told=file.repaired,
        named="annotator" in columns,
    )


def from_wide(
    file: RawFile,
    columns: Mapping[str, str],
    raters: Sequence[str],
    options: RatingOptions,
    *,
    names: Mapping[str, str] | None = None,
    levels: tuple[int, ...] = (),
) -> Outcome:
    """The tables of a file that has a column a rater; an empty cell is no rating.

    Args:
        file: Its rows.
        columns: What a column is → its name.
        raters: The columns of the raters.
        options: What grades mean.
        names: Column → what its rater is called; else as the column.
        levels: Levels of the grades, if the kind of file says so.
    """
    told = dict(file.repaired)
    ratings = []
    for row in file.rows:
        for column in raters:
            cell = row.cells.get(column)
            if text_of(cell) is None:
                told["cells without a rating"] = told.get("cells without a rating", 0) + 1
                continue
            annotator = (names or {}).get(column, column)
            ratings.append(_rating(row, {**columns, "grade": column}, annotator))
    return build(file.path, ratings, options.grading(levels), rejected=file.rejected, told=told)


def _rating(row: RawRow, columns: Mapping[str, str], annotator: str | None = None) -> Rating:
    def cell(what: str) -> object:
        return row.cells.get(columns[what]) if what in columns else None

    return Rating(
        line=row.line,
        column=columns["grade"],
        query=cell("query_id"),
        text=cell("text"),
        pin=cell("pin"),
        annotator=annotator or cell("annotator"),
        grade=cell("grade"),
        time=cell("time"),
        comment=cell("comment"),
        seconds=cell("seconds"),
        details={name: cell(name) for name in _DETAILS if name in columns},
    )


def columns_of(file: RawFile, options: RatingOptions, *, graded: bool = True) -> dict[str, str]:
    """What a column is → its name.

    Args:
        file: Its rows.
        options: What the user says of them.
        graded: Whether columns hold the grade and who gave it, and not the query and Pin alone.

    Raises:
        TableError: One that is needed is not there, or two could be it.
    """
    said = {
        "text": options.query_column,
        "pin": options.pin_column,
        "grade": options.grade_column if "," not in (options.grade_column or "") else None,
        "annotator": options.annotator_column,
        "time": options.time_column,
    }
    found = {what: _exact(file, name, what) for what, name in said.items() if name}
    taken = set(found.values())
    plain = {_plain(name): name for name in reversed(file.columns)}
    for what, usual in USUAL.items():
        by_whom = what in ("grade", "annotator", "time", "comment", "seconds")
        if what in found or (what == "query_id" and "text" in found) or (by_whom and not graded):
            continue
        name = next((plain[n] for n in usual if plain.get(n, "") not in {"", *taken}), None)
        if name is not None:
            found[what] = name
            taken.add(name)
    apart = "," in (options.grade_column or "") or not graded
    if "query_id" not in found and "text" not in found:
        raise _missing(file, "query", "--query-column")
    for what in ("pin",) if apart else ("pin", "grade"):
        if what not in found:
            raise _missing(file, {"pin": "document", "grade": "grade"}[what], FLAGS[what])
    return found


def _exact(file: RawFile, name: str, what: str) -> str:
    """The column that is called so, blanks and letter case aside."""
    plain = {_plain(column): column for column in reversed(file.columns)}
    if _plain(name) not in plain:
        raise TableError(
            f"there is no column {name!r}",
            path=file.path,
            way_out=f"{did_you_mean(name, file.columns)} Say {FLAGS[what]} with one of "
            f"{', '.join(file.columns)}".strip(),
        )
    return plain[_plain(name)]


def _plain(name: str) -> str:
    return "_".join(name.replace("-", " ").replace("_", " ").split()).casefold()


def _missing(file: RawFile, what: str, flag: str) -> TableError:
    return TableError(
        f"no column is called like a {what}",
        path=file.path,
        way_out=f"Say {flag} with one of {', '.join(file.columns)}",
    )
