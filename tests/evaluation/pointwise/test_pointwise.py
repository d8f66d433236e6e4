"""`evaluate_grades`: figures of predicted grades per model and group."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    log_loss,
    roc_auc_score,
)

from evaluation.metrics import parse_all
from evaluation.pointwise import effective_threshold, evaluate_grades
from relevance.errors import InputError
from relevance.grades import ESCI, GradeScale
from relevance.provenance import hash_query
from relevance.results import Results, Row


def only(results: Results, metric: str, group: str = "all", system: str | None = None) -> Row:
    found = [r for r in results if (r.metric, r.group) == (metric, group)]
    (row,) = [r for r in found if system in (None, r.system)]
    return row


def made_up(
    n_queries: int = 40, n_pins: int = 10, seed: int = 0, grades: tuple[int, ...] = (1, 2, 3, 4, 5)
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Predictions of a fair model, qrels, and queries of two countries."""
    rng = np.random.default_rng(seed)
    ids = [f"q{i:02d}" for i in range(n_queries)]
    pairs = [(q, f"p{j}") for q in ids for j in range(n_pins)]
    grade = rng.choice(grades, size=len(pairs))
    logits = -((np.arange(1, 6) - (grade + rng.normal(size=len(pairs)))[:, None]) ** 2)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    frame = pl.DataFrame(pairs, schema=["query_id", "pin_id"], orient="row")
    qrels = frame.with_columns(grade=pl.Series(grade))
    predictions = frame.with_columns(
        **{f"p{k + 1}": pl.Series(p[:, k]) for k in range(5)}, model=pl.lit("teacher")
    )
    queries = pl.DataFrame({"query_id": ids, "country": ["US", "FR"] * (n_queries // 2)})
    return predictions, qrels, queries


def test_figures_are_scikit_learns() -> None:
    predictions, qrels, queries = made_up()
    results = evaluate_grades(predictions, qrels, queries, by="country")
    joined = qrels.join(predictions, on=["query_id", "pin_id"]).join(queries, on="query_id")
    for group in ("all", "US", "FR"):
        part = joined if group == "all" else joined.filter(pl.col("country") == group)
        p, grade = part.select("p1", "p2", "p3", "p4", "p5").to_numpy(), part["grade"].to_numpy()
        row = only(results, "accuracy", group)
        assert row.value == pytest.approx(accuracy_score(grade, p.argmax(axis=1) + 1))
        assert row.n == len(part)
        for t in (3, 4, 5):
            expected = roc_auc_score(grade >= t, p[:, t - 1 :].sum(axis=1))
            row = only(results, f"AUROC@{t}", group)
            assert row.value == pytest.approx(expected, abs=1e-12)
            assert row.ci_low < row.value < row.ci_high
    assert [r.group for r in results][:4] == ["all", "FR", "US", "(mean)"]
    countries = [only(results, "AUROC@4", group).value for group in ("US", "FR")]
    assert only(results, "AUROC@4", "(mean)").value == pytest.approx(np.mean(countries))


def test_row_order_never_matters() -> None:
    predictions, qrels, queries = made_up()
    first = evaluate_grades(predictions, qrels, queries, by="country")
    again = evaluate_grades(
        predictions.reverse(), qrels.sample(fraction=1, shuffle=True, seed=1), queries.reverse(),
        by="country",
    )  # fmt: skip
    assert again == first


def test_a_perfect_and_a_constant_model() -> None:
    predictions, qrels, _ = made_up()
    right = {f"p{k}": (qrels["grade"] == k).cast(pl.Float64) for k in range(1, 6)}
    results = evaluate_grades(
        pl.concat([
            qrels.select("query_id", "pin_id").with_columns(**right, model=pl.lit("oracle")),
            predictions.with_columns(
                **{f"p{k}": pl.lit(0.2) for k in range(1, 6)}, model=pl.lit("chance")
            ),
        ]),
        qrels,
        metrics="accuracy,within1,MAE,AUROC@4,AUPRC@4",
    )  # fmt: skip
    values = [only(results, m, system="oracle").value for m in ("accuracy", "within1", "AUROC@4")]
    assert values == [1, 1, 1]
    assert only(results, "MAE", system="oracle").value == 0
    assert only(results, "AUROC@4", system="chance").value == 0.5
    share = (qrels["grade"] >= 4).mean()
    assert only(results, "AUPRC@4", system="chance").value == pytest.approx(share)


def test_a_threshold_that_no_grade_separates_repeats_its_neighbour() -> None:
    predictions, qrels, _ = made_up(grades=(1, 2, 4, 5))
    results = evaluate_grades(predictions, qrels)
    third, fourth = only(results, "AUROC@3"), only(results, "AUROC@4")
    assert (third.value, third.ci_low) == (fourth.value, fourth.ci_low)
    assert third.note == "same_as AUROC@4, no grade 3"
    assert fourth.note == ""
    assert effective_threshold(np.array([1.0, 2.0]), 3) == 3


def test_one_class_is_undefined() -> None:
    predictions, qrels, _ = made_up(grades=(1, 2))
    row = only(evaluate_grades(predictions, qrels, metrics="AUROC@4"), "AUROC@4")
    assert (row.value, row.ci_low, row.note) == (None, None, "one_class")


def test_what_is_left_out_is_counted() -> None:
    predictions, qrels, queries = made_up()
    results = evaluate_grades(
        predictions.slice(3),
        qrels.slice(0, 390),
        queries,
        by="country",
        metrics="accuracy",
        seen={hash_query("q01"), hash_query("q02")},
    )
    row = only(results, "accuracy")
    assert (row.n, row.n_undefined) == (390 - 20 - 3, 3)
    assert row.note == "not_predicted: 3; seen_in_training: 2"
    assert only(results, "accuracy", "US").note == "not_predicted: 3; seen_in_training: 1"


def test_figures_do_not_change_with_models_beside() -> None:
    predictions, qrels, _ = made_up()
    other = predictions.with_columns(pl.lit("other").alias("model"), p1=pl.lit(0.0))
    both = evaluate_grades(pl.concat([predictions, other]), qrels)
    alone = evaluate_grades(predictions, qrels)
    assert [r for r in both if r.system == "teacher"] == list(alone)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [("nDCG@20", "does not fit here"), ("AUROC@1", r"must be 2-5\. Write it like AUROC@4")],
)
def test_metrics_that_make_no_sense_are_refused(metrics: str, message: str) -> None:
    predictions, qrels, _ = made_up()
    with pytest.raises(InputError, match=message):
        evaluate_grades(predictions, qrels, metrics=metrics)


def test_grades_off_the_five_and_duplicates_are_refused() -> None:
    predictions, qrels, _ = made_up()
    with pytest.raises(InputError, match=r"predictions have the grades 1-5, but .* as 0"):
        evaluate_grades(predictions, qrels.with_columns(grade=pl.col("grade") - 1))
    with pytest.raises(InputError, match=r"the predictions have query 'q00', pin 'p0' twice"):
        evaluate_grades(pl.concat([predictions, predictions.head(1)]), qrels)


EVERY = "accuracy,RPS,Brier,NLL,QWK,ECE,confusion(grade=4,predicted=5),AUROC@4,AUPRC@4"


def test_every_family_has_figure_interval_and_definition() -> None:
    predictions, qrels, queries = made_up()
    results = evaluate_grades(predictions, qrels, queries, metrics=EVERY, by="country")
    overall = [row for row in results if row.group == "all"]
    assert [row.metric for row in overall] == [repr(m) for m in parse_all(EVERY)]
    assert all(row.ci_low < row.value < row.ci_high for row in overall)
    assert all(row.definition.startswith("scale=five") for row in results)
    joined = qrels.join(predictions, on=["query_id", "pin_id"])
    p, grade = joined.select("p1", "p2", "p3", "p4", "p5").to_numpy(), joined["grade"].to_numpy()
    found = {row.metric: row.value for row in overall}
    guess = p.argmax(axis=1) + 1
    assert found["NLL"] == pytest.approx(log_loss(grade, p))
    assert found["QWK"] == pytest.approx(cohen_kappa_score(grade, guess, weights="quadratic"))
    matrix = confusion_matrix(grade, guess, normalize="true")
    assert found["confusion(grade=4,predicted=5)"] == pytest.approx(matrix[3, 4])
    assert found["Brier"] == pytest.approx(np.mean(((np.eye(5)[grade - 1] - p) ** 2).sum(axis=1)))


def test_confusion_is_every_cell_of_the_scale() -> None:
    predictions, qrels, _ = made_up(grades=(1, 2, 4, 5))
    results = evaluate_grades(predictions, qrels, metrics="confusion", scale=ESCI)
    assert len(results) == 16
    rows = [row.value for row in results if row.metric.startswith("confusion(grade=2,")]
    others = evaluate_grades(predictions, qrels, metrics="confusion(grade=2,predicted=3)")
    assert sum(rows) + others.rows[0].value == pytest.approx(1)


def test_reps() -> None:
    predictions, qrels, queries = made_up()
    none = evaluate_grades(predictions, qrels, queries, by="country", reps=0, metrics=EVERY)
    some = evaluate_grades(predictions, qrels, queries, by="country", metrics=EVERY)
    for row, other in zip(none, some, strict=True):
        assert (row.ci_low, row.ci_high) == (None, None)
        assert row.note.endswith("no_interval")
        assert row.value == pytest.approx(other.value, abs=1e-12)
    few = only(evaluate_grades(predictions, qrels, reps=100), "AUROC@4")
    many = only(evaluate_grades(predictions, qrels, reps=6400), "AUROC@4")
    error, smaller = (float(row.note.removeprefix("mc_error: ")) for row in (few, many))
    assert 4 < error / smaller < 16  # 8 times fewer by the square root
    assert few.ci_low == pytest.approx(many.ci_low, abs=5 * error)
    assert "mc_error" not in only(some, "AUROC@4").note


def test_label_noise_widens_intervals_and_keeps_figures() -> None:
    predictions, qrels, queries = made_up()
    sure = {f"p{k}": (qrels["grade"] == k).cast(pl.Float64) for k in range(1, 6)}
    doubtful = {name: 0.6 * p + 0.08 for name, p in sure.items()}
    metrics = "accuracy,QWK,AUROC@4"
    without = evaluate_grades(predictions, qrels, queries, metrics=metrics, by="country")
    for posterior, same in ((sure, True), (doubtful, False)):
        noisy = evaluate_grades(
            predictions, qrels.with_columns(**posterior), queries,
            metrics=metrics, by="country", label_noise=100,
        )  # fmt: skip
        for row, plain in zip(noisy, without, strict=True):
            assert row.value == plain.value
            assert "label_noise: 100 draws" in row.note
            width, before = row.ci_high - row.ci_low, plain.ci_high - plain.ci_low
            assert width == pytest.approx(before) if same else width > before
    mean = float(only(noisy, "accuracy").note.split("posterior_mean: ")[1].split(";")[0])
    assert mean < only(noisy, "accuracy").value


def test_label_noise_needs_a_posterior() -> None:
    predictions, qrels, _ = made_up()
    with pytest.raises(InputError, match="the qrels have no column 'p1': label noise needs"):
        evaluate_grades(predictions, qrels, label_noise=10)
    partly = qrels.with_columns(
        pl.when(pl.int_range(pl.len()) < 30).then(pl.lit(float(k == 1))).alias(f"p{k}")
        for k in range(1, 6)
    )
    row = only(evaluate_grades(predictions, partly, label_noise=10), "accuracy")
    assert f"without_posterior: {len(qrels) - 30}" in row.note


def test_probabilities_of_32_bits_are_added_up_in_64() -> None:
    predictions, qrels, _ = made_up()
    single = predictions.with_columns(pl.col("p1", "p2", "p3", "p4", "p5").cast(pl.Float32))
    double = single.with_columns(pl.col("p1", "p2", "p3", "p4", "p5").cast(pl.Float64))
    assert evaluate_grades(single, qrels) == evaluate_grades(double, qrels)


def test_empty_groups_and_models_without_pairs_have_no_figure() -> None:
    predictions, qrels, queries = made_up()
    half = predictions.filter(pl.col("query_id").is_in(queries["query_id"].gather_every(2)))
    row = only(evaluate_grades(half, qrels, queries, by="country"), "accuracy", "FR")
    assert (row.value, row.n, row.n_undefined) == (None, 0, 200)
    assert row.note == "not_predicted: 200; no_pair"
    stranger = predictions.head(5).with_columns(
        pin_id=pl.lit("?") + pl.col("pin_id"), model=pl.lit("b")
    )
    both = evaluate_grades(pl.concat([half, stranger]), qrels, metrics="accuracy")
    row = only(both, "accuracy", system="b")
    assert (row.value, row.note) == (None, "not_predicted: 400; not_judged: 5; no_pair")


def test_a_scale_beyond_the_five_is_refused() -> None:
    predictions, qrels, _ = made_up()
    with pytest.raises(InputError, match="predictions have the grades 1-5, but scale zero has 0"):
        evaluate_grades(predictions, qrels, scale=GradeScale("zero", (0, 1, 2)))
    with pytest.raises(InputError, match="the predictions have no column 'p4'"):
        evaluate_grades(predictions.drop("p4"), qrels)
