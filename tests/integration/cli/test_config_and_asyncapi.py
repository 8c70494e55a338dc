"""balance-worker config and balance-worker asyncapi: what there is, written out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from models.contracts.catalogue import CATALOGUE
from tests.integration.cli.conftest import Cli, told
from worker.settings.table import settings_markdown


@pytest.fixture
def cli() -> Cli:
    """Without servers."""
    return Cli({"broker_url": "redis://:hunter2@broker/0", "flower_basic_auth": "me:hunter2", "pool_size": "7"})


def test_config_shows_what_is_in_force_and_no_password(cli: Cli) -> None:
    lines = [line.split() for line in cli.text("config").splitlines()]
    assert lines[0] == ["variable", "value", "unit", "from"]
    assert ["BALANCE_POOL_SIZE", "7", "connections", "env"] in lines
    assert ["BALANCE_BROKER_URL", "redis://:***@broker/0", "env"] in lines
    assert ["BALANCE_FLOWER_BASIC_AUTH", "***", "env"] in lines
    assert ["BALANCE_RESULT_URL", "unset", "default"] in lines
    assert "hunter2" not in cli.text("config")


def test_config_json(cli: Cli) -> None:
    rows = {row["variable"]: row for row in cli.json("config")}
    assert rows["BALANCE_POOL_SIZE"]["value"] == "7"
    assert rows["BALANCE_POOL_SIZE"]["source"] == "env"
    assert rows["BALANCE_BROKER_URL"]["value"] == "redis://:***@broker/0"


def test_config_markdown_is_the_page_of_the_docs(cli: Cli) -> None:
    assert cli.text("config", "--markdown") == settings_markdown()


def test_asyncapi_describes_every_job(cli: Cli) -> None:
    text = cli.text("asyncapi")
    assert yaml.load(text, yaml.CSafeLoader)["asyncapi"].startswith("3.")
    assert all(name in text for name in CATALOGUE)


def test_asyncapi_into_a_file(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "asyncapi.yaml"
    assert cli.text("asyncapi", "--output", str(file)) == ""
    assert file.read_text() == cli.text("asyncapi")


def test_asyncapi_where_no_file_can_be(cli: Cli, tmp_path: Path) -> None:
    said = told(cli("asyncapi", "--output", str(tmp_path / "nowhere" / "asyncapi.yaml")))
    assert (
        "asyncapi.yaml cannot be used: no such file or directory: name one that is there, or one in a directory"
        " that is there" in said
    )
