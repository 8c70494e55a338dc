"""balance-worker distribute"""

from __future__ import annotations

import shlex

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from models.store.connection.session import make_engine
from models.store.schema import migrations as schema
from models.store.server.privileges import beyond, missing
from tests.integration.cli.conftest import Cli, told
from tests.support.builders import done
from tests.support.documents import blocks_of

HEAD = schema.head()
PARTITIONED = {"partitions": "4"}


@pytest.fixture
def empty(empty_database_url: str) -> Cli:
    return Cli({"database_url": empty_database_url})


def _schemas(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [*connection.execute(text("select nspname from pg_namespace where nspname like 'balance%' order by 1"))]
    engine.dispose()
    return [name for (name,) in found]


def test_what_a_dry_run_says_is_what_is_done_and_done_once(empty: Cli, empty_database_url: str) -> None:
    each = [f"distribute: balance_{number}: schema made, base (no tables) -> {HEAD}\n" for number in range(4)]
    dry = empty.text("distribute", "--shards", "4", "--dry-run")
    assert dry == "".join(each) + "distribute: dry run, nothing changed: 4 of 4 shards would be\n"
    assert _schemas(empty_database_url) == []
    done = empty.text("distribute", "--shards", "4")
    assert done == "".join(each) + "distribute: 4 of 4 shards changed; their workers: BALANCE_SHARD=0/4 and so on\n"
    assert _schemas(empty_database_url) == [f"balance_{number}" for number in range(4)]
    for again in ((), ("--dry-run",)):
        said = empty.text("distribute", "--shards", "4", *again)
        assert said == f"distribute: 4 shards are at {HEAD} already, nothing to do\n"
    assert (
        empty.text("verify", shard="3/4", **PARTITIONED) == "verify: ok, 0 accounts, 0 entries, 0 grants, 0 records\n"
    )


def test_the_command_of_the_guide(empty: Cli, empty_database_url: str) -> None:
    [shown] = [block.script for block in blocks_of("docs/scale.md") if "distribute" in block.script]
    setting, program, *words = shlex.split(shown)
    assert (setting.partition("=")[0], program) == ("BALANCE_OWNER_URL", "balance-worker")
    assert "16 of 16 shards would be" in empty.text(*words, "--dry-run", owner_url=empty_database_url)


def test_an_interrupted_run_goes_on(empty: Cli, empty_database_url: str) -> None:
    """One shard is whole, one schema has no tables yet, one an earlier revision."""
    empty.text("migrate", shard="0/4", **PARTITIONED)
    empty.text("migrate", "0001", shard="2/4", **PARTITIONED)
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("create schema balance_1"))
    engine.dispose()
    document = empty.json("distribute", "--shards", "4")
    assert document == {
        "shards": 4,
        "citus": None,
        "changed": True,
        "schemas": [
            {"schema": "balance_0", "made": False, "from": HEAD, "to": HEAD, "handed_over": False, "node": None},
            {"schema": "balance_1", "made": False, "from": None, "to": HEAD, "handed_over": False, "node": None},
            {"schema": "balance_2", "made": False, "from": "0001", "to": HEAD, "handed_over": False, "node": None},
            {"schema": "balance_3", "made": True, "from": None, "to": HEAD, "handed_over": False, "node": None},
        ],
    }
    assert empty.json("distribute", shard="1/4", partitions="4")["changed"] is False


def test_a_ledger_that_holds_something_cannot_be_divided(cli: Cli, engine: Engine) -> None:
    cli.text("distribute", "--shards", "2")  # tables without a row are in nobody's way
    done(engine, "users.upsert", user_id=1)
    said = told(cli("distribute", "--shards", "2"))
    assert "its accounts cannot be divided yet" in said
    assert "unset BALANCE_SHARD" in said


def test_the_number_of_shards_is_chosen_once(empty: Cli) -> None:
    empty.text("distribute", "--shards", "2")
    said = told(empty("distribute", "--shards", "16"))
    assert "has schemas of another number of shards than 16: balance_0, balance_1." in said
    assert "--shards is 4: unset one" in told(empty("distribute", "--shards", "4", shard="0/2", **PARTITIONED))


@pytest.mark.parametrize("shards", ["0", "1", "3", "512", "-2"])
def test_other_numbers_are_refused(empty: Cli, shards: str) -> None:
    assert "power of two from 2 to 256" in " ".join(told(empty("distribute", f"--shards={shards}")).split())


def test_somebody_has_to_say_how_many(empty: Cli) -> None:
    assert "say how many" in told(empty("distribute"))


def test_roles_are_granted_what_they_need_in_each_schema(empty: Cli, empty_database_url: str) -> None:
    url = make_url(empty_database_url)
    role = f"app_{url.database}"
    workers = url.set(username=role, password="of workers").render_as_string(hide_password=False)
    try:
        empty.text("distribute", "--shards", "2", database_url=workers, owner_url=empty_database_url)
        for number in range(2):
            engine = make_engine(workers, schema=f"balance_{number}", checked=True)
            with engine.connect() as connection:
                assert (missing(connection), beyond(connection)) == ([], [])
            engine.dispose()
    finally:
        owner = create_engine(empty_database_url)
        with owner.begin() as connection:
            connection.execute(text(f"drop owned by {role}"))
            connection.execute(text(f"drop role {role}"))
        owner.dispose()


def test_a_shard_whose_schema_is_not_there_says_how_to_make_it(empty: Cli) -> None:
    said = told(empty("accounts", "list", shard="1/2", **PARTITIONED))
    assert "none is there, in schema balance_1): run `balance-worker distribute`" in said


def test_the_sql_of_grants_is_for_the_schema_of_the_shard(empty: Cli) -> None:
    said = empty.text("grants", "--role", "workers", shard="1/2", **PARTITIONED)
    assert said.startswith("set search_path to balance_1;\ngrant usage on schema balance_1 to workers;\n")
