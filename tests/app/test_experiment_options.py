"""Where an experiment's configuration comes from: flag > environment > gradewise.toml > default."""

from __future__ import annotations

import dataclasses
import inspect
from datetime import datetime
from pathlib import Path

import pytest
import typer

from app.commands.experiment import options
from app.commands.experiment.analyze import analyze
from app.commands.experiment.options import Contaminated, Unclear, experiment_config
from evaluation.experiment import ExperimentConfig
from relevance.errors import SettingsError


@pytest.fixture(autouse=True)
def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "gradewise.toml"
    monkeypatch.setenv("GRADEWISE_CONFIG", str(path))
    return path


def test_without_anything_it_is_the_default() -> None:
    assert experiment_config(unit=None, by=None, metrics=[]) == ExperimentConfig()


def test_flag_beats_environment_beats_file(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text(
        "[experiment]\nunit = 'member'\noutcome = 'saved'\nsequential = true\nstart = 2025-03-01\n"
        "metrics = ['mean(sessions)', 'ratio(clicks, views)']\nguardrails = ['any(block) <= 2%']\n"
        "split = {control = 1, treatment = 9}\n"
    )
    monkeypatch.setenv("GRADEWISE_EXPERIMENT_OUTCOME", "clicked")
    monkeypatch.setenv("GRADEWISE_EXPERIMENT_ALPHA", "0.1")
    config = experiment_config(
        alpha=0.01,
        by=["market", "device"],
        end="2025-04-01T12:00",
        contaminated=Contaminated.ERROR,
        on_guardrail_unclear=Unclear.NOT_YET,
        guardrails=["mean(sessions_) >= -1%"],
    )
    assert config == ExperimentConfig(
        unit="member",
        outcome="clicked",
        metrics=("mean(sessions)", "ratio(clicks, views)"),
        guardrails=("mean(sessions_) >= -1%",),
        by=("market", "device"),
        sequential=True,
        start=datetime(2025, 3, 1),
        end=datetime(2025, 4, 1, 12),
        split={"control": 1.0, "treatment": 9.0},
        alpha=0.01,
        contaminated="error",
        on_guardrail_unclear="not yet",
    )
    assert experiment_config(sequential=False, split="control=1,treatment=1").sequential is False


def test_a_wrong_flag_is_a_usage_error_and_a_wrong_setting_says_where(toml: Path) -> None:
    with pytest.raises(typer.BadParameter, match="'monday' is not a time") as caught:
        experiment_config(start="monday")
    assert caught.value.param_hint == "--start"
    with pytest.raises(typer.BadParameter, match="'control' is not NAME=WEIGHT"):
        experiment_config(split="control")
    toml.write_text("[experiment]\nend = 'friday'\n")
    with pytest.raises(SettingsError, match=r"gradewise.toml: \[experiment\] end: 'friday' is not"):
        experiment_config()


def test_every_setting_is_an_option_of_analyze_and_every_option_is_shared() -> None:
    flags = set(inspect.signature(analyze).parameters)
    fields = {field.name for field in dataclasses.fields(ExperimentConfig)}
    assert fields <= flags
    declared = {name for name in vars(options) if name.endswith("Option")}
    used = {
        text for text in declared if text in str(inspect.get_annotations(analyze, eval_str=False))
    }
    assert declared == used
