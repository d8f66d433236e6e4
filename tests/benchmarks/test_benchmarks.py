"""The benchmarks' data, checks and page; never a time."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from benchmarks.data import COUNTRIES, FILES
from benchmarks.harness import FILES as NAMES
from benchmarks.harness import Bench, Entry, Measurement, Outcome, compare_figures, failures
from benchmarks.report import _monte_carlo, page, table, verdict
from benchmarks.suite import BENCHMARKS, Benchmark, Contender, Target

OURS, PEER = Contender("ours:x", "gradewise"), Contender("peer:x", "the peer")
BENCHMARK = Benchmark(
    "b",
    "A piece of work",
    "grades",
    "10 rows",
    (OURS, PEER),
    (Target(at_least=4, than="peer:x"), Target(megabytes=300), Target(seconds=1)),
)


def measured(
    seconds: float, megabytes: float = 100, notes: dict[str, float] | None = None, **figures: float
) -> Measurement:
    return Measurement(seconds, seconds, seconds + 1, megabytes, figures, notes or {})


def outcome(size: float = 1, **peer: float) -> Outcome:
    ours = Entry(OURS, [measured(second, a=0.5) for second in (0.5, 9.0, 0.4)])
    return Outcome(BENCHMARK, size, [ours, Entry(PEER, [measured(2, a=peer.get("a", 0.5))])])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("benchmark")
    for name, (write, _) in FILES.items():
        (root / name).mkdir()
        write(root / name, 0.0005)
    return root


def test_the_ranking_files_are_as_told(folder: Path) -> None:
    read = {
        name: pl.read_parquet(folder / "ranking" / f"{name}.parquet") for name in NAMES["ranking"]
    }
    run, qrels, joined = read["run"], read["qrels"], read["joined"]
    assert run.group_by("query_id").len()["len"].unique().to_list() == [50]
    assert qrels.group_by("query_id").len()["len"].unique().to_list() == [40]
    both = run.join(qrels, on=["query_id", "pin_id"])
    assert both.height == 30 * run["query_id"].n_unique()
    assert run.select("query_id", "score").is_unique().all()
    assert run.select("query_id", "pin_id").is_unique().all()
    assert sorted(qrels["grade"].unique()) == [1, 2, 3, 4, 5]
    assert set(read["queries"]["country"]) <= set(COUNTRIES)
    assert len(set(COUNTRIES)) == 20
    assert joined.filter(pl.col("score").is_not_null()).height == run.height
    assert joined.filter(pl.col("grade").is_not_null()).height == qrels.height


def test_the_other_files_are_as_told(folder: Path) -> None:
    predictions = pl.read_parquet(folder / "grades/predictions.parquet")
    assert predictions.group_by("query_id").len()["len"].unique().to_list() == [100]
    total = predictions.select(pl.sum_horizontal(pl.col("^p[1-5]$").cast(pl.Float64))).to_series()
    assert (total - 1).abs().max() < 1e-6  # type: ignore[operator]
    judgments = pl.read_parquet(folder / "judgments/judgments.parquet")
    assert judgments.group_by("pin_id").len()["len"].unique().to_list() == [3]
    assert judgments.select("pin_id", "annotator").is_unique().all()


def test_the_same_seed_writes_the_same_files(folder: Path, tmp_path: Path) -> None:
    for name, (write, files) in FILES.items():
        write(tmp_path, 0.0005)
        for file in files:
            again = pl.read_parquet(tmp_path / f"{file}.parquet")
            assert again.equals(pl.read_parquet(folder / name / f"{file}.parquet"))


def test_files_and_contenders_are_known() -> None:
    assert {name: files for name, (_, files) in FILES.items()} == NAMES
    for benchmark in BENCHMARKS:
        assert benchmark.contenders[0].ours
        assert benchmark.files in FILES
        names = {contender.name for contender in benchmark.contenders}
        assert all(target.than in names for target in benchmark.targets if target.at_least)


def test_ours_runs_in_a_process_and_its_figures_are_read_back(folder: Path) -> None:
    bench = Bench(folder, Path(sys.executable), 1, 60, lambda line: None)
    files = {name: folder / "grades" / f"{name}.parquet" for name in NAMES["grades"]}
    found = bench.measure(Contender("ours:grades_points", "gradewise"), files, seed=0)
    assert isinstance(found, Measurement)
    assert set(found.figures) == {"accuracy all", "AUROC@3 all", "AUROC@4 all", "AUROC@5 all"}
    assert 0.8 < found.figures["AUROC@4 all"] < 0.9
    assert found.whole_seconds > found.seconds > 0
    assert found.megabytes > 20
    broken = bench.measure(Contender("ours:nothing", "gradewise"), files, seed=0)
    assert broken == "KeyError: 'nothing'"


def test_the_grading_round_is_as_told(folder: Path) -> None:
    read = {
        name: pl.read_parquet(folder / "grading" / f"{name}.parquet") for name in NAMES["grading"]
    }
    pairs = read["samples"].select("query_id", "pin_id")
    assert pairs.is_unique().all()
    assert pairs.height == 40
    assert set(pairs["query_id"]) == set(read["queries"]["query_id"])
    assert set(pairs["pin_id"]) == set(read["pins"]["pin_id"])
    judged = read["judgments"].group_by("query_id", "pin_id").agg(pl.col("annotator").n_unique())
    assert judged.height == pairs.height
    assert judged["annotator"].unique().to_list() == [3]


CONTENDER = """
IMPORTS = {"good": (), "bad": (), "absent": ()}
def prepare(function, files):
    if function == "absent":
        raise SystemExit("left out: needs PostgreSQL")
    files["a"].write_text("prepared")
def finish():
    print("finished")
def work(function, files):
    assert files["a"].read_text() == "prepared"
    if function == "bad":
        raise ValueError("no")
    return {"x": 1.0}, {}
"""


def test_what_a_contender_prepares_is_not_measured_and_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import benchmarks.contenders
    from benchmarks import worker

    (tmp_path / "prepared.py").write_text(CONTENDER)
    monkeypatch.setattr(benchmarks.contenders, "__path__", [str(tmp_path)])
    said: list[str] = []
    monkeypatch.setattr("builtins.print", lambda *words: said.extend(words))
    worker.main(["prepared:good", f"a={tmp_path / 'a'}"])
    assert said == ["finished"]
    with pytest.raises(ValueError, match="no"):
        worker.main(["prepared:bad", f"a={tmp_path / 'a'}"])
    assert said == ["finished", "finished"]


def test_a_contender_that_lacks_its_server_is_left_out_not_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {"ours:x": measured(1, a=0.5), "peer:x": "left out: needs PostgreSQL"}
    monkeypatch.setattr(Bench, "measure", lambda self, who, files, *, seed: answers[who.name])
    monkeypatch.setattr(Bench, "files", lambda *_: {})
    found = Bench(Path(), Path(sys.executable), 2, 9, lambda line: None).run(BENCHMARK, 1, None)
    assert found.entry("peer:x").left_out == "left out: needs PostgreSQL"
    assert failures([found]) == []
    answers["peer:x"] = "ValueError: no"
    broken = Bench(Path(), Path(sys.executable), 1, 9, lambda line: None).run(BENCHMARK, 1, None)
    assert failures([broken]) == ["b ×1: peer:x failed: ValueError: no"]


def test_peers_that_need_our_environment_run_in_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, tmp_path / "no-python", 1, 9, lambda line: None)
    here = Contender("krippendorff_alpha:none", "x", here=True)
    assert bench.measure(here, {}, seed=0) == "KeyError: 'none'"
    with pytest.raises(FileNotFoundError):
        bench.measure(Contender("krippendorff_alpha:none", "x"), {}, seed=0)


def test_figures_that_differ_are_a_failure() -> None:
    good, bad = outcome(), outcome(a=0.5 + 2e-9)
    for one in (good, bad):
        compare_figures(one)
    assert (good.n_agreed, good.disagreements) == (1, [])
    assert bad.disagreements == ["a: 0.5, the peer 0.500000002"]
    assert failures([good]) == []
    assert failures([good, bad]) == ["b ×1: a: 0.5, the peer 0.500000002"]
    broken = Outcome(BENCHMARK, 1, [Entry(OURS, left_out="failed: oh"), good.entries[1]])
    assert failures([broken]) == ["b ×1: ours:x failed: oh"]


def test_medians_ratios_and_targets() -> None:
    lines = table(outcome()).splitlines()
    assert lines[2] == "| gradewise | 0.5 | 1 | 0.5 | 1.5 | 100 |"
    assert lines[3] == "| the peer | 2 | 4 | 2 | 3 | 100 |"
    told = [verdict(target, outcome()) for target in BENCHMARK.targets]
    assert told == [
        "at least 4× as fast as the peer: 4.0× (met)",
        "at most 300 MB: 100 MB (met)",
        "at most 1 s: 0.5 s (met)",
    ]
    assert verdict(Target(at_least=4.4, than="peer:x"), outcome()).endswith(
        "4.0× (met within 10 %)"
    )
    assert verdict(Target(seconds=0.4), outcome()).endswith("0.5 s (missed)")


def test_who_would_take_too_long_or_too_much_is_left_out() -> None:
    bench = Bench(Path(), Path(sys.executable), 1, 20, lambda line: None)
    small = outcome(0.1)
    assert bench._refusal(PEER, 0.5, small) == ""
    assert bench._refusal(PEER, 1, small) == "left out: would take about 30 s a round"
    huge = Outcome(BENCHMARK, 0.1, [Entry(OURS, [measured(0.1, 1e6)])])
    assert "would need about 9766 GB" in bench._refusal(OURS, 1, huge)


def test_the_page() -> None:
    outcomes = [outcome(0.1), outcome(1)]
    for one in outcomes:
        compare_figures(one)
    outcomes[1].entries[1].left_out = "left out: would take about 999 s a round"
    outcomes[1].entries[1].runs.clear()
    text = page(
        outcomes,
        now=datetime(2026, 1, 2, tzinfo=UTC),
        commit="abc",
        machine="2 cores",
        load="0.10",
        rounds=3,
        versions={"numpy": "2"},
    )
    assert "2026-01-02, commit abc. 2 cores. Load before the start: 0.10." in text
    assert "## A piece of work" in text
    assert "| the peer | left out: would take about 999 s a round | | | | |" in text
    assert "- Wanted at least 4× as fast as the peer: not measured." in text
    assert "| gradewise | 0.5 · 100 MB | 0.5 · 100 MB |" in text


def test_monte_carlo_error_is_stated_where_seeds_differ() -> None:
    def run(low: float, high: float) -> Measurement:
        figures = {"A all": 0.5, "A all ci_low": low, "A all ci_high": high}
        return Measurement(1, 1, 1, 1, figures, {})

    runs = [run(0.39, 0.6), run(0.4, 0.6), run(0.41, 0.6)]
    (told,) = _monte_carlo(Outcome(BENCHMARK, 1, [Entry(OURS, runs)]))
    assert "over 3 seeds an end varies with a standard deviation of 7.1% of the half-width" in told
    assert _monte_carlo(Outcome(BENCHMARK, 1, [Entry(OURS, runs[:1] * 3)])) == []
    assert _monte_carlo(outcome()) == []
