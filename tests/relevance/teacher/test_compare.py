"""Several teachers on the same folds: resumed, timed, honest about weights that are not here."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import polars as pl
import pytest

from relevance.errors import InputError, ModelError
from relevance.teacher import compare, weights
from relevance.teacher.bases import BASES, Base, find_base
from relevance.teacher.compare import (
    BASELINES,
    FACTS,
    Contender,
    Outcome,
    base_contenders,
    baseline_predictions,
    clear,
    out_of_fold,
    suited,
)
from relevance.teacher.config import TeacherConfig
from relevance.teacher.folds import deal_queries
from relevance.teacher.train import train_teacher

Tables = dict[str, pl.DataFrame]
FAST = TeacherConfig(base="tiny", epochs=1, batch_size=16, max_tokens=32, threads=1)
KEYS = ["query_id", "pin_id"]


@pytest.fixture
def few(tables: Tables) -> Tables:
    """Six queries of six Pins."""
    kept = tables["qrels"].filter(pl.col("query_id") < "q30")
    kept = kept.filter(pl.col("pin_id").is_in(["p00", "p01", "p10", "p12", "p21", "p33"]))
    return {**tables, "qrels": kept}


@pytest.fixture
def absent(tiny_base: Base, monkeypatch: pytest.MonkeyPatch) -> Base:
    """A base of no package and no hub, whose fallback is here."""
    base = dataclasses.replace(
        tiny_base, name="far", hub="nobody/far", package=None, fallback="tiny"
    )
    monkeypatch.setitem(BASES, "far", base)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return base


def run(few: Tables, out: Path, contenders: list[Contender], folds: int = 2) -> list[Outcome]:
    return list(
        out_of_fold(few["qrels"], few["queries"], few["pins"], out, contenders, folds=folds)
    )


def test_every_pair_is_predicted_once_by_each(tiny_base: Base, few: Tables, tmp_path: Path) -> None:
    wide = Contender("wide", FAST)
    thin = Contender("thin", dataclasses.replace(FAST, text_features=("title",)))
    found = run(few, tmp_path, [wide, thin])
    assert [each.name for each in found] == ["wide", "thin"]
    for each in found:
        assert each.predictions is not None
        assert each.predictions.select(KEYS).sort(KEYS).equals(few["qrels"].select(KEYS).sort(KEYS))
        assert each.predictions["model"].unique().to_list() == [each.name]
        assert each.seconds is not None
        assert each.pairs_per_second is not None
        assert min(each.seconds, each.pairs_per_second) > 0
    first, second = (each.predictions for each in found)
    assert first is not None
    assert second is not None
    assert not first["p5"].equals(second["p5"])


def test_what_is_done_is_not_trained_again(
    tiny_base: Base, few: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(few, tmp_path, [Contender("one", FAST)])[0]

    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained or loaded again")

    monkeypatch.setattr("relevance.teacher.folds.train_teacher", never)
    monkeypatch.setattr(compare, "prepare_weights", never)
    after = run(few, tmp_path, [Contender("one", FAST)])[0]
    assert before.predictions is not None
    assert after.predictions is not None
    assert after.predictions.equals(before.predictions)
    assert after.seconds == pytest.approx(before.seconds, abs=1e-3)
    assert after.pairs_per_second == before.pairs_per_second


def test_killed_in_the_middle_it_continues_to_the_same_result(
    tiny_base: Base, few: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relevance.teacher import folds

    whole = run(few, tmp_path / "whole", [Contender("a", FAST), Contender("b", FAST)])
    trained: list[object] = []

    def dies(*arguments: object, **named: object) -> object:
        trained.append(arguments[3])
        if len(trained) == 4:  # the second fold of the second
            raise KeyboardInterrupt
        return train_teacher(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(folds, "train_teacher", dies)
    contenders = [Contender("a", FAST), Contender("b", FAST)]
    with pytest.raises(KeyboardInterrupt):
        run(few, tmp_path / "broken", contenders)
    again = run(few, tmp_path / "broken", contenders)
    assert len(trained) == 5  # that fold alone
    for old, new in zip(whole, again, strict=True):
        assert old.predictions is not None
        assert new.predictions is not None
        assert new.predictions.equals(old.predictions)


def test_time_before_a_kill_counts(
    tiny_base: Base, few: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").mkdir()
    first = run(few, tmp_path / "x", [Contender("one", FAST)])[0]
    facts = json.loads((tmp_path / "x" / "one" / FACTS).read_text())
    facts.update(seconds=1000.0, finished=False)
    (tmp_path / "x" / "one" / FACTS).write_text(json.dumps(facts))
    again = run(few, tmp_path / "x", [Contender("one", FAST)])[0]
    assert first.seconds is not None
    assert again.seconds is not None
    assert first.seconds < 1000 < again.seconds


def test_a_base_that_is_not_here_says_so_and_its_fallback_does_not_stand_in(
    absent: Base, few: Tables, tmp_path: Path
) -> None:
    assert weights.prepare_weights(absent).base.name == "tiny"  # which training alone would use
    found = run(few, tmp_path, base_contenders(["far", "tiny"], FAST))
    assert found[0].predictions is None
    assert (found[0].seconds, found[0].pairs_per_second) == (None, None)
    assert "weights of far cannot be had" in found[0].note
    assert "nobody/far" in found[0].note
    assert found[1].predictions is not None


def test_a_base_that_does_not_learn_leaves_the_others(
    tiny_base: Base, few: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relevance.teacher import folds

    def diverges(*arguments: object, **named: object) -> object:
        if "bad" in str(arguments[3]):
            raise ModelError("training diverged")
        return train_teacher(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(folds, "train_teacher", diverges)
    found = run(few, tmp_path, [Contender("bad", FAST), Contender("good", FAST)])
    assert (found[0].predictions, found[0].note) == (None, "training diverged")
    assert found[1].predictions is not None


def test_other_inputs_are_refused_until_cleared(
    tiny_base: Base, few: Tables, tmp_path: Path
) -> None:
    contenders = [Contender("one", FAST)]
    run(few, tmp_path, contenders)
    other = {**few, "pins": few["pins"].with_columns(title=pl.lit("red sofa"))}
    with pytest.raises(InputError, match=r"other queries or Pins.*--overwrite"):
        run(other, tmp_path, contenders)
    with pytest.raises(InputError, match="other inputs or settings"):
        run(few, tmp_path, [Contender("one", dataclasses.replace(FAST, epochs=2))])
    clear(tmp_path, contenders)
    assert run(other, tmp_path, contenders)[0].predictions is not None


def test_one_seed_deals_the_folds(tiny_base: Base, few: Tables, tmp_path: Path) -> None:
    other = Contender("b", dataclasses.replace(FAST, seed=1))
    with pytest.raises(InputError, match="share one seed"):
        run(few, tmp_path, [Contender("a", FAST), other])


def test_contenders_differ_in_the_base_and_what_suits_it(tiny_base: Base) -> None:
    names = ["multilingual-e5-small", "SmolLM2-135M", "llama-3-8b", "t5-base"]
    found = base_contenders(names, FAST)
    assert [each.config.base for each in found] == names
    assert [each.config.tuning for each in found] == ["full", "lora", "qlora", "full"]
    assert [suited(find_base(name)) for name in names] == ["full", "lora", "qlora", "full"]
    assert base_contenders(["llama-3-8b"], FAST, tuning="lora")[0].config.tuning == "lora"


@pytest.mark.parametrize(
    ("names", "message"),
    [([], "no base to compare"), (["tiny", "tiny"], "there twice"), (["tinny"], "Did you mean")],
)
def test_wrong_bases(tiny_base: Base, names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        base_contenders(names, FAST)


def test_baselines_are_out_of_fold_on_the_same_folds(few: Tables) -> None:
    made = baseline_predictions(few["qrels"], few["queries"], few["pins"], folds=3, seed=5)
    assert set(made) == set(BASELINES)
    for frame in made.values():
        assert frame.select(KEYS).sort(KEYS).equals(few["qrels"].select(KEYS).sort(KEYS))
    for part in deal_queries(few["qrels"]["query_id"].unique().to_list(), 3, 5):
        inside = pl.col("query_id").is_in(part)
        rest = few["qrels"].filter(~inside)["grade"]
        told = made["majority"].filter(inside)
        assert told["p1"].unique().to_list() == pytest.approx([(rest == 1).mean()])
