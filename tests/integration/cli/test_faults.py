"""What can be expected to fail: one sentence that says what to do, exit code 2, no traceback."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from models.store.connection.session import make_engine, snapshot, transaction
from tests.integration.cli.conftest import NOWHERE, Cli, told
from tests.support.builders import execute
from tests.support.servers.servers import with_database
from worker.cli.terminal.explanation import explain

READERS = [
    ["jobs", "list"],
    ["jobs", "show", str(uuid.UUID(int=1))],
    ["jobs", "show", "--key", "k"],
    ["dead-letters", "list"],
    ["dead-letters", "show", str(uuid.UUID(int=1))],
    ["dead-letters", "replay", "--all"],
    ["dead-letters", "discard", "--all", "--reason", "r"],
    ["accounts", "list"],
    ["accounts", "show", "wallet:w1"],
    ["verify"],
]
PUBLISH = ["publish", "wallets.terminate", "--arg", "wallet_id=w1", "--key", "k"]


def commands(*given: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("command", given, ids=[" ".join(command[:2]) for command in given])


@pytest.fixture
def nothing() -> Cli:
    """Settings that lead nowhere."""
    return Cli({"database_url": f"postgresql://me:hunter2@{NOWHERE}/ledger", "broker_url": f"redis://:pw@{NOWHERE}/0"})


@commands(READERS[0], ["migrate"], PUBLISH, ["config"])
def test_wrong_settings_are_named(nothing: Cli, command: list[str]) -> None:
    said = told(nothing(*command, pool_size="many", retry_limit="0"))
    assert said.splitlines() == [
        "balance-worker: BALANCE_POOL_SIZE is 'many'; allowed is a whole number from 1 to 100.",
        "balance-worker: BALANCE_RETRY_LIMIT is '0'; allowed is a whole number from 1 to 100.",
    ]


@commands(READERS[0], ["migrate"], ["migrate", "--dry-run"], ["migrate", "--down", "base", "--yes"])
def test_a_database_out_of_reach_is_named_without_its_password(nothing: Cli, command: list[str]) -> None:
    said = told(nothing(*command))
    assert said.startswith("balance-worker: the database is out of reach (")
    assert "Connection refused" in said
    assert said.endswith("BALANCE_DATABASE_URL names it; now it is postgresql+psycopg://me:***@127.0.0.1:1/ledger")
    assert len(said.splitlines()) == 1


def test_a_database_that_does_not_exist(cli: Cli) -> None:
    said = told(cli("verify", database_url=with_database(cli.settings["database_url"], "nowhere")))
    assert 'database "nowhere" does not exist' in said
    assert "BALANCE_DATABASE_URL" in said


@commands(*READERS)  # all of them: it is what comes last of all that is in their way
def test_a_database_without_tables_is_to_be_migrated(cli: Cli, empty_database_url: str, command: list[str]) -> None:
    said = told(cli(*command, database_url=empty_database_url))
    assert said.startswith("balance-worker: the database lacks tables of this version")
    assert said.endswith("run `balance-worker migrate`")


@pytest.fixture
def stranger(engine: Engine, database_url: str) -> Iterator[str]:
    """The URL of this test's database for a role that may read nothing there."""
    role = f"stranger_{uuid.uuid4().hex}"
    execute(engine, f"create role {role} login password 'secret'")
    scheme, _, place = database_url.partition("://")
    yield f"{scheme}://{role}:secret@{place.rpartition('@')[2]}"
    execute(engine, f"drop role {role}")


def test_a_role_that_may_not_read_is_told_so(cli: Cli, stranger: str) -> None:
    said = told(cli("accounts", "list", database_url=stranger))
    assert "the database user may not do this (permission denied for table" in said


def test_a_table_that_somebody_has_locked(cli: Cli, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("lock table jobs in access exclusive mode"))
        said = told(cli("jobs", "list", lock_timeout_ms="100"))
    assert "BALANCE_LOCK_TIMEOUT_MS" in said
    assert said.endswith("try again")


def test_a_query_that_takes_too_long(database_url: str) -> None:
    slow = make_engine(database_url, statement_timeout_ms=100)
    with pytest.raises(Exception, match="statement timeout") as caught, snapshot(slow) as connection:
        connection.execute(text("select pg_sleep(10)"))
    slow.dispose()
    assert "BALANCE_STATEMENT_TIMEOUT_MS" in str(explain(caught.value))


def test_what_nobody_expected_is_not_explained_away(engine: Engine) -> None:
    with pytest.raises(DBAPIError) as caught, transaction(engine) as connection:
        connection.execute(text("select 1 / 0"))
    assert explain(caught.value) is None
    assert explain(KeyError("x")) is None


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_out_of_reach_is_named_without_its_password(nothing: Cli, scheme: str) -> None:
    said = told(nothing(*PUBLISH, broker_url=f"{scheme}://me:hunter2@{NOWHERE}/0"))
    assert said.startswith("balance-worker: wallets.terminate key=k: not accepted by the broker;")
    assert "Connection refused" in said
    assert said.endswith(f"BALANCE_BROKER_URL names it; now it is {scheme}://me:***@127.0.0.1:1/0")
