"""The MediaSearch importer on small dumps in its format, and on the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from relevance.errors import MissingInputError, TableError
from relevance.importers import mediasearch

HEAD = """-- MySQL dump 10.13
DROP TABLE IF EXISTS `ratedSearchResult`;
CREATE TABLE `ratedSearchResult` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `searchTerm` varchar(255) DEFAULT NULL,
  `searchTermExactMatchWikidataId` varchar(255) DEFAULT NULL,
  `language` varchar(255) DEFAULT NULL,
  `result` varchar(255) DEFAULT NULL,
  `rating` tinyint(4) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `term_rating` (`searchTerm`,`rating`)
) ENGINE=InnoDB;
"""
INSERT = "INSERT INTO `ratedSearchResult` VALUES "
GOOD = (
    r"(1,'Big Ben','Q41225','en','Paeonia \'Big Ben\' (1992-1380*B) Buds.jpg',1),"
    r"(2,'Big Ben','Q41225','en','A ); INSERT \\ \"x\", it''s.png',0),"
    "\n"
    r"(3,'Yết_hầu_(bệnh)',NULL,'vi','Croup_steeple__sign.jpeg',-1),"
    r"(4,'Big Ben',NULL,'en','unrated.jpg',NULL);"
    "\n"
)
MORE = r"INSERT INTO `ratedSearchResult` VALUES (5,'راسيل','Q1','ar','راسيل 1.jpg',1);"


def write(folder: Path, body: str) -> Path:
    path = folder / "dump.sql"
    path.write_text(body, encoding="utf-8")
    return path


def test_tables(tmp_path: Path) -> None:
    tables = mediasearch.read(write(tmp_path, HEAD + INSERT + GOOD + MORE + "\n-- done\n"))
    assert sorted(tables["queries"].rows()) == [
        ("ar:راسيل", "راسيل", "ar"),
        ("en:Big_Ben", "Big Ben", "en"),
        ("vi:Yết_hầu_(bệnh)", "Yết hầu (bệnh)", "vi"),
    ]
    assert sorted(tables["pins"].rows()) == [
        ('A_);_INSERT_\\_"x",_it\'s.png', 'A ); INSERT \\ "x", it\'s'),
        ("Croup_steeple__sign.jpeg", "Croup steeple sign"),
        ("Paeonia_'Big_Ben'_(1992-1380*B)_Buds.jpg", "Paeonia 'Big Ben' (1992-1380*B) Buds"),
        ("راسيل_1.jpg", "راسيل 1"),
    ]
    assert tables["qrels"]["grade"].to_list() == [5, 3, 1, 5]
    assert set(tables["qrels"]["n_judgments"]) == {1}
    assert tables["pairs"].rows() == tables["qrels"].select("query_id", "pin_id").rows()


def test_an_insert_that_names_its_columns(tmp_path: Path) -> None:
    row = "INSERT INTO `ratedSearchResult` (`rating`,`result`,`language`,`searchTerm`) VALUES "
    tables = mediasearch.read(write(tmp_path, HEAD + row + "(1,'a_b.jpg','de','x y');"))
    assert tables["qrels"].row(0) == ("de:x_y", "a_b.jpg", 5, 1, "human")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Big_Ben-Window View.jpg", "Big Ben-Window View"),
        ("File:Foo  bar.JPEG", "Foo bar"),
        ("No extension", "No extension"),
        ("Version 1.2 of it.svg", "Version 1.2 of it"),
        ("___", "___"),
    ],
)
def test_clean_name(name: str, title: str) -> None:
    assert mediasearch.clean_name(name) == title


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (HEAD, "no row of ratedSearchResult has a rating"),
        ("SELECT 1;", "this is no dump of ratedSearchResult with the columns"),
        (HEAD.replace("`rating`", "`stars`"), "this is no dump of ratedSearchResult"),
        (HEAD + INSERT + GOOD[:-60], r"dump.sql line 14: the INSERT statement cannot be read"),
        (HEAD + INSERT + GOOD.rstrip()[:-1], r"dump.sql line 14: the dump breaks off here"),
        (HEAD + INSERT + "(1,'a','Q','en','b.jpg',2);", r"line 13, column rating: rating must be"),
        (
            HEAD + INSERT + GOOD.replace(";\n", ",\n") + "(9,'x','Q','en','y.jpg',5);",
            r"line 15, column rating: rating must be -1, 0 or 1, got '5'",
        ),
        (HEAD + INSERT + "(1,'a','en','b.jpg',1);", "line 13: the table has 6 columns, this row 5"),
        (
            HEAD + INSERT + "(1,'a b','','en','c d.jpg',1),\n(2,'a_b','','en','c_d.jpg',1);",
            r"line 14: en:a_b has c_d.jpg twice",
        ),
    ],
)
def test_broken_dumps(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        mediasearch.read(write(tmp_path, body))


def test_a_dump_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="media-search-signal-test"):
        mediasearch.read(tmp_path / "dump.sql")


@pytest.mark.data
def test_the_real_data(data_dir: Path) -> None:
    tables = mediasearch.read(data_dir / "mediasearch" / "ratedSearchResult.latest.sql")
    qrels = tables["qrels"].join(tables["queries"], on="query_id")
    assert qrels.height == 14_074
    languages = dict(qrels["language"].value_counts().rows())
    assert languages | {"en": 10_956, "vi": 707, "bn": 565, "cs": 518, "ceb": 512} == languages
    assert languages | {"ar": 505, "es": 95, "de": 47, "fr": 41, "pt": 29, "it": 20} == languages
    assert not tables["queries"]["text"].str.contains("_").any()
