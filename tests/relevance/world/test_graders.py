from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest

from relevance.errors import InputError
from relevance.records import TABLES
from relevance.world import GRADERS, LANGUAGES, World, grade_pairs, true_grades_of
from relevance.world.graders import Grader, simulate

KEYS = ["query_id", "pin_id", "annotator"]


def alpha(judgments: pl.DataFrame) -> float:
    krippendorff = pytest.importorskip("krippendorff")
    table = judgments.pivot(on="annotator", index=["query_id", "pin_id"], values="grade")
    ratings = table.drop("query_id", "pin_id").to_numpy().astype(float).T
    return float(krippendorff.alpha(reliability_data=ratings, level_of_measurement="ordinal"))


def synthetic(n: int = 4000) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "query_id": [f"q{i}" for i in range(n)],
            "pin_id": [f"p{i}" for i in range(n)],
            "grade": [i % 5 + 1 for i in range(n)],
            "language": ["en"] * n,
        }
    )


def person(**changes: object) -> Grader:
    plain = Grader(
        name="plain", languages=("en",), severity=0.0, noise=0.6, seconds=10.0, abstains=0.0
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def test_each_country_has_three_graders_who_read_its_language() -> None:
    for language in LANGUAGES.values():
        assert sum(language in grader.languages for grader in GRADERS) >= 3
    assert len({grader.name for grader in GRADERS}) == len(GRADERS) >= 9


def test_judgments_are_a_table_and_graders_read_the_language(small: World) -> None:
    judgments = grade_pairs(small, small.pairs, seed=1)
    assert judgments.height == 3 * small.pairs.height
    assert judgments.select(KEYS).is_unique().all()
    assert {c.name for c in TABLES["judgments"].columns} >= set(judgments.columns)
    spoken = {grader.name: grader.languages for grader in GRADERS}
    joined = judgments.join(small.queries.select("query_id", "language"), on="query_id")
    for annotator, language in joined.select("annotator", "language").unique().iter_rows():
        assert language in spoken[annotator]
    assert judgments["grade"].drop_nulls().is_between(1, 5).all()
    flagged = judgments["flag"].eq_missing("cannot_judge")
    assert flagged.equals(judgments["grade"].is_null(), check_names=False)
    assert judgments["seconds"].min() > 0


def test_a_judgment_depends_on_the_seed_and_its_pair_alone(small: World) -> None:
    pairs = small.pairs.head(200)
    whole = grade_pairs(small, pairs, seed=1)
    assert grade_pairs(small, pairs.reverse(), seed=1).equals(whole)
    part = pairs[::7]
    expected = whole.join(part.select("query_id", "pin_id"), on=["query_id", "pin_id"], how="semi")
    assert grade_pairs(small, part, seed=1).equals(expected)
    assert grade_pairs(small, pl.concat([part, part]), seed=1).equals(expected)
    assert not grade_pairs(small, pairs, seed=2).equals(whole)


def test_more_graders_add_to_the_same_judgments(small: World) -> None:
    pairs = small.pairs.head(60)
    two = grade_pairs(small, pairs, seed=1, n_graders=2)
    three = grade_pairs(small, pairs, seed=1, n_graders=3)
    assert three.join(two, on=KEYS, how="semi").equals(two)


def test_agreement_is_that_of_trained_people(world: World) -> None:
    judgments = grade_pairs(world, world.truth.sample(1500, seed=1))
    assert 0.65 < alpha(judgments) < 0.80


def test_confusions_gather_at_the_borders_between_two_three_and_four(world: World) -> None:
    judgments = grade_pairs(world, world.truth).drop_nulls("grade")
    truth = true_grades_of(world, judgments).rename({"grade": "true"})
    joined = judgments.with_columns(true=truth["true"])
    counts = np.zeros((6, 6))
    np.add.at(counts, (joined["true"].to_numpy(), joined["grade"].to_numpy()), 1)
    shares = counts[1:, 1:] / counts[1:, 1:].sum(axis=1, keepdims=True)
    assert min(shares[1, 2], shares[2, 1], shares[2, 3], shares[3, 2]) > 0.15
    assert max(shares[0, 1], shares[4, 3]) < 0.12
    assert np.argmax(shares, axis=1).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("severity", [-0.5, 0.5])
def test_the_severe_grade_lower_and_the_lenient_higher(severity: float) -> None:
    pairs = synthetic()
    given = simulate(pairs, [person(severity=severity)], n_graders=1)["grade"].mean()
    fair = simulate(pairs, [person()], n_graders=1)["grade"].mean()
    assert np.sign(fair - given) == np.sign(severity)
    assert abs(fair - given) > 0.2


def test_noise_slips_pace_and_abstention_are_what_they_say() -> None:
    pairs = synthetic()

    def judged(**changes: object) -> pl.DataFrame:
        frame = simulate(pairs, [person(**changes)], n_graders=1)
        return frame.join(pairs.rename({"grade": "true"}), on=["query_id", "pin_id"])

    def errors(frame: pl.DataFrame) -> float:
        return float((frame["grade"] != frame["true"]).mean())  # type: ignore[arg-type]

    assert errors(judged(noise=0.0)) == 0
    assert 0 < errors(judged(noise=0.3)) < errors(judged(noise=0.9))
    assert errors(judged(noise=0.0, slips=0.5)) == pytest.approx(0.5 * 0.8, abs=0.03)
    assert judged(abstains=0.2)["grade"].is_null().mean() == pytest.approx(0.2, abs=0.02)
    slow, fast = judged(seconds=20.0)["seconds"], judged(seconds=10.0)["seconds"]
    assert slow.median() / fast.median() == pytest.approx(2, abs=0.05)


def test_unknown_pairs_and_missing_readers_are_refused(small: World) -> None:
    stranger = pl.DataFrame({"query_id": ["us-0001"], "pin_id": ["pin-99999"]})
    with pytest.raises(InputError, match="no pin_id 'pin-99999'"):
        grade_pairs(small, stranger)
    with pytest.raises(InputError, match="read 'en'"):
        grade_pairs(small, small.pairs.filter(pl.col("query_id") == "us-0001"), n_graders=9)
