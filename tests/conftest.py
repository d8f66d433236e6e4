"""Shared fixtures, and the rule that a required mark must not be skipped."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: two threads collapse beside xdist
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REQUIRED = frozenset(os.environ.get("GRADEWISE_REQUIRE", "").split())


# How fast inputs are made depends on what else the machine does; no test may fail for that.
settings.register_profile("gradewise", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("gradewise")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    marks = REQUIRED & {mark.name for mark in item.iter_markers()}
    if report.skipped and marks and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but GRADEWISE_REQUIRE names {sorted(marks)}: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the public data sets; tests that use it carry the mark `data`."""
    folder = os.environ.get("GRADEWISE_DATA")
    if not folder:
        pytest.skip("needs the public data sets: GRADEWISE_DATA=folder make test-slow")
    return Path(folder)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium; tests that use it carry the mark `browser`."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium, then make test-slow")
    return path
