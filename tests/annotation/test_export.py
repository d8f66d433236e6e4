from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.export import Context, export
from annotation.tasks import annotation_result
from relevance.grades import ESCI

CONTEXT = Context(
    pairs={"k1": ("q1", "p1"), "k2": ("q2", "p2")},
    annotators={5: "ann", 6: "bob"},
    project_id=3,
    guideline_version="abcd1234",
)

# As Label Studio 1.23.2 returned it (tasks with fields=all), ids shortened.
GOLDEN = json.loads("""[
 {"id": 11, "data": {"pair_key": "k1", "query": "boho rug"}, "annotations": [
  {"id": 1, "result": [{"from_name": "relevance", "to_name": "title", "type": "choices",
    "value": {"choices": ["4"]}, "id": "aBc", "origin": "manual"},
    {"from_name": "comment", "to_name": "title", "type": "textarea",
    "value": {"text": ["near", "miss"]}}],
   "completed_by": 5, "was_cancelled": false, "created_at": "2026-11-23T14:44:56.754068Z",
   "lead_time": 3.2, "import_id": null},
  {"id": 2, "result": [{"from_name": "relevance", "to_name": "title", "type": "choices",
    "value": {"choices": ["cannot_judge"]}}],
   "completed_by": {"id": 6, "email": "bob@example.org"}, "was_cancelled": false,
   "created_at": "2026-11-23T14:45:00Z", "lead_time": null, "import_id": 2305843009213693953}]},
 {"id": 12, "data": {"pair_key": "k2", "query": "cake"}, "annotations": []}
]""")


def annotation(**changes):
    return {
        "id": 1,
        "result": annotation_result({"grade": 3}),
        "completed_by": 5,
        "was_cancelled": False,
        "created_at": "2026-11-23T14:45:00Z",
        "lead_time": 2.0,
        "import_id": None,
        **changes,
    }


def task(*annotations, key="k1"):
    return {"id": 11, "data": {"pair_key": key}, "annotations": list(annotations)}


def choice(*grades):
    return [{"from_name": "relevance", "type": "choices", "value": {"choices": list(grades)}}]


def test_golden():
    exported = export(GOLDEN, CONTEXT)
    assert exported.rejected.height == 0
    assert exported.judgments.to_dicts() == [
        {
            "query_id": "q1",
            "pin_id": "p1",
            "annotator": "ann",
            "grade": 4,
            "flag": None,
            "comment": "near\nmiss",
            "seconds": 3.2,
            "created_at": datetime(2026, 11, 23, 14, 44, 56, 754068, tzinfo=UTC),
            "guideline_version": "abcd1234",
            "source": "endpoint",
        },
        {
            "query_id": "q1",
            "pin_id": "p1",
            "annotator": "bob",
            "grade": None,
            "flag": "cannot_judge",
            "comment": None,
            "seconds": None,
            "created_at": datetime(2026, 11, 23, 14, 45, tzinfo=UTC),
            "guideline_version": "abcd1234",
            "source": "import",
        },
    ]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (annotation(result=choice("9")), "unknown grade: it must be 1-5 or cannot_judge"),
        (annotation(result=choice("77")), "unknown grade"),
        (annotation(result=choice("good")), "unknown grade"),
        (annotation(result=choice("²")), "unknown grade"),
        (annotation(result=choice("4", "5")), "more than one grade"),
        (annotation(result=choice("4") + choice("5")), "more than one grade"),
        (annotation(result=[]), "no grade"),
        (annotation(result=None), "no result"),
        (annotation(result=["x"]), "a result that is not Label Studio's"),
        (annotation(completed_by=None), "no annotator"),
        (annotation(completed_by=99), "no annotator"),
        (annotation(created_at=None), "no time"),
    ],
)
def test_what_cannot_be_a_judgment_is_set_aside_with_its_reason(found, reason):
    exported = export([task(found)], CONTEXT)
    assert exported.judgments.height == 0
    row = exported.rejected.row(0, named=True)
    assert row["reason"].startswith(reason)
    assert (row["query_id"], row["project_id"], row["task_id"], row["annotation_id"]) == (
        "q1", 3, 11, 1,
    )  # fmt: skip


def test_an_unknown_pair_is_set_aside():
    exported = export(
        [task(annotation(), key="?"), {"id": 1, "annotations": [annotation()]}], CONTEXT
    )
    assert exported.judgments.height == 0
    assert exported.rejected["reason"].str.starts_with("unknown pair").to_list() == [True, True]


def test_a_skipped_pair_is_an_abstention():
    row = export([task(annotation(was_cancelled=True, result=[]))], CONTEXT).judgments.row(
        0, named=True
    )
    assert (row["grade"], row["flag"]) == (None, "skipped")


def test_the_latest_judgment_wins_and_the_former_is_kept_as_a_repeat():
    early = annotation(id=8, created_at="2026-01-01T00:00:00Z", result=choice("1"))
    late = annotation(id=7, created_at="2026-01-02T00:00:00Z", result=choice("5"))
    for order in ((early, late), (late, early)):
        exported = export([task(*order)], CONTEXT)
        assert exported.judgments["grade"].to_list() == [5]
        assert exported.rejected["annotation_id"].to_list() == [8]
        assert "repeat" in exported.rejected["reason"][0]


def test_another_scale():
    context = Context(CONTEXT.pairs, CONTEXT.annotators, scale=ESCI)
    assert export([task(annotation(result=choice("3")))], context).judgments.height == 0
    assert export([task(annotation(result=choice("2")))], context).judgments["grade"][0] == 2


def test_nothing_gives_empty_tables_of_the_same_columns():
    exported = export([], CONTEXT)
    assert exported.judgments.schema == export(GOLDEN, CONTEXT).judgments.schema
    assert exported.judgments.height == exported.rejected.height == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "choices", "text", "from_name", "id"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(st.lists(st.fixed_dictionaries({"id": st.integers(0, 99), "result": JSON}), max_size=4))
def test_every_annotation_is_a_judgment_or_set_aside(found):
    exported = export([task(*(annotation(**one) for one in found))], CONTEXT)
    assert exported.judgments.height + exported.rejected.height == len(found)
