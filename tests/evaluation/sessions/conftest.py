"""A PostgreSQL server and a Spark session of the tests' own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.postgres import postgres_server

START = datetime(2025, 3, 10)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a database on a server that lives as long as the tests."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'gradewise[postgres]'")
    # Neither the order of texts nor the time zone are what a log needs.
    order = ["--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en-US"]
    with postgres_server(order, ["timezone=Asia/Tokyo"]) as url:
        yield url


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A Spark session in local mode, which `pyspark://` uses while it runs."""
    reason = "needs PySpark: pip install 'gradewise[spark]'"
    sql = pytest.importorskip("pyspark.sql", reason=reason)
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        pytest.skip("needs Java 17: apt-get install openjdk-17-jre-headless")
    with tempfile.TemporaryDirectory(prefix="gw-spark-") as folder:
        options = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "ERROR",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "1g",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.warehouse.dir": f"{folder}/warehouse",
            "spark.local.dir": folder,
        }
        builder = sql.SparkSession.builder.master("local[2]").appName("gradewise-tests")
        for name, value in options.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        yield session
        session.stop()


def _random_log(n_users: int = 120, seed: int = 0) -> pl.DataFrame:
    """A log with everything that is hard about one: nulls, blanks, repeats, several variants."""
    rng = np.random.default_rng(seed)
    n = n_users * 12
    user = rng.integers(0, n_users, n)

    def some(share: float) -> pl.Series:
        return pl.Series(rng.random(n) < share)

    def words(*choices: str | None) -> pl.Series:
        return pl.Series([choices[i] for i in rng.integers(0, len(choices), n)], dtype=pl.String)

    usual = pl.Series([("control", "treatment", "Z")[u % 2] for u in user])
    started = START + pl.Series(rng.integers(-(10**12), 10**12, n)).cast(pl.Duration("us"))
    exposed = some(0.6) & ((started >= START) | some(0.05))
    frame = pl.DataFrame({
        "session_id": [f"s{i}" if i % 50 else None for i in range(n)],
        "unit_id": [None if i % 97 == 0 else f"u{u:03d}é" for i, u in enumerate(user)],
        "variant": usual.zip_with(~some(0.04), words("control", "treatment", "Z", "a", "", None)),
        "country": words("US", "FR", "jp", "", None),
        "device": words("app", "web"),
        "started_at": started.set(some(0.02), None),
        "exposed_at": (started + timedelta(seconds=3)).set(~exposed, None),
        "fulfilled": some(0.4).set(some(0.05), None),
        "clicks": pl.Series(rng.gamma(2.0, 1.7, n)).set(some(0.05), np.nan).set(some(0.05), None),
        "impressions": pl.Series(rng.integers(0, 9, n)).set(some(0.05), None),
        "age": pl.Series(18.0 + user % 50).set(some(0.3), None),
    })  # fmt: skip
    copies = frame.sample(n // 10, seed=seed)
    other = copies.head(n // 30).with_columns(fulfilled=~pl.col("fulfilled"), device=pl.lit("web"))
    return pl.concat([frame, copies, other]).sample(fraction=1, shuffle=True, seed=seed)


@pytest.fixture(scope="session")
def hard_log() -> pl.DataFrame:
    """A seeded log of 120 users and some 1,600 rows that breaks what can be broken."""
    return _random_log()


Same = Callable[[pl.DataFrame, pl.DataFrame], None]


@pytest.fixture(scope="session")
def same_cells() -> Same:
    """Compares two tables of cells: keys, counts, types exactly; sums to 1e-12 of their size."""

    def compare(found: pl.DataFrame, expected: pl.DataFrame) -> None:
        groups = sorted(name for name in expected.columns if name.startswith("group_"))
        keys = ["variant", *groups, "day", "contaminated"]
        found, expected = found.sort(keys), expected.sort(keys)
        assert found.schema == expected.schema
        sums = [name for name, kind in expected.schema.items() if kind == pl.Float64]
        assert found.drop(sums).to_dicts() == expected.drop(sums).to_dicts()
        assert len(expected) > 10, "a comparison of hardly anything"
        for name in sums:
            here, there = found[name], expected[name]
            assert here.is_null().equals(there.is_null()), name
            scale = max(1.0, float(there.abs().max() or 0))
            np.testing.assert_allclose(here, there, rtol=1e-12, atol=1e-12 * scale, err_msg=name)

    return compare
