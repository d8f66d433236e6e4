"""Label Studio's exports of projects that others made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relevance.errors import TableError
from relevance.importers import RatingOptions, label_studio
from relevance.importers.set_aside import Outcome


def choices(*values: str, control: str = "relevance") -> dict[str, Any]:
    return {"from_name": control, "to_name": "t", "type": "choices", "value": {"choices": values}}


def annotation(*result: dict[str, Any], by: Any = 3, day: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": 1, "completed_by": by, "was_cancelled": False, "lead_time": 4.5,
        "created_at": f"2025-03-{day:02}T10:00:00.000Z", "result": list(result),
    } | more  # fmt: skip


NOTE = {"from_name": "note", "type": "textarea", "value": {"text": ["5"]}}
FULL = [
    {
        "id": 1,
        "data": {"query": "red lamp", "product": {"id": "d1"}, "title": "Lamp"},
        "annotations": [
            annotation(choices("4"), by={"id": 3, "email": "a@x.org"}),
            annotation(by=4, was_cancelled=True),
            annotation(choices("4", "5"), by=5),
            annotation(choices("2"), NOTE, by=6),
            annotation(NOTE, by=7),
            annotation({"from_name": "relevance", "value": {"choices": ["7"]}}, by=8),
            "broken",
        ],
        "drafts": [{"result": [choices("1")]}],
        "predictions": [{"result": [choices("1")]}],
    },
    {"id": 2, "data": {"query": "red lamp", "product": {"id": "d2"}}, "annotations": []},
    {
        "id": 3,
        "data": {"query": "rug", "product": {"id": "d3"}},
        "annotations": [
            annotation({"from_name": "relevance", "value": {"rating": 5}}, day=2),
            annotation({"from_name": "relevance", "value": {"rating": 1}}, day=1),
            annotation({"from_name": "relevance", "value": {"taxonomy": [["3"]]}}, by=None),
            annotation(
                {"from_name": "relevance", "value": {"number": 2.0}}, by={"email": "b@x.org"}
            ),
        ],
    },
]


def read(tmp_path: Path, tasks: object, **options: Any) -> Outcome:
    (tmp_path / "ls.json").write_text(json.dumps(tasks, indent=0), encoding="utf-8")
    return label_studio.read(tmp_path / "ls.json", RatingOptions(**options))


def judged(made: Outcome) -> list[tuple[Any, ...]]:
    return sorted(
        made.tables["judgments"].select("query_id", "pin_id", "annotator", "grade").rows()
    )


def test_full_json(tmp_path: Path) -> None:
    made = read(tmp_path, FULL, grade_map="1=1,2=2,3=3,4=4,5=5")
    assert judged(made) == [
        ("red lamp", "d1", "user-3", 4),
        ("red lamp", "d1", "user-6", 2),
        ("rug", "d3", "rater-01", 2),
        ("rug", "d3", "unknown", 3),
        ("rug", "d3", "user-3", 5),
    ]
    by_line = sorted(made.rejected, key=lambda one: one.line)
    assert [(one.value, one.reason) for one in by_line] == [
        ("broken", "which is no object"),  # the line of its task
        ("", "skipped"),
        ("4 | 5", "with more than one grade"),
        ("", "without grade"),
        ("7", "with a grade that is none of the scale"),
        ("1", "replaced by a later grade"),
    ]
    lines = (tmp_path / "ls.json").read_text().split("\n")
    assert {lines[one.line - 1] for one in made.rejected} == {"{"}
    assert by_line[-1].detail.removesuffix(" counts").removeprefix("line ").isdecimal()
    told = made.summary()
    assert {"1 drafts left out", "1 predictions left out", "1 tasks without an annotation"} <= {
        *told
    }
    assert made.tables["judgments"]["seconds"].unique().to_list() == [4.5]
    assert made.tables["pins"].rows()[0] == ("d1", "Lamp")


def test_json_min(tmp_path: Path) -> None:
    usual = {"query": "red lamp", "sku": "d1", "id": 1, "annotator": 3, "annotation_id": 5}
    rows = [
        usual | {"relevance": "4", "updated_at": "2025-03-01T10:00:00Z", "lead_time": 4.0},
        usual | {"relevance": {"choices": ["4", "5"]}, "annotator": 4},
        usual | {"relevance": [{"rating": 5}], "sku": "d2"},
        usual | {"sku": "d3"},
    ]
    made = read(tmp_path, rows, pin_column="sku")
    assert judged(made) == [("red lamp", "d1", "user-3", 4), ("red lamp", "d2", "user-3", 5)]
    assert [one.reason for one in made.rejected] == ["with more than one grade", "without grade"]
    (tmp_path / "min.json").write_text(json.dumps(rows), encoding="utf-8")
    short = label_studio.read(tmp_path / "min.json", RatingOptions(pin_column="sku"))
    assert [one.line for one in short.rejected] == [2, 4]  # all on one line: their numbers


def test_which_control_is_the_grade(tmp_path: Path) -> None:
    data = {"query": "q", "doc_id": "d"}
    one = [{"data": data, "annotations": [annotation(choices("5", control="how"))]}]
    assert judged(read(tmp_path, one)) == [("q", "d", "user-3", 5)]
    two = [annotation(choices("5", control="how"), choices("1", control="why"))]
    both = [{"data": data, "annotations": two}]
    with pytest.raises(
        TableError, match=r"unclear which control .* --grade-column with one of how"
    ):
        read(tmp_path, both)
    assert judged(read(tmp_path, both, grade_column="how")) == [("q", "d", "user-3", 5)]
    with pytest.raises(TableError, match=r"no control is called 'what'\. Say --grade-column"):
        read(tmp_path, both, grade_column="what")


def test_what_is_no_export_of_others(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="this is not Label Studio's export"):
        read(tmp_path, [{"query": "q", "rating": 5}])
    own = [{"data": {"pair_key": "ab", "query": "q"}, "annotations": [annotation(choices("5"))]}]
    with pytest.raises(TableError, match=r"gradewise's own.*gradewise annotation pull"):
        read(tmp_path, own)
    lost = [{"data": {"words": "q"}, "annotations": [annotation(choices("5"))]}]
    with pytest.raises(TableError, match=r"no column is called like a query\. Say --query-column"):
        read(tmp_path, lost)
    (tmp_path / "x.json").write_text("{", encoding="utf-8")
    with pytest.raises(TableError, match="line 1: not JSON"):
        label_studio.read(tmp_path / "x.json")
