"""Joined tables: the same figures as from two files, whatever the layout, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.joined import evaluate_joined
from evaluation.joined.file import open_joined
from evaluation.joined.making import join_tables, write_joined
from evaluation.ranking import evaluate_ranking
from relevance.errors import InputError, MissingInputError
from relevance.provenance import hash_query

METRICS = "nDCG@3,P@2,AP,RR,R@3,Judged@3"
PINS = ["a", "b", "B", "ä", "p10", "p9", "a long name of a Pin", "a long name of a Pim"]
IDS = ["q10", "q9", "é", "1", "01", "x"]

pins = st.lists(st.sampled_from(PINS), unique=True, min_size=1, max_size=6)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Runs of two systems, qrels and queries that overlap in part; scores that tie."""
    run, qrels = [], []
    for query in IDS:
        for system in ("s", "t"):
            returned = draw(pins) if draw(st.booleans()) else []
            scores = [draw(st.integers(-2, 2)) / 2 for _ in returned]
            run += [(system, query, p, s) for p, s in zip(returned, scores, strict=True)]
        judged = draw(pins) if draw(st.booleans()) else []
        qrels += [(query, pin, draw(st.integers(1, 5))) for pin in judged]
    run += [("s", "x", "a", 1.0)] if not [r for r in run if r[:3] == ("s", "x", "a")] else []
    run += [("t", "x", "a", 1.0)] if not [r for r in run if r[:3] == ("t", "x", "a")] else []
    qrels += [("x", "a", 4)] if not [r for r in qrels if r[:2] == ("x", "a")] else []
    countries = [draw(st.sampled_from(["US", "FR", None])) for _ in IDS[1:]]  # of all but x
    return (
        pl.DataFrame(sorted(run), schema=["system", "query_id", "pin_id", "score"], orient="row"),
        pl.DataFrame(qrels, schema=["query_id", "pin_id", "grade"], orient="row"),
        pl.DataFrame({"query_id": IDS, "country": [*countries, "US"], "traffic": [1.0] * len(IDS)}),
    )


@settings(deadline=None, max_examples=25)
@given(worlds(), st.sampled_from(["docid", "average"]), st.sampled_from([None, "zero"]))
def test_figures_are_those_of_the_two_files(
    world: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], ties: str, empty: str | None
) -> None:
    runs, qrels, queries = world
    same = {"metrics": METRICS, "by": "country", "ties": ties, "empty": empty, "reps": 50}
    joined = join_tables(runs, qrels, queries)
    there = queries.join(joined, on="query_id", how="semi")  # traffic is that of the file's queries
    apart = evaluate_ranking(runs, qrels, there, **same)
    assert evaluate_joined(joined, **same) == apart
    shuffled = joined.sample(fraction=1, shuffle=True, seed=1).sort("system", maintain_order=True)
    assert evaluate_joined(shuffled, **same) == apart
    assert evaluate_joined(joined.drop("country"), queries, **same) == evaluate_ranking(
        runs, qrels, queries, **same
    )


def table(**changes: list) -> pl.DataFrame:
    """Two queries: a returned and judged Pin, one judged only, one returned only, one of each."""
    columns = {
        "query_id": ["a", "a", "a", "b", "b"],
        "pin_id": ["x", "y", "z", "x", "y"],
        "score": [2.0, None, 1.0, 1.0, 3.0],
        "grade": [5, 4, None, 1, 5],
        "country": ["US", "US", "US", "FR", "FR"],
    }
    return pl.DataFrame({**columns, **changes})


def values(source: Path | pl.DataFrame, **options: object) -> dict[str, float | None]:
    results = evaluate_joined(source, **{"metrics": "nDCG@3,P@2", "reps": 0, **options})
    return {row.metric: row.value for row in results if row.group == "all"}


EXPECTED = {
    "nDCG@3": pytest.approx((4 / (4 + 3 / np.log2(3)) + 1) / 2),
    "P@2": 0.5,
    "Judged@3": 0.75,
    "Judged@2": 0.75,
}


def test_every_format_and_kind_of_id(tmp_path: Path) -> None:
    frame = table()
    assert values(frame) == EXPECTED
    frame.write_parquet(tmp_path / "j.parquet")
    frame.write_csv(tmp_path / "j.csv")
    frame.write_ndjson(tmp_path / "j.jsonl")
    for name in ("j.parquet", "j.csv", "j.jsonl"):
        assert values(tmp_path / name) == EXPECTED
    big = 2**62
    assert values(table(query_id=[big, big, big, big + 1, big + 1])) == EXPECTED
    assert values(frame.with_columns(pl.col("query_id").cast(pl.Categorical))) == EXPECTED
    assert values(frame.drop("pin_id")) == EXPECTED
    pandas_like = frame.with_columns(pl.col("grade", "score").cast(pl.Float64).fill_null(np.nan))
    assert values(pandas_like) == EXPECTED


def test_many_pieces_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces are cut in the middle of queries; one query is longer than a piece."""
    rng = np.random.default_rng(0)
    lengths = [*rng.integers(5, 40, size=60), 900]
    query = np.repeat(np.arange(len(lengths)), lengths)
    frame = pl.DataFrame(
        {
            "query_id": query,
            "score": rng.permutation(len(query)) / 7,
            "grade": rng.integers(1, 6, size=len(query)),
            "country": [["US", "FR", "JP"][q % 3] for q in query],
        }
    )
    frame.write_parquet(tmp_path / "j.parquet", row_group_size=64)
    options = {"metrics": METRICS, "by": "country", "reps": 20}
    whole = evaluate_joined(frame, **options)
    for piece in (7, 64, 100, len(query)):
        monkeypatch.setattr("evaluation.joined.queries._PIECE", piece)
        assert evaluate_joined(tmp_path / "j.parquet", **options) == whole
    apart = pl.concat([frame[::2], frame[1::2]])
    assert evaluate_joined(apart, **options) == whole


def test_label_noise_and_seen_queries_are_those_of_the_two_files() -> None:
    rng = np.random.default_rng(1)
    rows = [(f"q{i}", f"p{j}") for i in range(30) for j in range(6)]
    posterior = rng.dirichlet(np.ones(5), size=len(rows))
    qrels = pl.DataFrame(
        {
            "query_id": [q for q, _ in rows],
            "pin_id": [p for _, p in rows],
            "grade": posterior.argmax(axis=1) + 1,
            **{f"p{k + 1}": posterior[:, k] for k in range(5)},
        }
    )
    runs = qrels.select("query_id", "pin_id").sample(fraction=0.7, seed=0)
    runs = runs.with_columns(score=pl.Series(rng.random(len(runs))), system=pl.lit("s"))
    options = {"reps": 100, "label_noise": 20, "seen": {hash_query("q7")}}
    apart = evaluate_ranking(runs, qrels, **options)
    assert "label_noise: 20 draws" in apart.rows[0].note
    assert "seen_in_training: 1" in apart.rows[0].note
    assert evaluate_joined(join_tables(runs, qrels), **options) == apart


def test_ties_without_pin_id_are_refused_only_where_they_matter() -> None:
    tied = table(score=[2.0, None, 2.0, 1.0, 3.0]).drop("pin_id")
    with pytest.raises(InputError, match="no pin_id to order equal scores by, as in query 'a'"):
        values(tied)
    assert values(tied, ties="average")["P@2"] == 0.5
    alike = table(score=[2.0, None, 2.0, 1.0, 3.0], grade=[4, 4, 4, 1, 5]).drop("pin_id")
    assert values(alike)["P@2"] == 0.75


def test_the_written_file_is_evaluated_without_its_pins(tmp_path: Path) -> None:
    runs = pl.DataFrame({"query_id": ["a", "b"], "pin_id": ["x", "x"], "rank": [1, 1]})
    qrels = pl.DataFrame({"query_id": ["a", "a"], "pin_id": ["x", "y"], "grade": [5, 4]})
    queries = pl.DataFrame({"query_id": ["a", "b"], "text": ["t", "u"], "country": ["US", None]})
    joined = join_tables(runs, qrels, queries)
    assert joined.rows() == [
        ("a", "x", -1.0, 5, "run", "US"),
        ("a", "y", None, 4, "run", "US"),
        ("b", "x", -1.0, None, "run", None),
    ]
    assert joined.schema["grade"] == pl.Int8
    write_joined(joined, tmp_path / "j.parquet")
    assert open_joined(tmp_path / "j.parquet").distinct
    assert not open_joined(joined).distinct
    assert values(tmp_path / "j.parquet") == values(joined)
    with pytest.raises(InputError, match=r"written as Parquet, got j\.csv"):
        write_joined(joined, tmp_path / "j.csv")
    with pytest.raises(InputError, match="a column 'grade', which means something else"):
        join_tables(runs, qrels, queries.rename({"country": "grade"}))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"country": ["US", "FR", "US", "FR", "FR"]}, {"by": "country"},
         "query 'a' has country 'US' in one row and 'FR' in another"),
        ({"query_id": list("ababa"), "country": ["US", "FR", "US", "FR", "FR"]},
         {"by": "country"}, "query 'a' has country 'US' in one row and 'FR' in another"),
        ({"pin_id": list("xxzxy")}, {}, "has query 'a', pin 'x' twice"),
        ({"pin_id": ["x", None, "z", "x", "y"]}, {}, "line 2, column pin_id: .* must not be empty"),
        ({"query_id": ["a", None, "a", "b", "b"]}, {}, "column query_id: .* must not be empty"),
        ({"grade": [5, 4, None, 0, 5]}, {}, "line 4, column grade: grade must be 1-5, got 0"),
        ({"grade": [5.0, 4.0, None, 1.5, 5.0]}, {}, "line 4, .* must be a whole number, got 1.5"),
        ({"grade": list("54312")}, {}, "column grade: grade must be a whole number"),
        ({"score": [2.0, None, float("inf"), 1.0, 3.0]}, {}, "line 3, .* must be finite, got inf"),
        ({"score": list("54312")}, {}, "column score: score must be a number"),
        ({"query_id": [1.5, 1.5, 1.5, 2.5, 2.5]}, {}, "must be text or whole numbers"),
        ({"score": [None] * 5}, {}, "no row with a score"),
        ({"grade": [None, None, None, None, None]}, {}, "no row with a grade"),
        ({"score": [None, None, None, 1.0, 1.0], "grade": [5, 4, 3, None, None]}, {},
         "no query with both a score and a grade"),
        ({}, {"by": "county"}, r"no column 'county' .* Did you mean 'country'\?"),
        ({}, {"by": "grade"}, "no column 'grade' of the query to split by"),
        ({"system": list("sttst")}, {}, "'s' and 't' have not the same judgments of query 'a'"),
        ({}, {"metrics": "accuracy"}, "does not fit here"),
        ({}, {"ties": "first"}, "ties must be one of"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(change: dict, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate_joined(table(**change), **options)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="made by: gradewise evaluation ranking"):
        evaluate_joined(tmp_path / "j.parquet")
    with pytest.raises(InputError, match="no column score, which a joined table needs"):
        evaluate_joined(table().drop("score"))
    with pytest.raises(InputError, match="has no rows"):
        evaluate_joined(table().clear())
    table().write_parquet(tmp_path / "j.parquet")
    (tmp_path / "j.parquet").write_bytes((tmp_path / "j.parquet").read_bytes()[:-40])
    with pytest.raises(InputError, match="truncated or damaged"):
        evaluate_joined(tmp_path / "j.parquet")


def test_a_system_is_named_by_its_column_else_by_the_caller() -> None:
    assert {row.system for row in evaluate_joined(table(), name="mine")} == {"mine"}
    both = pl.concat([table().with_columns(system=pl.lit(name)) for name in ("t", "s")])
    assert [row.system for row in evaluate_joined(both, metrics="P@2", reps=0)] == [
        "t",
        "t",
        "s",
        "s",
    ]
    assert evaluate_joined(table(system=[None] * 5), name="mine").rows[0].system == "mine"


@pytest.mark.parametrize(
    ("systems", "constant"),
    [(["s"] * 5, "s"), (["s", "s", "s", "s", "t"], None), (["s", None, "s", "s", "s"], None),
     ([None] * 4 + ["s"], None), ([1] * 5, None)],
)  # fmt: skip
def test_a_column_that_names_one_system_is_found(
    tmp_path: Path, systems: list, constant: str | None
) -> None:
    frame = table(system=systems)
    frame.write_parquet(tmp_path / "j.parquet", row_group_size=2)
    for source in (frame, tmp_path / "j.parquet"):
        assert open_joined(source).constant("system") == constant
        assert open_joined(source).constant("nothing") is None
        if constant:
            assert {row.system for row in evaluate_joined(source, name="mine")} == {constant}
    assert open_joined(frame[:0]).constant("system") is None
