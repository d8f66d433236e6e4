from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from relevance.errors import InputError, ModelError
from relevance.features import SIDES, STUDENT_FEATURES, StudentInputs, context, unit_vectors
from relevance.student.matrix import FeatureStatistics, fit_features, statistics_from

QUERIES = pl.DataFrame(
    {
        "query_id": ["q0", "q1", "q2"],
        "text": ["red sofa", "cake", "式場"],
        "segment": ["home", "food", None],
        "shopping_interest": [0.95, 0.1, None],
        "language": ["en", "en", "ja"],
    }
)
PINS = pl.DataFrame(
    {
        "pin_id": ["p0", "p1", "p2"],
        "title": ["red sofa", "chocolate cake", None],
        "interest": ["home", "food", "travel"],
        "language": ["en", "fr", None],
    }
)
PAIRS = pl.DataFrame(
    {
        "query_id": ["q0", "q0", "q1", "q2"],
        "pin_id": ["p0", "p1", "p1", "p2"],
        "impressions": [100, 0, 50, None],
        "clicks": [30, 0, 0, None],
        "long_clicks": [3, 0, 1, None],
        "saves": [0, 0, 0, None],
    }
)
QUERY_VECTORS = pl.DataFrame({"query_id": ["q0", "q1"], "search": [[3.0, 4.0], [0.0, 2.0]]})
PIN_VECTORS = pl.DataFrame({"pin_id": ["p0", "p1"], "search": [[4.0, 3.0], [0.0, 1.0]]})


def _inputs(**changes: pl.DataFrame | None) -> StudentInputs:
    frames = {
        "queries": QUERIES,
        "pins": PINS,
        "pairs": PAIRS,
        "query_embeddings": QUERY_VECTORS,
        "pin_embeddings": PIN_VECTORS,
    }
    return StudentInputs(**(frames | changes))


def _values(name: str, inputs: StudentInputs | None = None) -> np.ndarray:
    inputs = inputs or _inputs()
    return STUDENT_FEATURES[name].compute(context(inputs.pairs, inputs))


def _column(statistics: FeatureStatistics, name: str) -> slice:
    """The columns of a feature in its side's number matrix, the one for missing last."""
    start = 0
    for fitted in statistics.of(STUDENT_FEATURES[name].side):
        if fitted.name == name:
            return slice(start, start + fitted.width)
        start += fitted.width
    raise AssertionError(name)


def test_names_are_keys_and_sides_are_known() -> None:
    for name, feature in STUDENT_FEATURES.items():
        assert name == feature.name
        assert feature.side in SIDES
        assert feature.doc


def test_cosine_is_that_of_the_search_embeddings() -> None:
    assert _values("cosine")[:3] == pytest.approx([0.96, 0.8, 1.0])
    assert np.isnan(_values("cosine")[3])


def test_agreement_is_unknown_where_either_side_is() -> None:
    np.testing.assert_array_equal(_values("same_interest"), [1, 0, 1, np.nan])
    np.testing.assert_array_equal(_values("same_language"), [1, 0, 0, np.nan])


def test_shopping_interest_may_be_a_degree_or_a_category() -> None:
    assert _values("query_shopping_interest").tolist() == ["4", "0", None]
    named = QUERIES.with_columns(pl.Series("shopping_interest", ["decor", None, "wedding"]))
    found = _values("query_shopping_interest", _inputs(queries=named))
    assert found.tolist() == ["decor", None, "wedding"]


def test_columns_of_the_log_come_from_the_inputs_where_the_pairs_lack_them() -> None:
    given = context(PAIRS.select("query_id", "pin_id").reverse(), _inputs())
    assert given.pairs["clicks"].to_list() == [None, 0, 0, 30]


def test_rates_are_shrunk_to_the_average_and_average_where_unknown() -> None:
    given = context(PAIRS, _inputs())
    statistics = fit_features(given)
    fitted = next(f for f in statistics.features if f.name == "click_rate")
    assert fitted.prior == pytest.approx(30 / 150)
    block = statistics.transform(given).numbers["pair"][:, _column(statistics, "click_rate")]
    raw = np.log([(30 + 4) / (100 + 20) / 0.2, 1, (0 + 4) / (50 + 20) / 0.2])
    assert block[:3, 0] == pytest.approx((raw - raw.mean()) / raw.std(), abs=1e-5)
    assert block[3, 0] == 0
    assert block[:, 1] == pytest.approx((np.array([0, 0, 0, 1]) - 0.25) / np.sqrt(3 / 16))


def test_a_rate_of_nothing_ever_is_no_information() -> None:
    given = context(PAIRS, _inputs())
    statistics = fit_features(given)
    block = statistics.transform(given).numbers["pair"][:, _column(statistics, "save_rate")]
    assert (block[:, 0] == 0).all()


def test_numbers_have_mean_0_and_deviation_1_over_the_fitted_rows_only() -> None:
    given = context(PAIRS, _inputs())
    statistics = fit_features(given, np.array([0, 1]))
    numbers = statistics.transform(given).numbers["pair"][:, _column(statistics, "bm25")]
    assert numbers[:2, 0] == pytest.approx([1, -1])
    assert (numbers[:, 1] == 0).all()  # nothing was missing in training: no input for it


def test_unseen_categories_and_missing_ones_are_code_0() -> None:
    statistics = fit_features(context(PAIRS.head(3), _inputs()))
    assert statistics.vocabularies("query") == [2, 2]
    other = QUERIES.with_columns(pl.Series("segment", ["garden", "food", None]))
    matrices = statistics.transform(context(PAIRS, _inputs(queries=other)))
    assert matrices.categories["query"][:, 0].tolist() == [0, 1, 0]
    assert matrices.categories["pin"][:, 0].tolist() == [2, 1, 0]


def test_missing_vectors_are_zero_and_say_so() -> None:
    given = context(PAIRS, _inputs())
    statistics = fit_features(given)
    start, stop = statistics.columns("query_search")
    numbers = statistics.transform(given).numbers["query"]
    assert numbers[:2, start:stop] == pytest.approx(np.sqrt(2) * np.array([[0.6, 0.8], [0, 1]]))
    assert numbers[2, start:stop].tolist() == [0, 0]
    assert numbers[2, stop] > 0 > numbers[0, stop]


def test_without_embeddings_their_columns_are_gone_or_all_missing() -> None:
    none = _inputs(query_embeddings=None, pin_embeddings=None)
    assert none.embeddings == "none"
    assert _inputs().embeddings == "given"
    assert fit_features(context(PAIRS, none)).width("pin") == 0
    statistics = fit_features(context(PAIRS, _inputs()))
    matrices = statistics.transform(context(PAIRS, none))
    start, stop = statistics.columns("pin_search")
    assert (matrices.numbers["pin"][:, start:stop] == 0).all()
    assert np.isfinite(matrices.numbers["pair"]).all()


def test_each_query_and_pin_appears_once() -> None:
    given = context(PAIRS, _inputs())
    assert given.queries["query_id"].gather(given.query_rows).equals(PAIRS["query_id"])
    assert given.pins["pin_id"].gather(given.pin_rows).equals(PAIRS["pin_id"])
    matrices = fit_features(given).transform(given)
    assert [len(matrices.numbers[side]) for side in SIDES] == [3, 3, 4]


def test_statistics_survive_json() -> None:
    statistics = fit_features(context(PAIRS, _inputs()))
    assert statistics_from(statistics.to_dicts()) == statistics


def test_a_feature_that_this_version_lacks_is_named() -> None:
    with pytest.raises(ModelError, match="feature 'colour'"):
        statistics_from([{"name": "colour", "vocabulary": []}])


def test_vectors_of_other_dimensions_are_refused() -> None:
    statistics = fit_features(context(PAIRS, _inputs()))
    wide = pl.DataFrame({"query_id": ["q0"], "search": [[1.0, 2.0, 3.0]]})
    pins = pl.DataFrame({"pin_id": ["p0"], "search": [[1.0, 2.0, 3.0]]})
    inputs = _inputs(query_embeddings=wide, pin_embeddings=pins)
    with pytest.raises(ModelError, match="3 dimensions, but the student was trained on 2"):
        statistics.transform(context(PAIRS, inputs))
    with pytest.raises(InputError, match="queries have 3 dimensions, those of Pins 2"):
        fit_features(context(PAIRS, _inputs(query_embeddings=wide)))


def test_vectors_become_unit_rows() -> None:
    rows = unit_vectors(pl.Series([[3.0, 4.0], None, [0.0, 0.0]]))
    assert rows[0] == pytest.approx([0.6, 0.8])
    assert np.isnan(rows[1]).all()
    assert (rows[2] == 0).all()
    with pytest.raises(InputError, match=r"different lengths \[1, 2\]"):
        unit_vectors(pl.Series("search", [[1.0], [1.0, 2.0]]))
