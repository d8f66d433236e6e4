"""The studies: one entry in `STUDIES` each; the page has them in this order."""

from __future__ import annotations

from functools import partial

from app.studies.folds import folds_by_query, hold_out, published_split, train_on_language
from app.studies.study import Study, Teaching
from relevance.grades import ESCI

E5 = "multilingual-e5-small"
MINILM = "all-MiniLM-L6-v2"
SMOLLM2 = "SmolLM2-135M"


def budgets(base: str, *, tuning: str = "full", **epochs_of: int) -> tuple[Teaching, ...]:
    """A base taught on several numbers of pairs: `pairs_800=2` is 800 pairs in two epochs.

    Fewer pairs are passed over more often, so that few steps are not mistaken for few labels.
    """
    return tuple(
        Teaching(base=base, tuning=tuning, pairs=int(name.removeprefix("pairs_")), epochs=epochs)
        for name, epochs in epochs_of.items()
    )


def _same_sample(n_pairs: int, epochs: int) -> tuple[Teaching, ...]:
    """The three bases on the same pairs; SmolLM2, a decoder of 135 million weights, by LoRA."""
    return tuple(
        Teaching(base=base, tuning=tuning, pairs=n_pairs, epochs=epochs)
        for base, tuning in ((E5, "full"), (MINILM, "full"), (SMOLLM2, "lora"))
    )


def _against(teachers: tuple[Teaching, ...], *baselines: str) -> tuple[tuple[str, str], ...]:
    """Every teacher against each of the baselines, none against itself."""
    return tuple(
        (teaching.key, baseline)
        for baseline in baselines
        for teaching in teachers
        if teaching.key != baseline
    )


_MSRD = (
    *budgets(E5, pairs_200=6, pairs_800=2, pairs_3200=2),
    *budgets(MINILM, pairs_200=6, pairs_800=2, pairs_3200=2),
    *budgets(SMOLLM2, tuning="lora", pairs_800=2),
)
_JSTS = budgets(E5, pairs_800=2, pairs_3200=2)
_ESCI = _same_sample(800, epochs=2)
_MEDIASEARCH = _same_sample(800, epochs=2)

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study(
            name="msrd",
            title="Movie search (MSRD): how many labels",
            about=(
                "240 of 16,279 queries with about 24 graded movies each, relevant or not; models "
                "learn from the grades of some of 160 queries and are tested on 80 others. The "
                "smaller numbers of pairs are parts of the larger ones, and every base learns "
                "from the same."
            ),
            importer="msrd",
            source="msrd",
            split=partial(hold_out, n_tested=80),
            teachers=_MSRD,
            students=False,
            grades=("accuracy", "AUROC@5"),
            ranking=("nDCG@20", "P@8"),
            compared=(
                *_against(_MSRD, "bm25"),
                *_against(_same_sample(800, 2)[1:], _MSRD[1].key),
            ),
            n_queries=240,
            references=(
                ("BM25, 600 queries", "AUROC@5", "all", 0.847),
                ("BM25, 600 queries", "nDCG@20", "all", 0.798),
                ("BM25, 600 queries", "P@8", "all", 0.300),
                ("boosted trees on 10 features, 2,400 queries", "AUROC@5", "all", 0.934),
                ("boosted trees on 10 features, 2,400 queries", "nDCG@20", "all", 0.905),
                ("boosted trees on 10 features, 2,400 queries", "P@8", "all", 0.333),
            ),
            reading=(
                "More labels make a better teacher, as the paper reports, and with 800 the "
                "multilingual base and the English one are alike. Its other shape, that a "
                "larger base is a better one, does not show: SmolLM2, the largest of the three, "
                "learns slowest through its adapters, and has seen 100 steps. Word overlap is "
                "strong here; the teachers reach it with 3,200 pairs and do not pass it beyond "
                "doubt."
            ),
        ),
        Study(
            name="jsts",
            title="Japanese caption pairs (JSTS): five grades",
            about=(
                "Not search: people said how alike two Japanese picture captions are in meaning, "
                "0 to 5, which is stretched over the five grades. One caption is the query, the "
                "other the title of a Pin. Models learn from the published training part, less "
                "the captions of pictures that the validation part describes, too, and are tested "
                "on the validation part."
            ),
            importer="jsts",
            source="jsts",
            split=partial(published_split, train="train", test="valid", unit="pictures"),
            teachers=_JSTS,
            students=False,
            grades=("accuracy", "AUROC@2", "AUROC@3", "AUROC@4", "AUROC@5"),
            compared=_against(_JSTS, "bm25"),
            reading=(
                "More labels help here, too, and with either number the teacher is above word "
                "overlap at every threshold."
            ),
        ),
        Study(
            name="esci",
            title="Amazon Shopping Queries, US (ESCI)",
            about=(
                "150 queries with 6,678 graded products; models are trained on two thirds of the "
                "queries and tested on the rest, three times over. Ranking gains are 0, 1, 2, 3 "
                "(scale `esci`); the list of a query is its judged pool."
            ),
            importer="esci",
            source="esci-us",
            split=partial(folds_by_query, n_folds=3),
            grades=("accuracy", "AUROC@2", "AUROC@3", "AUROC@4", "AUROC@5"),
            ranking=("nDCG@20", "P@8"),
            scale=ESCI,
            n_unlabelled=20,
            n_pushed=200,
            references=(
                ("random order", "nDCG@20", "all", 0.744),
                ("BM25", "nDCG@20", "all", 0.784),
                ("boosted trees on 12 lexical features", "nDCG@20", "all", 0.790),
                ("majority grade", "accuracy", "all", 0.507),
                ("BM25", "AUROC@2", "all", 0.645),
                ("BM25", "AUROC@3", "all", 0.618),
                ("BM25", "AUROC@4", "all", 0.618),
                ("BM25", "AUROC@5", "all", 0.541),
            ),
            reading=(
                "No product has grade 3, so AUROC@3 repeats AUROC@4. Many queries are negations "
                "(“without …”), which words alone cannot serve: judge a model by AUROC and nDCG "
                "against BM25, not by accuracy."
            ),
        ),
        Study(
            name="esci-bases",
            title="Amazon Shopping Queries, US (ESCI): three base models",
            about=(
                "90 of the queries to learn from, of which 800 graded pairs are taken, the same "
                "for each base model, and the other 60 to test on: as much as a decoder of 135 "
                "million weights gets through here in a quarter of an hour."
            ),
            importer="esci",
            source="esci-us",
            split=partial(hold_out, n_tested=60),
            teachers=_ESCI,
            students=False,
            grades=("accuracy", "AUROC@2", "AUROC@4", "AUROC@5"),
            ranking=("nDCG@20", "P@8"),
            scale=ESCI,
            compared=(*_against(_ESCI, "bm25"), *_against(_ESCI[1:], _ESCI[0].key)),
            sliced=False,
            reading=(
                "800 labels are too few for these queries: every base stays below BM25, and the "
                "larger ones are not better than the smaller. With 4,400 labels (the section "
                "above) e5-small is above BM25 on AUROC. The order of bases that the paper "
                "reports needs more labels than fit here."
            ),
        ),
        Study(
            name="mediasearch",
            title="Wikimedia Commons image search (MediaSearch)",
            about=(
                "14,074 rated search results in 20 languages, known by their file names alone. "
                "Models are trained on four fifths of the English queries and tested on the "
                "remaining English ones and on every other language."
            ),
            importer="mediasearch",
            source="mediasearch/ratedSearchResult.latest.sql",
            split=partial(train_on_language, language="en"),
            grades=("accuracy", "AUROC@3", "AUROC@5"),
            by="language",
            n_unlabelled=3,
            slice_language="en",
            references=tuple(
                ("character n-gram cosine", "AUROC@5", language, figure)
                for language, figure in (
                    ("en", 0.653),
                    ("vi", 0.816),
                    ("es", 0.778),
                    ("ceb", 0.684),
                    ("de", 0.664),
                    ("fr", 0.663),
                    ("cs", 0.650),
                    ("bn", 0.494),
                    ("ar", 0.463),
                )
            ),
            reading=(
                "AUROC@5 is good against the rest. English labels are all that the models saw; "
                "where a language's interval lies above .5, and above BM25's, they carry over to "
                "it. Languages with fewer than 30 pairs are left out of the table."
            ),
        ),
        Study(
            name="mediasearch-bases",
            title="Wikimedia Commons image search (MediaSearch): three base models",
            about=(
                "The same split, and at most 800 graded English pairs to learn from, the same "
                "for each base model, of which only the first has read other languages."
            ),
            importer="mediasearch",
            source="mediasearch/ratedSearchResult.latest.sql",
            split=partial(train_on_language, language="en"),
            teachers=_MEDIASEARCH,
            students=False,
            grades=("accuracy", "AUROC@3", "AUROC@5"),
            by="language",
            compared=(
                *_against(_MEDIASEARCH, "bm25"),
                *_against(_MEDIASEARCH[1:], _MEDIASEARCH[0].key),
            ),
            sliced=False,
            reading=(
                "The base that has read many languages learns from English labels what serves "
                "the others: after 800 of them it is above BM25 over all languages together, "
                "and above both English bases. Those hardly carry over, and SmolLM2 with "
                "adapters stays near chance outside English: here, too, more weights are not "
                "more use without the languages and the labels."
            ),
        ),
    )
}
"""Every study by name."""
