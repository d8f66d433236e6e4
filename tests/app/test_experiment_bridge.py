"""`gradewise experiment bridge`: saved results in, one table out."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner, Result

from app.cli import app, main
from relevance.provenance import write_provenance
from relevance.results import ExperimentRow, PairedRow, Results
from relevance.workspace import Workspace

COUNTRIES = ("FR", "US")
rng = np.random.default_rng(5)
OFFLINE = rng.normal(0.01, 0.03, (6, 2))
ONLINE = 0.5 * OFFLINE + rng.normal(0, 0.004, (6, 2))


def compared(i: int) -> Results:
    return Results(
        tuple(
            PairedRow(
                metric=metric, slice="country", group=country, system="candidate",
                rel_difference=x, rel_difference_ci_low=x - 0.01, rel_difference_ci_high=x + 0.01,
                n_wins=3,
            )
            for metric in ("nDCG@20", "P@8")
            for country, x in zip(COUNTRIES, OFFLINE[i].tolist(), strict=True)
        )
    )  # fmt: skip


def experiment(i: int, verdict: str = "ship: it rose") -> Results:
    rows = [
        ExperimentRow(
            metric="fulfilled", slice="country", group=country, system="treatment", role="primary",
            rel_difference=y, rel_difference_ci_low=y - 0.004, rel_difference_ci_high=y + 0.004,
            ci_level=0.975, margin_relative=True,
        )
        for country, y in zip(COUNTRIES, ONLINE[i].tolist(), strict=True)
    ]  # fmt: skip
    said = ExperimentRow(metric="verdict", system="treatment", role="verdict", note=verdict)
    return Results((*rows, said))


@pytest.fixture
def saved(tmp_path: Path) -> list[str]:
    """Six pairs, in each of the formats that commands save."""
    pairs = []
    for i in range(6):
        paths = []
        for part, results in (("compare", compared(i)), ("ab", experiment(i))):
            path = tmp_path / f"{part}{i}.{('json', 'csv', 'parquet')[i % 3]}"
            if path.suffix == ".parquet":
                results.to_frame().write_parquet(path)
            else:
                path.write_text(results.to_json() if path.suffix == ".json" else results.to_csv())
            paths.append(path)
        pairs += ["--pair", f"e{i}={paths[0]},{paths[1]}"]
    return pairs


def bridge(*words: object) -> Result:
    return CliRunner().invoke(app, ["experiment", "bridge", *map(str, words)])


def test_any_saved_format_gives_the_same_correlation(saved: list[str]) -> None:
    done = bridge(*saved, "--format", "json")
    assert done.exit_code == 0, done.output
    rows = {(row["metric"], row["slice"]): row for row in json.loads(done.stdout)}
    found = rows["pearson(P@8)", "country"]
    assert found["value"] == pytest.approx(stats.pearsonr(OFFLINE.ravel(), ONLINE.ravel())[0])
    assert found["ci_low"] < found["value"] < found["ci_high"]
    assert found["n"] == 12
    assert "e3.compare=xxh3:" in found["source"]
    text = bridge(*saved, "--format", "csv").stdout
    assert len(list(csv.DictReader(io.StringIO(text)))) == len(json.loads(done.stdout))


def test_the_text_shows_both_sides_and_what_they_say_together(saved: list[str]) -> None:
    text = bridge(*saved).stdout
    line = next(line for line in text.splitlines() if line.startswith("e0"))
    assert line.split()[:3] == ["e0", "FR", f"{OFFLINE[0, 0]:+.2%}"]
    assert re.search("Δ nDCG@20 .* Δ P@8 .* Δ fulfilled", text)
    together = text[text.index("Together, with 95 % intervals") :]
    line = next(line for line in together.splitlines() if line.startswith("nDCG@20  country"))
    assert line.split()[2:4] == ["12", f"{stats.pearsonr(OFFLINE.ravel(), ONLINE.ravel())[0]:.2f}"]
    assert "reliability 0." in together


def test_workspaces_are_pairs_too_and_the_broken_are_counted(tmp_path: Path) -> None:
    flags: list[str] = []
    for i in range(6):
        place = Workspace(tmp_path / f"w{i}")
        place.write("results-compare", compared(i).to_frame(), command="gradewise demo",
                    config={"level": 0.5})  # fmt: skip
        verdict = "invalid: users are not split" if i == 2 else "ship: it rose"
        place.root.joinpath("results-experiment.csv").write_text(experiment(i, verdict).to_csv())
        flags += ["--workspace", str(place.root)]
    rows = {
        (r["metric"], r["slice"]): r for r in json.loads(bridge(*flags, "--format", "json").stdout)
    }
    assert rows["excluded(invalid)", "all"]["n"] == 1
    assert rows["pearson(nDCG@20)", "country"]["n"] == 10
    spread = np.var(np.delete(OFFLINE, 2, axis=0).ravel(), ddof=1)
    error = 0.01 / stats.norm.ppf(0.75)
    share = f"reliability {1 - error**2 / spread:.2f} offline"
    assert share in rows["slope_corrected(nDCG@20)", "country"]["note"]
    assert "left out: 1 experiments whose split was broken: w2" in bridge(*flags).stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "there is no past experiment. Give --pair NAME=COMPARE,EXPERIMENT or --workspace"),
        (["--pair", "march=only.json"], "--pair must be NAME=COMPARE,EXPERIMENT, got"),
        (
            ["--pair", "m=nowhere.json,b.json"],
            "nowhere.json not found. It is made by: gradewise ev",
        ),
        (["--workspace", "nowhere"], "results-compare.parquet not found"),
        (
            ["--pair", "m={text},{text}"],
            "text.json: these are no results (not a JSON array",
        ),
        (["--pair", "m={csv},{csv}"], "other.csv: these are no results (not a row of the long"),
    ],
)
def test_user_errors_are_one_line(
    flags: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text, other = tmp_path / "text.json", tmp_path / "other.csv"
    text.write_text('{"rows": []}')
    other.write_text("a,b\n1,2\n")
    words = [flag.replace("{text}", str(text)).replace("{csv}", str(other)) for flag in flags]
    monkeypatch.setattr(sys, "argv", ["gradewise", "experiment", "bridge", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert message in said
    assert len(said.splitlines()) == 1


def test_a_provenance_beside_a_file_tells_its_level(tmp_path: Path, saved: list[str]) -> None:
    path = Path(saved[5].partition("=")[2].partition(",")[0])
    assert path.suffix == ".parquet"
    before = bridge(*saved, "--format", "json").stdout
    write_provenance(path, command="gradewise evaluation compare", config={"level": 0.5})
    assert bridge(*saved, "--format", "json").stdout != before
