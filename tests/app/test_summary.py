from app.summary import summary_table, verdict_sentence
from relevance.results import ComparisonRow, ExperimentRow, Results, Row


def _parts() -> dict[str, Results]:
    accuracy = {"metric": "accuracy", "system": "teacher"}
    lift = {"metric": "fulfilled", "system": "treatment"}
    return {
        "grades": Results(
            (
                Row(**accuracy, value=0.5, ci_low=0.4, ci_high=0.6, n=90),
                Row(**accuracy, slice="country", group="US", value=0.55, n=50),
                Row(**accuracy, slice="country", group="FR", note="one_class"),
                Row(**accuracy, slice="country", group="(mean)", value=0.55, n=50),
            )
        ),
        "compare": Results(
            (ComparisonRow(metric="nDCG@20", system="candidate", value=0.9, rel_difference=0.02),)
        ),
        "experiment": Results(
            (
                ExperimentRow(
                    **lift,
                    value=0.5,
                    rel_difference=0.0234,
                    rel_difference_ci_low=-0.01,
                    rel_difference_ci_high=0.05,
                ),
                ExperimentRow(**lift, slice="country", group="US", rel_difference=0.03),
                ExperimentRow(metric="verdict", note="not yet: too few users"),
            )
        ),
    }


def test_every_cell_is_a_cell_of_the_results_and_undefined_is_a_dash() -> None:
    header, rows = summary_table(_parts(), {"all": 0.02, "US": 0.025})
    assert header == ["", "all", "95 % interval", "FR", "US"]
    assert rows == [
        ["teacher accuracy", "0.500", "[0.400, 0.600]", "—", "0.550"],
        ["candidate nDCG@20", "+2.0%", "", "—", "—"],
        ["A/B fulfillment", "+2.3%", "[-1.0%, +5.0%]", "—", "+3.0%"],
        ["  true lift", "+2.0%", "", "", "+2.5%"],
    ]


def test_it_fits_a_terminal_of_80_columns() -> None:
    header, rows = summary_table(_parts())
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    assert sum(widths) + 2 * len(widths) <= 80


def test_the_verdict_is_the_experiments() -> None:
    assert verdict_sentence(_parts()) == "not yet: too few users"
    assert verdict_sentence({}) == "no verdict: there is no experiment"
