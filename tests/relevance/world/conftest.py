from __future__ import annotations

import pytest

from relevance.world import World, WorldConfig, make_world, tiny


@pytest.fixture(scope="session")
def small() -> World:
    return make_world(tiny(seed=0))


@pytest.fixture(scope="session")
def world() -> World:
    return make_world(WorldConfig(seed=0))
