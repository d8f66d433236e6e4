from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relevance.errors import InputError, MissingExtraError, TableError
from relevance.importers import mediasearch
from relevance.languages import (
    SOURCES,
    THRESHOLD,
    built_in,
    fill_languages,
    identify,
    learn_prior,
    read_prior,
)
from relevance.languages.prior import weigh
from relevance.languages.scripts import SCRIPTS, languages_of, scripts_of
from relevance.world import WorldConfig, make_world

PROJECT = ("en", "fr", "es", "ja", "zh", "ko", "th", "ar", "de", "pt")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("カフェ", "ja"),
        ("iPhoneケース", "ja"),
        ("작은 방", "ko"),
        ("โต๊ะไม้", "th"),
        ("مكتب خشبي", "ar"),
        ("駅前広場", "ja"),  # 駅 and 広 are no characters of China's sets
        ("图书馆", "zh"),
        ("living room ideas", "en"),
        ("chambre bébé garçon", "fr"),
    ],
)
def test_scripts_and_words_tell(text: str, language: str) -> None:
    (row,) = identify([text], PROJECT).to_dicts()
    assert row["language"] == language
    assert row["probability"] > THRESHOLD
    assert row["source"] in {"script", "model"}


@pytest.mark.parametrize("text", ["", None, "12 × 30", "🌿✨", "ελληνικά", "हिन्दी", "…"])
def test_nothing_is_guessed_without_letters_or_in_a_foreign_script(text: str | None) -> None:
    assert identify([text], PROJECT).row(0) == (None, None, None)


def test_a_kanji_word_goes_by_the_country_and_is_open_without_one() -> None:
    found = identify(["弁当"] * 4, ("en", "ja", "zh"), countries=["JP", "CN", None, "XX"])
    assert found["language"].to_list()[:2] == ["ja", "zh"]
    assert found["source"].to_list() == ["country", "country", "script", "script"]
    assert found["probability"].to_list()[2:] == [0.5, 0.5]
    filled = fill_languages(
        pl.DataFrame({"text": ["弁当"] * 2, "country": ["JP", None]}), among=("ja", "zh")
    )
    assert filled.frame["language"].to_list() == ["ja", None]


def test_a_country_decides_short_words_but_not_clear_sentences() -> None:
    texts = ["sofa"] * 3 + ["how to decorate a small living room with plants"]
    found = identify(texts, ("en", "fr", "es"), countries=["MX", "FR", "US", "MX"])
    assert found["language"].to_list() == ["es", "fr", "en", "en"]
    assert set(found["source"]) == {"model+country"}


def test_only_the_projects_languages_come_back_as_they_are_written() -> None:
    assert identify(["sala pequeña"], ("pt-BR",)).row(0) == ("pt-BR", 0.9, "script")
    assert identify(["sofá pequeno com almofadas"], ("en", "pt-BR", "pt-PT"))["language"][0] == (
        "pt-BR"
    )


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.text(max_size=20), st.sampled_from(["JP", "US", "", None])), max_size=6)
)
def test_identify_gives_a_row_a_text_and_probabilities(
    rows: list[tuple[str, str | None]],
) -> None:
    texts = [text for text, _ in rows]
    found = identify(texts, PROJECT, countries=[country for _, country in rows])
    assert found.height == len(rows)
    assert found["probability"].drop_nulls().is_between(0, 1).all()
    assert set(found["language"].drop_nulls()) <= set(PROJECT)
    alone = [identify([text], PROJECT, countries=[country]).row(0) for text, country in rows]
    assert alone == found.rows()


def test_each_script_is_found_by_one_of_its_letters() -> None:
    letters = {"Kana": "ケ", "Hangul": "글", "Bopomofo": "ㄅ", "Latin": "é", "Odia": "ଓ"}
    assert scripts_of(pl.Series(list(letters.values()))).to_list() == list(letters)
    assert len({script.name for script in SCRIPTS}) == len(SCRIPTS)
    assert scripts_of(pl.Series(["IKEA стол белый", "IKEA BILLY regal я"])).to_list() == [
        "Cyrillic",
        "Latin",
    ]
    assert languages_of("Cyrillic", ("en", "sr", "ru")) == ("sr", "ru")
    assert languages_of("Latin", ("en", "sr", "ru")) == ("en", "sr")


def test_only_missing_languages_are_filled_and_a_second_run_changes_nothing() -> None:
    frame = pl.DataFrame(
        {
            "query_id": ["a", "b", "c", "d"],
            "text": ["oak desk with drawers", "カフェ", "??", "bureau en chêne massif"],
            "language": ["xx", None, None, " "],
        }
    )
    filled = fill_languages(frame, among=("en", "fr", "ja"))
    assert filled.frame["language"].to_list() == ["xx", "ja", None, "fr"]
    assert filled.frame["language_source"].to_list() == ["given", "script", None, "model"]
    assert (filled.n_given, filled.n_filled, filled.n_undetermined) == (1, 2, 1)
    assert set(filled.frame["language_source"].drop_nulls()) <= set(SOURCES)
    again = fill_languages(filled.frame, among=("en", "fr", "ja"))
    assert again.frame.equals(filled.frame)
    assert (again.n_given, again.n_undetermined) == (3, 1)


def test_pins_are_told_by_their_authors_words() -> None:
    pins = pl.DataFrame(
        {
            "pin_id": ["a", "b", "c"],
            "title": ["Bureau", None, None],
            "description": ["en chêne massif pour la maison", None, None],
            "link_title": ["Shop", "Gartenmöbel für den kleinen Balkon", None],
            "image_caption": ["a desk by the window of a room"] * 3,
        }
    )
    filled = fill_languages(pins, among=("en", "fr", "de"))
    assert filled.frame["language"].to_list() == ["fr", "de", None]


def test_languages_of_the_table_and_its_countries_are_the_candidates() -> None:
    frame = pl.DataFrame(
        {"text": ["a", "b", "c"], "language": ["ceb", "it", None], "country": [None, "JP", "JP"]}
    )
    filled = fill_languages(frame)
    assert filled.among == ("en", "it", "ja")
    assert filled.left_out == ("ceb",)


def test_the_prior_learns_from_rows_that_are_known() -> None:
    countries = pl.Series(["US"] * 80 + ["XX"] * 2 + [None])
    languages = pl.Series(["es"] * 80 + ["eo", None, "en"])
    learned = learn_prior(countries, languages, built_in())
    assert learned["US"]["es"] == pytest.approx((80 + 20 * 0.09) / (80 + 20 * 0.99))
    assert learned["XX"] == {"eo": 1}
    assert learned["JP"] == built_in()["JP"]
    weights = weigh(learned, " us ", ("es", "en", "fr"))
    assert weights is not None
    assert sum(weights) == pytest.approx(1)
    assert weights[0] > weights[1] > weights[2] > 0
    assert weigh(learned, "QQ", ("es",)) is None


def test_a_prior_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "shares.csv"
    path.write_text("country,language,share\njp,zh-TW,0.9\n")
    assert read_prior(path) == {"JP": {"zh": 0.9}}
    found = identify(["弁当"], ("ja", "zh"), countries=["JP"], prior=read_prior(path))
    assert found["language"].to_list() == ["zh"]
    path.write_text("country,language,share\nJP,ja,1\nJP,en,5%\n")
    with pytest.raises(TableError, match=r"shares.csv line 3, column share: share must .* '5%'"):
        read_prior(path)
    path.write_text("country,share\nJP,1\n")
    with pytest.raises(TableError, match="columns are missing: language"):
        read_prior(path)


def test_built_in_shares_are_probabilities() -> None:
    for shares in built_in().values():
        assert 0.9 <= sum(shares.values()) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("among", "options", "message"),
    [
        ((), {}, "no row has a language, or a country"),
        (("en", "ceb"), {}, "'ceb' cannot be told from others of its script"),
        ((" ",), {}, "no language to choose among"),
        (("en", "fr"), {"threshold": 2}, "must be 0-1, got 2"),
    ],
)
def test_what_cannot_be_done_is_told(
    among: tuple[str, ...], options: dict[str, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fill_languages(pl.DataFrame({"text": ["a"]}), among=among, **options)


def test_other_tables_and_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="neither text nor title"):
        fill_languages(pl.DataFrame({"pin_id": ["a"]}), among=("en", "fr"))
    with pytest.raises(InputError, match="2 texts, but 1 countries"):
        identify(["a", "b"], ("en", "fr"), countries=["US"])


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from relevance.languages import classify

    classify._model.cache_clear()
    classify._every_language.cache_clear()
    classify._model_labels.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"py3langid .*gradewise\[languages\]"):
        identify(["bonjour"], ("en", "fr"))
    assert identify(["カフェ"], ("ja",))["language"].to_list() == ["ja"]  # scripts need no package


def test_the_worlds_queries_are_told() -> None:
    queries = make_world(WorldConfig(seed=1)).queries
    among = ("en", "fr", "es", "ja", "de", "pt", "it", "zh")
    blank = queries.with_columns(language=pl.lit(None, dtype=pl.String))
    with_country = fill_languages(blank, among=among).frame["language"]
    without = fill_languages(blank.drop("country"), among=among).frame["language"]
    assert with_country.null_count() <= 0.02 * queries.height
    assert without.null_count() <= 0.25 * queries.height
    for told, least in ((with_country, 0.99), (without, 0.97)):
        known = told.is_not_null()
        assert (told == queries["language"]).filter(known).mean() >= least


@pytest.mark.data
def test_accuracy_on_wikimedia_searches(data_dir: Path) -> None:
    """Names and Latin plant names of encyclopaedias: hardly any language in them, so few are told.

    What is told should be right: .92 of .36 of them; by the script alone nearly always.
    """
    dump = data_dir / "mediasearch" / "ratedSearchResult.latest.sql"
    queries = mediasearch.read(dump)["queries"].filter(pl.col("language") != "ceb")
    among = tuple(queries["language"].unique().sort())
    blank = queries.with_columns(language=pl.lit(None, dtype=pl.String))
    told = fill_languages(blank, among=among).frame.with_columns(right=queries["language"])
    known = told.filter(pl.col("language").is_not_null())
    assert known.height / queries.height > 0.33
    assert (known["language"] == known["right"]).mean() > 0.9
    by_script = known.filter(pl.col("language_source") == "script")
    assert by_script.height > 500
    assert (by_script["language"] == by_script["right"]).mean() > 0.99
