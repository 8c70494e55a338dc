"""A door with a money worker, on Redis and on both brokers."""

from __future__ import annotations

import pytest

from tests.acceptance.http.running import RunningDoor
from tests.acceptance.system import System


@pytest.fixture
def door(system: System) -> RunningDoor:
    system.money_worker()
    return RunningDoor(system)


@pytest.fixture
def any_door(any_system: System) -> RunningDoor:
    any_system.money_worker()
    return RunningDoor(any_system)
