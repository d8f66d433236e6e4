"""Which pair goes to which project, how often, and in which order."""

from __future__ import annotations

import json

import polars as pl
import pytest

from annotation.client.fake import FakeServer, Fault, KilledError
from annotation.sync.push import planned_rounds, push
from annotation.sync.status import status
from annotation.sync.store import REPEAT
from annotation.sync.verify import verify
from relevance.errors import InputError


def keys_of(server: FakeServer, project_id: int | None = None) -> list[str]:
    """Pair keys on the server, by task number."""
    return [
        server.tasks[number]["data"]["pair_key"]
        for number in sorted(server.tasks)
        if project_id in (None, server.tasks[number]["project"])
    ]


def with_draws(samples: pl.DataFrame, **draws: list[int]) -> pl.DataFrame:
    """Samples drawn to measure, and rows of them drawn again for other reasons."""
    parts = [samples.with_columns(draw=pl.lit("measure"))]
    parts += [samples[rows].with_columns(draw=pl.lit(draw)) for draw, rows in draws.items()]
    return pl.concat(parts)


def test_a_place_among_the_tasks_tells_nothing(make_desk, queries, pins):
    many = pl.DataFrame({"pin_id": [f"p{i:03}" for i in range(60)], "title": ["x"] * 60})
    pairs = pl.DataFrame({"query_id": ["q1"] * 60, "pin_id": many["pin_id"]})
    drawn = with_draws(pairs, gold=[], repeat=list(range(0, 60, 3)))
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, many, drawn, chunk=7)
    known = desk.store.pairs()
    order = [known[key] for key in keys_of(server)]
    again = [place for place, pair in enumerate(order) if pair.draw == REPEAT]
    assert len(order) == 80
    assert len(again) == 20
    assert [pair.pin_id for pair in order] != sorted(pair.pin_id for pair in order)
    assert 25 < sum(again) / len(again) < 55, "repeats are spread, neither first nor last"


def test_the_order_is_the_same_for_a_push_that_goes_on(make_desk, queries, pins, samples):
    server, twin = FakeServer([Fault.NONE] * 3 + [Fault.DEAD]), FakeServer()
    with pytest.raises(KilledError):
        push(make_desk(server), queries, pins, samples, chunk=2)
    push(make_desk(server), queries, pins, samples, chunk=2)
    push(make_desk(twin, "https://twin.example"), queries, pins, samples, chunk=5)
    for locale in (1, 2):
        assert keys_of(server, locale) == keys_of(twin, locale)


def test_a_repeat_is_shown_again_under_another_key(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    pushed = push(desk, queries, pins, with_draws(samples, repeat=[0, 5]))
    assert (pushed.n_pairs, len(set(keys_of(server)))) == (14, 14)
    pairs = desk.store.pairs().values()
    again = {(one.query_id, one.pin_id) for one in pairs if one.draw == REPEAT}
    assert again == set(samples[[0, 5]].rows())
    shown = [json.dumps({**t["data"], "pair_key": ""}) for t in server.tasks.values()]
    assert len(set(shown)) == 12, "a repeat looks like its first showing"
    assert push(desk, queries, pins, with_draws(samples, repeat=[0, 5])).n_new == 0


def test_more_annotators_are_asked_for_in_a_second_project(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    wanted = samples.with_columns(overlap=pl.Series([None, 5, 3, 4, 1] + [None] * 7, dtype=int))
    pushed = push(desk, queries, pins, wanted)
    extra = {(one.locale, one.purpose): one for one in pushed.sent}
    assert set(extra) == {
        ("en-US", "grade"),
        ("fr-FR", "grade"),
        ("en-US", "extra+1"),
        ("en-US", "extra+2"),
    }
    assert pushed.n_pairs == 14
    overlaps = {
        (one.locale, one.purpose): server.projects[one.project_id]["overlap"] for one in pushed.sent
    }
    assert overlaps["en-US", "grade"] == 3
    assert (overlaps["en-US", "extra+1"], overlaps["en-US", "extra+2"]) == (1, 2)
    twice = keys_of(server, extra["en-US", "extra+2"].project_id)
    assert [desk.store.pairs()[key].pin_id for key in twice] == ["p1"]
    assert pushed.projects["en-US"] == extra["en-US", "grade"].project_id
    assert push(desk, queries, pins, wanted).n_new == 0
    titles = [project["title"] for project in server.projects.values()]
    assert "gradewise en-US (extra+2)" in titles


def test_opinions_asked_for_before_count(make_desk, queries, pins, samples):
    """A queue asks for one more opinion again and again; each pair gets just that."""
    server = FakeServer()
    desk = make_desk(server)
    pair = samples.head(1)

    def asked() -> dict[str, int]:
        return {one.purpose: one.overlap for one in status(desk)}

    push(desk, queries, pins, pair)
    for wanted, projects in (
        (1, {"extra": 1}),
        (2, {"extra": 1, "extra+1": 1}),
        (3, {"extra": 1, "extra+1": 1, "extra+1/2": 1}),
        (5, {"extra": 1, "extra+1": 1, "extra+1/2": 1, "extra+2": 2}),
    ):
        queue = pair.with_columns(overlap=pl.lit(wanted))
        assert push(desk, queries, pins, queue, purpose="extra").n_new == 1
        assert push(desk, queries, pins, queue, purpose="extra").n_new == 0
        assert asked() == {"grade": 3, **projects}
        assert sum(projects.values()) == wanted
    first_round = pair.with_columns(overlap=pl.lit(9))
    push(desk, queries, pins, first_round)
    assert sum(asked().values()) == 9, "what was asked for in all projects is what was wanted"
    assert verify(desk).n_leftovers == 0


def test_seniors_and_further_opinions_have_projects_of_their_own(make_desk, queries, pins, samples):
    server = FakeServer()
    desk = make_desk(server)
    push(desk, queries, pins, samples)
    queue = samples.head(2).with_columns(overlap=pl.lit(3))
    senior = push(desk, queries, pins, queue, purpose="senior")
    assert [(one.purpose, one.n_new) for one in senior.sent] == [("senior", 2)]
    assert server.projects[senior.projects["en-US"]]["overlap"] == 1
    more = push(desk, queries, pins, samples.head(3), purpose="extra", overlap=2)
    assert server.projects[more.projects["en-US"]]["overlap"] == 2
    assert {one.purpose: one.n_pairs for one in status(desk) if one.locale == "en-US"} == {
        "grade": 8,
        "senior": 2,
        "extra": 3,
    }
    assert len(set(keys_of(server))) == 12
    with pytest.raises(InputError, match="Did you mean 'senior'"):
        push(desk, queries, pins, samples, purpose="seniors")


def test_a_locale_is_language_and_country_and_each_has_a_project(make_desk, pins):
    queries = pl.DataFrame(
        {
            "query_id": ["a", "b", "c", "d", "e"],
            "text": ["x"] * 5,
            "country": ["FR", None, "BR", None, "CA"],
            "language": ["fr", "ja", "pt-BR", None, "fr"],
        }
    )
    samples = queries.select("query_id").join(pins.select("pin_id").head(1), how="cross")
    pushed = push(make_desk(), queries, pins, samples)
    assert set(pushed.projects) == {"fr-FR", "ja", "pt-BR", "", "fr-CA"}


def test_a_new_project_has_the_fewest_people_that_its_samples_want(
    make_desk, queries, pins, samples
):
    wanted = samples.with_columns(overlap=pl.Series([2, 4] * 6))
    rounds = planned_rounds(make_desk(), queries, pins, wanted, overlap=None, purpose="grade")
    asked = {(one.purpose, one.overlap): len(one.showings) for one in rounds if "US" in one.locale}
    assert asked == {("grade", 2): 8, ("extra+2", 2): 4}
