"""Commands are led by every form of the database's URL to the server that can be written to."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from tests.integration.cli.conftest import Cli, told

FORMS = [
    "postgresql://{user}@127.0.0.1:1,127.0.0.1:{port}/{database}",
    "postgresql+psycopg://{user}@/{database}?host=127.0.0.1:1&host=127.0.0.1:{port}",
]  # every other one is brought into the same form: tests/unit/test_database_urls.py
COMMANDS = [["jobs", "list"], ["verify"], ["migrate"]]


@pytest.fixture(params=FORMS)
def url(request: pytest.FixtureRequest, database_url: str) -> str:
    parts = make_url(database_url)
    given: str = request.param
    return given.format(user=f"{parts.username}:{parts.password}", port=parts.port, database=parts.database)


def test_every_command_gets_there(cli: Cli, url: str) -> None:
    for command in COMMANDS:
        cli.text(*command, database_url=url)
    document = cli.json("doctor", "--wait", "0.1", code=1, database_url=url)
    levels = {finding["check"]: finding["level"] for finding in document["findings"]}
    assert (levels["database.reachable"], levels["database.primary"]) == ("ok", "ok")


def test_nobody_there_is_one_sentence_without_the_password(cli: Cli) -> None:
    url = "postgresql://me:hunter2@127.0.0.1:1,127.0.0.1:2/ledger"
    for command in COMMANDS:
        said = told(cli(*command, database_url=url))
        assert "Connection refused" in said
        assert "hunter2" not in said
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize("port", ["0", "70000", "x"])
def test_a_port_that_is_none_is_refused(cli: Cli, port: str) -> None:
    said = told(cli("jobs", "list", database_url=f"postgresql://me:hunter2@h1:5432,h2:{port}/ledger"))
    assert said.startswith("balance-worker: BALANCE_DATABASE_URL is 'postgresql://me:***@h1:5432,h2:")
    assert "host1:5432,host2:5432" in said
