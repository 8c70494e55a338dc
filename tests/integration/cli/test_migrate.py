"""balance-worker migrate"""

from __future__ import annotations

import os
import pty
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from models.store.connection.patience import FIRST_LOOK_S, Silence
from models.store.schema import migrations as schema
from models.store.server.privileges import READERS, beyond, missing
from models.store.server.server import Server, examine
from tests.integration.cli.conftest import Cli, told
from tests.support.builders import execute
from tests.support.command import SCRIPT
from tests.support.servers.postgres_pair import configure, run, wait_for
from tests.support.servers.proxy import Proxy
from worker.database import migrating_engine
from worker.local.servers.embedded import EmbeddedPostgres
from worker.settings.settings import Settings

HEAD = schema.head()


@pytest.fixture
def empty(empty_database_url: str) -> Cli:
    return Cli({"database_url": empty_database_url})


def test_up_down_and_up_again_says_from_where_to_where(empty: Cli) -> None:
    assert empty.text("migrate") == f"migrate: base (no tables) -> {HEAD}\n"
    assert empty.text("migrate") == f"migrate: at {HEAD} already, nothing to do\n"
    assert empty.text("verify") == "verify: ok, 0 accounts, 0 entries, 0 grants, 0 records\n"
    assert empty.text("migrate", "--down", "base", "--yes") == f"migrate: {HEAD} -> base (no tables)\n"
    assert empty.text("migrate", "0001") == "migrate: base (no tables) -> 0001\n"


def test_json(empty: Cli) -> None:
    assert empty.json("migrate", "--dry-run") == {
        "from": None,
        "to": HEAD,
        "changed": False,
        "granted": None,
        "reading": None,
    }
    assert empty.json("migrate") == {"from": None, "to": HEAD, "changed": True, "granted": None, "reading": None}
    assert empty.json("migrate") == {"from": HEAD, "to": HEAD, "changed": False, "granted": None, "reading": None}


def test_the_owner_migrates_and_grants(empty: Cli, empty_database_url: str) -> None:
    url = make_url(empty_database_url)
    role = f"app_{url.database}"
    workers = url.set(username=role, password="of workers").render_as_string(hide_password=False)
    reader = f"reader_{url.database}"
    readers = url.set(username=reader, password="of readers").render_as_string(hide_password=False)
    settings = {"owner_url": empty_database_url, "database_url": workers, "flower_database_url": readers}
    said = empty.text("migrate", **settings)
    assert said.splitlines()[1] == f"migrate: {role} may do what workers need on the tables, and no more"
    assert said.splitlines()[2] == f"migrate: {reader} may read the tables, and no more"
    assert "ok, 0 accounts" in empty.text("verify", **settings), "as the workers' role"
    assert f"{reader} may do what who looks needs" in empty.text("grants", "--reading", "--apply", **settings)
    only_looks = create_engine(readers)
    with only_looks.connect() as connection:
        assert (missing(connection, READERS), beyond(connection, READERS)) == ([], [])
    only_looks.dispose()
    changes = f"grant update on jobs to {role}; revoke insert on entries from {role}"
    owner = create_engine(empty_database_url)
    execute(owner, changes)
    assert "no more" in empty.text("grants", "--apply", **settings)
    engine = create_engine(workers)
    server = examine(engine)
    engine.dispose()
    assert isinstance(server, Server), server
    assert (server.missing, server.beyond) == ([], [])
    assert "BALANCE_OWNER_URL" in told(empty("grants", "--apply"))
    assert "is the owner of BALANCE_OWNER_URL itself" in told(empty("grants", "--apply", owner_url=empty_database_url))
    execute(owner, f"drop owned by {role}; drop role {role}; drop owned by {reader}; drop role {reader}")
    owner.dispose()


def test_grants_are_shown_for_an_owner_to_run(cli: Cli) -> None:
    lines = cli.text("grants", "--role", "Shop workers").splitlines()
    assert lines[0].endswith('from "Shop workers";')
    assert 'grant select, insert on jobs to "Shop workers";' in lines


def test_dry_run_changes_nothing(cli: Cli, database_url: str) -> None:
    said = cli.text("migrate", "--down", "base", "--dry-run")
    assert said == f"migrate: {HEAD} -> base (no tables) (dry run, nothing changed)\n"
    assert schema.current(database_url) == HEAD


def test_down_without_a_terminal_needs_yes(cli: Cli, database_url: str) -> None:
    said = told(cli("migrate", "--down", "base"))
    assert "This removes every table with the whole ledger from postgresql+psycopg://" in said
    assert "repeat with --yes" in said
    assert ":***@" in said
    assert schema.current(database_url) == HEAD


@pytest.mark.parametrize(("answer", "code", "revision"), [("n", 2, HEAD), ("y", 0, None)])
def test_down_on_a_terminal_asks(
    engine: Engine, database_url: str, answer: str, code: int, revision: str | None
) -> None:
    engine.dispose()
    ours, theirs = pty.openpty()
    environment = {**os.environ, "BALANCE_DATABASE_URL": database_url}
    try:
        os.write(ours, f"{answer}\n".encode())
        command = [SCRIPT, "migrate", "--down", "base"]
        done = subprocess.run(command, env=environment, stdin=theirs, capture_output=True, text=True, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
    assert "Go on? [y/N]" in done.stderr
    assert done.returncode == code
    assert schema.current(database_url) == revision
    schema.upgrade(database_url)  # the audit after each test needs a ledger


def test_an_unknown_revision_is_named(cli: Cli) -> None:
    said = told(cli("migrate", "nonsense"))
    assert "'nonsense'" in said
    assert said.endswith(f"the newest revision that this version knows is {HEAD}")


def test_up_and_down_at_once_is_refused(cli: Cli) -> None:
    assert "give either REVISION, to go up, or --down REVISION" in told(cli("migrate", "0001", "--down", "base"))


def test_what_a_migration_waits_for_is_said(empty: Cli, empty_database_url: str, postgres: EmbeddedPostgres) -> None:
    """A commit that waits for a synchronous standby, for whose wait PostgreSQL has no time limit."""
    run(postgres, f'alter database "{make_url(empty_database_url).database}" set synchronous_commit = on')
    with ExitStack() as after, ThreadPoolExecutor() as pool:
        after.callback(configure, postgres, synchronous_standby_names="")
        configure(postgres, synchronous_standby_names="nobody")
        migrating = pool.submit(empty, "migrate")
        wait_for(postgres, "select count(*) > 0 from pg_stat_activity where wait_event = 'SyncRep'")
        with pytest.raises(TimeoutError):
            migrating.result(FIRST_LOOK_S + 3)
        configure(postgres, synchronous_standby_names="")
        said = migrating.result(60)
    assert (said.returncode, said.stdout) == (0, f"migrate: base (no tables) -> {HEAD}\n")
    assert said.stderr.count("a commit waits for a synchronous standby: bring a standby of") == 1


def test_a_server_that_falls_silent_is_given_up(empty_database_url: str) -> None:
    silences: list[Silence] = []
    with Proxy(empty_database_url) as link:
        settings = Settings(database_url=link.url)
        engine = migrating_engine(settings, silences.append, silent_max_s=1)
        with engine.connect() as connection:
            link.go_silent(for_all=True)
            with pytest.raises(DBAPIError, match="no answer for"):
                connection.execute(text("select 1"))
    assert [silence.work for silence in silences] == [None]
