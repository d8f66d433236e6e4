from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.export import Context, read_tasks, time_of
from annotation.sync.settle import FOUND_SCHEMA, Rules, frame_of, settle
from annotation.sync.store import FormEntry, PairEntry
from annotation.tasks import annotation_result, pair_key
from relevance.grades import ESCI

PAIRS = {
    "k1": PairEntry("k1", "en-US", "q1", "p1", "measure"),
    "k2": PairEntry("k2", "en-US", "q2", "p2", "measure"),
}
CONTEXT = Context({5: "ann", 6: "bob"}, PAIRS, project_id=3, config_hash="form")
FORM = FormEntry(3, "en-US", "grade", "form", "abcd1234", datetime(2026, 11, 20, tzinfo=UTC))

# As Label Studio 1.23.2 returned it (tasks with fields=all), ids shortened.
GOLDEN = json.loads("""[
 {"id": 11, "data": {"pair_key": "k1", "query": "boho rug"},
  "updated_at": "2026-11-23T14:45:00.1Z", "annotations": [
  {"id": 1, "result": [{"from_name": "relevance", "to_name": "title", "type": "choices",
    "value": {"choices": ["4"]}, "id": "aBc", "origin": "manual"},
    {"from_name": "problems", "to_name": "title", "type": "choices",
    "value": {"choices": ["picture", "language"]}},
    {"from_name": "comment", "to_name": "title", "type": "textarea",
    "value": {"text": ["near", "miss"]}}],
   "completed_by": 5, "updated_by": 5, "was_cancelled": false,
   "created_at": "2026-11-23T14:44:56.754068Z", "updated_at": "2026-11-23T14:44:56.754068Z",
   "lead_time": 3.2, "import_id": null},
  {"id": 2, "result": [{"from_name": "relevance", "to_name": "title", "type": "choices",
    "value": {"choices": ["cannot_judge"]}}],
   "completed_by": {"id": 6, "email": "bob@example.org"}, "updated_by": null,
   "was_cancelled": false, "created_at": "2026-11-23T14:45:00Z",
   "updated_at": "2026-11-23T14:45:00Z", "lead_time": null, "import_id": 2305843009213693953}]},
 {"id": 12, "data": {"pair_key": "k2", "query": "cake"}, "annotations": []}
]""")


def settled(tasks, context=CONTEXT, **rules):
    rules = {"pairs": PAIRS, "forms": [FORM], "min_seconds": 0.5, **rules}
    return settle(frame_of(read_tasks(tasks, context)), Rules(**rules))


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
    tables = settled(GOLDEN)
    assert tables.rejected.height == tables.repeats.height == tables.rulings.height == 0
    common = {"query_id": "q1", "pin_id": "p1", "guideline_version": "abcd1234"}
    common |= {"purpose": "grade", "updated_by": None}
    assert tables.judgments.to_dicts() == [
        {
            **common,
            "annotator": "ann",
            "grade": 4,
            "flag": None,
            "problems": "picture\nlanguage",
            "comment": "near\nmiss",
            "seconds": 3.2,
            "created_at": datetime(2026, 11, 23, 14, 44, 56, 754068, tzinfo=UTC),
            "source": "endpoint",
        },
        {
            **common,
            "annotator": "bob",
            "grade": None,
            "flag": "cannot_judge",
            "problems": None,
            "comment": None,
            "seconds": None,
            "created_at": datetime(2026, 11, 23, 14, 45, tzinfo=UTC),
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
        (annotation(result=["x"]), "no result: it is not in Label Studio's form"),
        (annotation(completed_by=None), "no annotator: the account was deleted"),
        (annotation(completed_by=99), "no annotator"),
        (annotation(created_at=None), "no time"),
        (annotation(lead_time=0.2), r"too fast: 0.2 s, less than 0.5 s"),
        (annotation(updated_by=6), "changed by another person: bob"),
        (annotation(updated_by=99), "changed by another person: unknown"),
        (
            annotation(
                result=[
                    *choice("4"),
                    {"from_name": "problems", "value": {"choices": ["picture", "odd"]}},
                ]
            ),
            "unknown answer: to problems",
        ),
    ],
)
def test_what_cannot_be_a_judgment_is_set_aside_with_its_reason(found, reason):
    tables = settled([task(found)])
    assert tables.judgments.height == 0
    row = tables.rejected.row(0, named=True)
    assert row["reason"].startswith(reason)
    assert (row["query_id"], row["project_id"], row["task_id"], row["annotation_id"]) == (
        "q1", 3, 11, 1,
    )  # fmt: skip
    assert (row["pair_key"], row["purpose"], row["source"]) == ("k1", "grade", "endpoint")


def test_quarantine_says_what_was_found():
    tables = settled(
        [task(annotation(result=choice("9")), annotation(id=2, lead_time=0.1, completed_by=6))]
    )
    assert "'choices': ['9']" in tables.rejected["found"][0]
    assert tables.rejected["found"][1] == "3"


def test_an_unknown_pair_is_set_aside():
    tables = settled([task(annotation(), key="?"), {"id": 1, "annotations": [annotation(id=2)]}])
    assert tables.judgments.height == 0
    assert tables.rejected["reason"].str.starts_with("unknown pair").to_list() == [True, True]
    assert tables.rejected["pair_key"].to_list() == ["", "?"]


def test_a_skipped_pair_is_an_abstention_and_may_be_quick():
    skipped = annotation(was_cancelled=True, result=[], lead_time=0.1)
    row = settled([task(skipped)]).judgments.row(0, named=True)
    assert (row["grade"], row["flag"]) == (None, "skipped")


def test_the_latest_judgment_wins_and_the_former_is_kept_as_a_repeat():
    early = annotation(id=8, created_at="2026-01-01T00:00:00Z", result=choice("1"))
    late = annotation(id=7, created_at="2026-01-02T00:00:00Z", result=choice("5"))
    for order in ((early, late), (late, early)):
        tables = settled([task(*order)])
        assert tables.judgments["grade"].to_list() == [5]
        assert tables.rejected["annotation_id"].to_list() == [8]
        assert tables.rejected["reason"].to_list() == [
            "repeat: the annotator graded the pair again later"
        ]


def test_skipping_a_pair_later_takes_nothing_back():
    early = annotation(id=8, created_at="2026-01-01T00:00:00Z", result=choice("1"))
    late = annotation(id=9, created_at="2026-01-02T00:00:00Z", was_cancelled=True, result=[])
    tables = settled([task(early, late)])
    assert tables.judgments["grade"].to_list() == [1]
    assert tables.rejected["annotation_id"].to_list() == [9]


def test_a_task_edited_by_hand_is_told_from_the_one_that_was_pushed():
    key, data = b"secret", {"query": "rug", "title": "Rug", "image_html": ""}
    pairs = {}
    for draw, salt in (("measure", 0), ("repeat", 1), ("old", 0)):
        name = pair_key(key, "en-US", "q1", "p1", data, salt=salt) if draw != "old" else "gone"
        pairs[name] = PairEntry(name, "en-US", "q1", "p1", draw)
    context = Context({5: "ann"}, pairs, key)
    for name, pair in pairs.items():
        pushed = {"id": 1, "data": {"pair_key": name, **data}, "annotations": [annotation()]}
        edited = {**pushed, "data": {**pushed["data"], "title": "Tapis"}}
        moved = {**pushed, "data": {**pushed["data"], "image_html": "<img>"}}
        assert not read_tasks([pushed], context)[0].altered
        assert not read_tasks([moved], context)[0].altered
        assert read_tasks([edited], context)[0].altered == (pair.draw != "old")


def test_hostile_content_passes_as_text():
    half = "\ud800 and \x00"
    found = annotation(
        result=[*choice("4"), {"from_name": "comment", "value": {"text": [half]}}], lead_time=1e400
    )
    row = settled([task(found)]).judgments.row(0, named=True)
    assert row["comment"] == "? and \x00"
    assert row["seconds"] is None
    assert read_tasks([{"id": 1, "data": ["x"], "annotations": [found]}], CONTEXT)[0].pair_key == ""


def test_people_to_be_forgotten_are_not_looked_at():
    context = Context(CONTEXT.annotators, PAIRS, left_out=frozenset({6}))
    found = read_tasks([task(annotation(), annotation(id=2, completed_by={"id": 6}))], context)
    assert [one.annotation_id for one in found] == [1]


def test_another_scale():
    context = Context({5: "ann"}, PAIRS, project_id=3, config_hash="form", scale=ESCI)
    assert settled([task(annotation(result=choice("3")))], context).judgments.height == 0
    assert settled([task(annotation(result=choice("2")))], context).judgments["grade"][0] == 2


def test_times_compare_as_texts():
    whole, parts = time_of("2026-11-24T00:50:06Z"), time_of("2026-11-24T02:50:06.5+02:00")
    assert whole == "2026-11-24T00:50:06.000000+00:00"
    assert whole < parts
    assert time_of("yesterday") is None


def test_nothing_gives_empty_tables_of_the_same_columns():
    empty, full = settled([]), settled(GOLDEN)
    for name in ("judgments", "repeats", "rulings", "rejected"):
        assert getattr(empty, name).schema == getattr(full, name).schema
        assert getattr(empty, name).height == 0
    assert frame_of([]).schema == frame_of(read_tasks(GOLDEN, CONTEXT)).schema
    assert list(frame_of([]).columns) == list(FOUND_SCHEMA)


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
GIVEN = st.fixed_dictionaries(
    {
        "result": JSON | st.sampled_from([choice("4"), choice("cannot_judge"), []]),
        "was_cancelled": st.booleans(),
        "completed_by": st.sampled_from([5, 6, 99, None]),
        "updated_by": st.sampled_from([5, 6, None]),
        "lead_time": st.sampled_from([None, 0.1, 3]),
        "created_at": st.sampled_from([None, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00.5Z"]),
    }
)


@given(st.lists(GIVEN, max_size=6))
def test_every_annotation_is_in_a_table_or_set_aside(found):
    numbered = [annotation(**{**one, "id": number}) for number, one in enumerate(found)]
    tables = settled([task(*numbered)])
    assert tables.judgments.height + tables.rejected.height == len(found)
    assert tables.judgments.select(pl.struct("query_id", "pin_id", "annotator").is_unique().all())[
        0, 0
    ]
    assert tables.rejected["reason"].null_count() == 0
