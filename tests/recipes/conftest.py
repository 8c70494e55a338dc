"""Where the environments are, and the wheel that most of them have: each is made once in a test run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.conftest import any_system, either_system, system, system_on_rabbitmq
from tests.support.distributions import CLIENT, build

__all__ = ["any_system", "either_system", "system", "system_on_rabbitmq"]  # fixtures


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The directory of environments, one for all processes of a test run."""
    base = tmp_path_factory.getbasetemp()
    shelf = (base if worker_id == "master" else base.parent) / "environments"
    shelf.mkdir(exist_ok=True)
    return shelf


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """balance-client as it is built now."""
    return build(CLIENT, "wheel", tmp_path_factory.mktemp("wheel"))
