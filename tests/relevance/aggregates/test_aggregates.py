"""Board titles and engaged queries from logs: window, thresholds, privacy, languages, order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relevance.aggregates import (
    BOARDS,
    ENGAGEMENTS,
    AggregateConfig,
    aggregate,
    open_log,
    with_texts,
)
from relevance.errors import InputError, MissingInputError, TableError

START = datetime(2026, 1, 1, tzinfo=UTC)


def _saves(*rows: tuple[str, str, int, str], day: int = 0) -> pl.DataFrame:
    """Pin, title, users who saved it under that title, language."""
    return pl.DataFrame(
        [
            {
                "pin_id": pin,
                "user_id": f"{title}-{user}",
                "board_title": title,
                "saved_at": START + timedelta(days=day),
                "language": language,
            }
            for pin, title, users, language in rows
            for user in range(users)
        ]
    )


def _texts(log: pl.DataFrame, **options: object) -> dict[str, str]:
    found, _ = aggregate(log.lazy(), BOARDS, AggregateConfig(**options))  # type: ignore[arg-type]
    return dict(found.select("pin_id", "text").iter_rows())


def test_what_most_users_wrote_comes_first_and_every_script_is_read() -> None:
    log = _saves(
        ("p1", "Home office", 20, "en"),
        ("p1", "Desk setup", 12, "en"),
        ("p2", "ベランダ菜園", 15, "ja"),
        ("p3", "Gâteau d'anniversaire", 15, "fr"),
    )
    texts = _texts(log)
    assert texts["p1"] == "home office · desk setup"
    assert texts["p2"] == "ベランダ菜園"
    assert texts["p3"].startswith("gâteau")


def test_the_window_ends_before_the_labels() -> None:
    log = pl.concat(
        [
            _saves(("p", "too old", 20, "en"), day=-800),
            _saves(("p", "just right", 20, "en"), day=-1),
            _saves(("p", "from the future", 20, "en"), day=0),
        ]
    )
    assert _texts(log, until=START, days=730) == {"p": "just right"}
    _, counts = aggregate(log.lazy(), BOARDS, AggregateConfig(until=START))
    assert (counts.n_events, counts.n_counted) == (60, 20)


def test_what_few_users_wrote_is_shown_nowhere_not_even_in_part() -> None:
    log = _saves(("p", "present for anna kowalska", 9, "en"), ("p", "present ideas", 30, "en"))
    assert _texts(log) == {"p": "present ideas"}
    assert "anna" in _texts(log, privacy_users=9)["p"]
    _, counts = aggregate(log.lazy(), BOARDS)
    assert counts.n_private > 0


def test_a_phrase_needs_users_of_the_pin_itself() -> None:
    log = _saves(("p1", "garden", 30, "en"), ("p2", "garden", 1, "en"), ("p2", "lamp", 10, "en"))
    assert _texts(log) == {"p1": "garden", "p2": "lamp"}


def test_one_busy_user_counts_once() -> None:
    one = _saves(("p", "spam title", 1, "en"))
    log = pl.concat([one] * 500)
    assert _texts(log, privacy_users=2) == {}


def test_judged_queries_do_not_tell_their_own_pin() -> None:
    rows = [
        {
            "pin_id": "p",
            "user_id": f"u{user}",
            "query": query,
            "engaged_at": START,
            "action": action,
        }
        for query in ("Oak  DESK", "small desk")
        for user in range(12)
        for action in ("save", "click")
    ]
    log = pl.DataFrame(rows).lazy()
    judged = pl.DataFrame({"pin_id": ["p"], "text": ["oak desk"]})
    assert aggregate(log, ENGAGEMENTS, without=judged)[0].row(0)[:2] == ("p", "small desk")
    config = AggregateConfig(actions=("save",))
    assert aggregate(log, ENGAGEMENTS, config)[1].n_counted == 24
    with pytest.raises(InputError, match="no event of the log has the action 'sav'"):
        aggregate(log, ENGAGEMENTS, AggregateConfig(actions=("sav",)))


@settings(max_examples=12)
@given(st.randoms(use_true_random=False), st.integers(1, 7))
def test_neither_the_order_of_the_log_nor_its_parts_matter(random, rows) -> None:  # type: ignore[no-untyped-def]
    log = _saves(
        *((f"p{pin}", title, 3 + pin, "en") for pin in range(3) for title in ("a b", "b c", "lamp"))
    )
    order = list(range(log.height))
    random.shuffle(order)
    expected = _texts(log, privacy_users=3)
    assert _texts(log[order], privacy_users=3, rows_at_once=rows) == expected
    assert expected


def test_texts_replace_those_of_the_pins() -> None:
    pins = pl.DataFrame({"pin_id": ["a", "b"], "board_titles": ["old", "old"], "title": ["x", "y"]})
    texts = pl.DataFrame({"pin_id": ["b"], "text": ["new"]})
    found = with_texts(pins, texts, BOARDS)
    assert found.columns == pins.columns
    assert found["board_titles"].to_list() == [None, "new"]
    with pytest.raises(InputError, match="none of the 1 Pins of the board_saves"):
        with_texts(pins, texts.with_columns(pin_id=pl.lit("z")), BOARDS)


def test_logs_are_streamed_from_files_and_folders(tmp_path: Path) -> None:
    log = _saves(("p", "home office", 12, "en"))
    log.write_parquet(tmp_path / "one.parquet")
    log.write_csv(tmp_path / "log.csv")
    for path in (tmp_path / "one.parquet", tmp_path, tmp_path / "log.csv"):
        assert aggregate(open_log(path, BOARDS), BOARDS)[0]["text"].to_list() == ["home office"]
    with pytest.raises(MissingInputError, match="an export of your saves"):
        open_log(tmp_path / "nowhere.parquet", BOARDS)
    log.rename({"board_title": "board_titel"}).write_parquet(tmp_path / "one.parquet")
    with pytest.raises(TableError, match=r"column board_title is missing. Did you mean"):
        open_log(tmp_path / "one.parquet", BOARDS)
    log.with_columns(saved_at=pl.lit("x")).write_parquet(tmp_path / "one.parquet")
    with pytest.raises(TableError, match="saved_at must be a column of times"):
        open_log(tmp_path / "one.parquet", BOARDS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"days": 0}, "days must be at least 1"),
        ({"generic_share": 0.0}, "generic_share must be above 0"),
        ({"rows_at_once": 0}, "rows_at_once must be at least 1"),
    ],
)
def test_figures_out_of_range_are_told(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AggregateConfig(**options)  # type: ignore[arg-type]


def test_an_empty_log_has_no_text() -> None:
    found, counts = aggregate(_saves(("p", "x", 1, "en"))[:0].lazy(), BOARDS)
    assert found.is_empty()
    assert (counts.n_events, counts.since) == (0, None)
