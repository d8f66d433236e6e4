"""`gradewise annotation sample`."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from relevance.errors import InputError, MissingInputError, SettingsError
from relevance.provenance import read_provenance
from relevance.workspace import Workspace


def test_sample_queries_pairs_pools_and_everything(call, space):
    where = ("sample", "--workspace", space.root)
    call(*where, "--queries", 1)
    assert space.read("samples").height == 6
    assert set(space.read("samples")["inclusion_probability"]) == {0.5}
    call(*where, "--pairs", 4, "--overwrite")
    assert space.read("samples").group_by("stratum").len()["len"].to_list() == [2, 2]
    call(*where, "--run", "production", "--depth", 2, "--overwrite")
    assert set(space.read("samples")["pin_id"]) == {"p1", "p2"}
    call(*where, "--by", "", "--draw", "pool", "--append")
    samples = space.read("samples")
    assert samples.group_by("draw").len().sort("draw").rows() == [("measure", 8), ("pool", 12)]
    assert read_provenance(space.path("samples"))["command"] == "annotation sample"


def test_samples_are_not_overwritten_and_mistakes_are_told(call, space):
    where = ("sample", "--workspace", space.root)
    call(*where)
    with pytest.raises(InputError, match="--overwrite"):
        call(*where)
    with pytest.raises(InputError, match="not both"):
        call(*where, "--queries", 1, "--pairs", 1)
    with pytest.raises(InputError, match="draw 'golden' is unknown"):
        call(*where, "--draw", "golden")


TABLES = {"US": "en", "FR": "fr"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A workspace of 24 queries in two countries with two runs, a log, a teacher and gold."""
    made = Workspace(tmp_path_factory.mktemp("sample") / "w")
    rng = np.random.default_rng(0)
    queries = pl.DataFrame(
        [
            (f"{country}{i:02}", "text", country, language, ("home", "food")[i % 2], float(i))
            for country, language in TABLES.items()
            for i in range(12)
        ],
        schema=["query_id", "text", "country", "language", "segment", "traffic"],
        orient="row",
    )
    pairs = queries.select("query_id").join(
        pl.DataFrame({"pin_id": [f"p{i:02}" for i in range(14)]}), how="cross"
    )
    grades = rng.integers(1, 6, pairs.height)
    p = np.exp(-np.abs(np.arange(1, 6) - grades[:, None] - rng.normal(0, 1, (len(grades), 1))))
    p /= p.sum(axis=1, keepdims=True)
    scores = [pl.Series("score", grades + rng.normal(0, sd, len(grades))) for sd in (1, 2)]
    truth = pairs.with_columns(pl.Series("grade", grades))
    shown = pl.Series("position", rng.permutation(len(grades)) % 14 + 1)
    columns = {f"p{k + 1}": pl.Series(p[:, k]) for k in range(5)}
    tables = {
        "queries": queries,
        "pairs": pairs.with_columns(shown, impressions=pl.lit(3)),
        "runs-production": pairs.with_columns(scores[0], system=pl.lit("production")),
        "runs-candidate": pairs.with_columns(scores[1], system=pl.lit("candidate")),
        "predictions-teacher": pairs.with_columns(**columns),
        "qrels-past": truth.filter(pl.col("query_id").str.ends_with("1")),
        "gold": truth.sample(60, seed=1),
    }
    for name, frame in tables.items():
        made.write(name, frame, command="test")
    truth.select("query_id", "pin_id", "grade").head(20).with_columns(
        annotator=pl.lit("ann"), seconds=pl.lit(30.0)
    ).write_csv(made.root / "mine.csv")
    return made


@pytest.fixture
def full(filled):
    """The same workspace without samples."""
    filled.path("samples").unlink(missing_ok=True)
    return filled


@pytest.fixture
def ask(call, full):
    """Runs the verb on both runs of that workspace and gives its rows and its notes."""

    def run(*words):
        where = ("--workspace", full.root, "--run", "production", "--run", "candidate")
        result = call("sample", *where, "--depth", 8, "--format", "json", "--dry-run", *words)
        return {row["country"]: row for row in json.loads(result.stdout)}, result.stderr

    return run


def test_a_dry_run_prints_cost_and_intervals_and_writes_nothing(ask, full):
    rows, told = ask("--minutes", "US=90,FR=45", "--predictions", "teacher")
    assert "would be drawn (measure)" in told
    assert "a judgment takes 15.0 s, assumed" in told
    assert "rest on the teacher" in told
    assert not full.has("samples")
    assert set(rows) == {"US", "FR", "all"}
    for country, most in (("US", 90), ("FR", 45)):
        row = rows[country]
        assert 0.7 * most < row["minutes"] < 1.15 * most
        assert row["judgments"] == 3 * row["pairs"]
        assert 0 < row["±nDCG@20"] < row["±P@8"] < 0.5
        assert 0 < row["±accuracy"] < 0.5
    assert rows["US"]["±P@8"] < rows["FR"]["±P@8"]
    assert rows["all"]["minutes"] == pytest.approx(rows["US"]["minutes"] + rows["FR"]["minutes"])


def test_without_past_grades_or_teacher_no_interval_is_made_up(ask):
    rows, told = ask("--queries", "US=3")
    assert rows["US"]["±P@8"] is None
    assert "no interval can be told" in told


def test_past_grades_tell_intervals_and_allocate(ask):
    rows, told = ask("--queries", "US=6", "--past", "past", "--allocate", "neyman",
                     "--by", "country,segment")  # fmt: skip
    assert rows["US"]["queries"] == 6
    assert rows["US"]["±nDCG@20"] > 0
    assert "rest on past grades" in told
    assert "in proportion to the strata" in ask("--pairs", "US=40", "--allocate", "neyman")[1]
    served, _ = ask("--pairs", "US=40", "--allocate", "neyman", "--for", "DCG@8", "--past", "past")
    assert served["US"]["pairs"] == 40


def test_sizes_make_the_interval_they_are_for_narrower(ask):
    words = ("--pairs", "US=60", "--predictions", "teacher")
    plain, _ = ask(*words)
    best, _ = ask(*words, "--size", "relevance", "--rank-weight", "p@8")
    unsure, _ = ask(*words, "--size", "entropy")
    assert best["US"]["±P@8"] < plain["US"]["±P@8"] < unsure["US"]["±P@8"]
    assert best["US"]["±nDCG@20"] is None


def test_gold_repeats_overlap_and_pace_are_paid_and_written(call, full, tmp_path):
    words = ("sample", "--workspace", full.root, "--run", "production", "--pairs", "US=40,FR=20")
    people = ("--gold", "10%", "--repeats", "0.1", "--overlap", "2,FR=1", "--seconds", 30)
    result = call(*words, *people, "--format", "json")
    rows = {row["country"]: row for row in json.loads(result.stdout)}
    assert (rows["US"]["gold"], rows["US"]["repeats"], rows["US"]["judgments"]) == (4, 4, 96)
    assert (rows["FR"]["gold"], rows["FR"]["repeats"], rows["FR"]["minutes"]) == (2, 2, 12)
    samples = full.read("samples")
    counts = dict(samples.group_by("draw").len().iter_rows())
    assert counts == {"measure": 60, "gold": 6, "repeat": 6}
    assert set(samples.filter(pl.col("query_id").str.starts_with("FR"))["overlap"]) == {1}
    drawn = samples.filter(draw="measure").select("query_id", "pin_id")
    gold = samples.filter(draw="gold").select("query_id", "pin_id")
    assert gold.join(drawn, on=["query_id", "pin_id"]).is_empty()
    again = samples.filter(draw="repeat").select("query_id", "pin_id")
    assert again.join(drawn, on=["query_id", "pin_id"]).height == 6
    made = read_provenance(full.path("samples"))
    assert made["config"]["gold"] == "10%"
    assert {"queries", "gold", "runs-production.parquet"} <= set(made["inputs"])
    full.path("samples").unlink()
    by_stratum = tmp_path / "overlap.csv"
    by_stratum.write_text("stratum,overlap\nUS,4\n")
    call(*words, "--overlap", by_stratum)
    overlap = dict(full.read("samples").group_by("stratum").agg(pl.col("overlap").max()).rows())
    assert overlap == {"US": 4, "FR": 3}


def test_judged_pairs_are_counted_in_and_not_paid(call, full):
    words = ("sample", "--workspace", full.root, "--run", "production", "--depth", 8)
    known = ("--judged", "qrels-past", "--judged", full.root / "mine.csv")
    frame = full.root / "frame.parquet"
    result = call(*words, "--pairs", "US=20", *known, "--frame", frame, "--format", "json")
    (row,) = json.loads(result.stdout)
    samples = full.read("samples")
    judged = samples.filter("judged")
    assert row["pairs"] == 20 == samples.height - judged.height
    assert row["known"] == judged.height >= 8
    assert set(judged["inclusion_probability"]) == {1.0}
    there = pl.read_parquet(frame)
    assert there.filter(pl.col("query_id").str.starts_with("US"))["probability"].sum() == (
        pytest.approx(samples.height)
    )
    assert there.filter("drawn").height == samples.height
    assert set(there["query_id"].str.slice(0, 2)) == {"US"}  # nothing of France could be drawn
    with pytest.raises(InputError, match=r"frame\.parquet.*--overwrite"):
        call(*words, "--pairs", "US=20", "--frame", frame, "--append")


def test_training_and_measuring_never_share_a_query(call, full):
    where = ("sample", "--workspace", full.root)
    call(*where, "--queries", "US=4")
    measured = set(full.read("samples")["query_id"])
    told = call(
        *where, "--draw", "training", "--active", "--pairs", "US=3", "--append",
        "--predictions", "teacher",
    ).stderr  # fmt: skip
    assert "4 queries left out: drawn for measure" in told
    samples = full.read("samples")
    trained = set(samples.filter(draw="training")["query_id"])
    assert samples.filter(draw="training").height == 3
    assert not measured & trained
    told = call(*where, "--queries", "US=3", "--append", "--seed", 7).stderr
    assert f"{len(trained)} queries left out: drawn for training" in told
    assert "pairs were drawn before for measure: they are certain now" in told
    samples = full.read("samples")
    assert not set(samples.filter(draw="measure")["query_id"]) & trained
    first = samples.filter(pl.col("query_id").is_in(list(measured)))
    assert set(first["inclusion_probability"]) == {1.0}


def test_the_student_may_disagree(ask):
    words = ("--draw", "training", "--active", "--pairs", "US=9", "--predictions", "teacher")
    rows, _ = ask(*words, "--student", "teacher")
    assert rows["US"]["pairs"] == 9
    assert "±P@8" not in rows["US"]


def test_logs_and_holes_are_sources(call, full, tmp_path):
    where = ("sample", "--workspace", full.root, "--dry-run", "--format", "json")
    rows = json.loads(call(*where, "--log", "pairs", "--depth", 3).stdout)
    assert rows[-1]["pairs"] < 24 * 14
    holes = pl.DataFrame(
        {"query_id": ["US00"] * 3, "pin_id": ["p01", "p02", "p03"], "rank": [1, 2, 3],
         "weight": [0.9, 0.05, 0.05], "n_systems": [2, 1, 1]}
    )  # fmt: skip
    file = tmp_path / "holes.parquet"
    holes.write_parquet(file)
    frame = tmp_path / "frame.parquet"
    (row,) = json.loads(call(*where, "--unjudged", file).stdout)
    assert row["pairs"] == 3
    words = ("--unjudged", file, "--pairs", "US=2", "--size", "weight", "--frame", frame)
    call("sample", "--workspace", full.root, *words)
    written = dict(pl.read_parquet(frame).select("pin_id", "probability").iter_rows())
    assert written == {"p01": 1.0, "p02": 0.5, "p03": 0.5}
    assert full.read("samples").height == 2


def test_pace_is_that_of_past_judgments(ask, full):
    assert (
        "takes 30.0 s (en 30.0 s), as past judgments show"
        in (ask("--pairs", "US=9", "--judgments", full.root / "mine.csv")[1])
    )


def test_a_disagreeing_stratum_gets_more_opinions(ask, tmp_path, full):
    rows = [
        ("US00", f"p{pin:02}", person, grade)
        for pin in range(14)
        for person, grade in zip("xyz", (1, 3, 5), strict=True)
    ]
    names = ["query_id", "pin_id", "annotator", "grade"]
    pl.DataFrame(rows, schema=names, orient="row").write_csv(tmp_path / "judgments.csv")
    more = ("--adaptive-overlap", "--judgments", tmp_path / "judgments.csv")
    found, _ = ask("--pairs", "US=10,FR=10", *more)
    assert (found["US"]["judgments"], found["FR"]["judgments"]) == (50, 30)


def test_queries_that_a_runs_model_has_seen_are_not_measured_on(call, full, tmp_path):
    from relevance.provenance import hash_query

    space = Workspace(tmp_path / "seen")
    run = full.read("runs-production")
    space.write("queries", full.read("queries"), command="test")
    space.write("runs-student", run, command="test", seen_queries=[hash_query("US00")])
    where = ("sample", "--workspace", space.root, "--run", "student")
    assert "1 queries left out: seen by a model of the runs" in call(*where).stderr
    assert "US00" not in set(space.read("samples")["query_id"])
    call(*where, "--draw", "pool", "--append")
    assert "US00" in set(space.read("samples")["query_id"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--draw", "gold"], "gold samples come with other draws. Use --gold or --repeats"),
        (["--minutes", "9", "--pairs", "9"], "leave out --queries and --pairs"),
        (["--allocate", "neymann"], "Did you mean 'neyman'"),
        (["--unit", "pins"], "--unit must be queries or pairs, got 'pins'"),
        (["--unjudged", "x.csv"], "leave out --run and --log"),
        (["--queries", "9", "--unit", "pairs"], "--queries draws whole queries"),
        (["--pairs", "9", "--unit", "queries"], "--pairs draws single pairs"),
        (["--queries", "9", "--size", "loss"], "--size draws single pairs"),
        (["--pairs", "9", "--rank-weight", "dcg"], "add --size"),
        (["--size", "loss", "--allocate", "even"], "leave out --allocate"),
        (["--pairs", "9", "--for", "P@8"], "add --allocate neyman"),
        (["--active", "--predictions", "teacher"], "add --draw training"),
        (["--active", "--draw", "training", "--queries", "3"], "leave out --queries"),
        (["--active", "--draw", "training", "--size", "loss"], "leave out --size"),
        (["--active", "--draw", "training"], "needs the teacher"),
        (["--student", "teacher", "--pairs", "9"], "--student is for --active"),
        (["--adaptive-overlap"], "needs --judgments FILE"),
        (["--size", "entropy"], "--predictions FILE"),
        (["--pairs", "9999"], "9999 pairs cannot be drawn from"),
        (["--pairs", "40", "--allocate", "neyman", "--for", "nDCG@20", "--past", "past"],
         "no sum over single pairs"),
        (["--minutes", "0.1"], "0.1 minutes buy nothing in FR"),
        (["--repeats", "0.5", "--gold", "5", "--seconds", "0"], "--seconds must be above 0"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(ask, words, told):
    with pytest.raises((InputError, SettingsError)) as caught:
        ask(*words)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--pairs", "some"], "--pairs must be a whole number above 0"),
        (["--queries", "2.5"], "--queries must be a whole number above 0"),
        (["--minutes", "US=0"], "--minutes must be a number above 0"),
        (["--minutes", "US=3,US=4"], "--minutes has US twice"),
        (["--pairs", "3,4"], "--pairs has a number for all twice"),
        (["--gold", "110%"], "--gold must be a share below 1"),
        (["--repeats", "often"], "--repeats must be a share below 1"),
    ],
)
def test_numbers_that_are_none_are_told(ask, words, told):
    with pytest.raises(SettingsError, match=told):
        ask(*words)


def test_missing_files_name_their_command(ask, call, space, tmp_path):
    with pytest.raises(MissingInputError, match="gradewise teacher label"):
        ask("--predictions", "none.parquet")
    with pytest.raises(MissingInputError, match="gradewise annotation pull"):
        ask("--judged", "judgments")
    with pytest.raises(MissingInputError, match="columns stratum, overlap"):
        ask("--overlap", tmp_path / "no.csv")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("stratum,n\nUS,4\n")
    with pytest.raises(InputError, match="no columns stratum and overlap"):
        ask("--overlap", wrong)
    with pytest.raises(MissingInputError, match="gold"):
        call("sample", "--workspace", space.root, "--gold", "5")


def test_pairs_graded_before_are_not_sent_and_only_measured_ones_keep_a_probability(
    call, space, server, tmp_path
):
    graded = pl.DataFrame(
        {"query_id": ["q1", "q1", "q2"], "pin_id": ["p1", "p2", "p1"], "grade": [4, 2, 5]}
    )
    graded.write_csv(tmp_path / "old.csv")
    where = ("--workspace", space.root)
    call("sample", *where, "--pairs", "US=2", "--judged", tmp_path / "old.csv")
    call("sample", *where, "--queries", "FR=1", "--draw", "training", "--append")
    assert space.read("samples").height == 3 + 2 + 3
    assert "5 pairs pushed" in call("push", *where).stderr
    rows = [(*row, "ann", 3) for row in space.read("samples").select("query_id", "pin_id").rows()]
    names = ["query_id", "pin_id", "annotator", "grade"]
    pl.DataFrame(rows, schema=names, orient="row").write_csv(tmp_path / "judgments.csv")
    words = ("--out", tmp_path / "qrels.csv", "--samples", space.path("samples"))
    call("adjudicate", tmp_path / "judgments.csv", *words, "--method", "majority")
    qrels = pl.read_csv(tmp_path / "qrels.csv").with_columns(pl.col("query_id").str.slice(0, 2))
    known = qrels.filter(pl.col("inclusion_probability").is_not_null())
    assert set(known["query_id"]) == {"q1", "q2"}
    assert sorted(known["inclusion_probability"].to_list()) == pytest.approx([2 / 3] * 2 + [1] * 3)
    assert qrels.height == 8
