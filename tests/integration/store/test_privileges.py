"""The workers' role needs exactly what docs/deployment.md grants it, and the doctor names whatever is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from models.contracts.wire.dead_letter import DeadLetter
from models.domain.errors import DeploymentFault
from models.domain.retry import RetryPolicy
from models.store.connection.session import make_engine, transaction
from models.store.read.events import events_of_job
from models.store.schema.revision import COLUMNS
from models.store.server.privileges import CHANGED, NEEDED, PRUNING, SEQUENCE, statements
from models.store.server.server import Server, examine
from models.store.write import dead_letters
from models.store.write.dead_letters import SentLetter
from tasks.apply.retries import RetryingApplier
from tasks.auto_topup import scan as autotopup
from tasks.scheduled import expiry
from tasks.scheduled import prune as housekeeping
from tests.integration.store.charged import charge_something
from tests.integration.store.told import tell_everybody
from tests.support.aged import settle_in_own_rows
from tests.support.builders import LIMITS, ask, done, execute, let_expire, reset, rows
from tests.support.coherence import assert_ledger_is_coherent
from worker.doctor.database import examine_database
from worker.doctor.finding import Finding
from worker.settings.settings import Settings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "deployment.md"
OF_SHARDS = ("keys", "telegram_ids", "telegram_terms")  # which a whole ledger has no use for: tests/integration/shards
PRIVILEGES = [
    (table, privilege)
    for table, privileges in NEEDED.items()
    for privilege in privileges
    if (table, privilege) != ("outbox", "delete") and table not in OF_SHARDS
]
LETTER = DeadLetter("failed", "e", "users.upsert", "1", "balance", {}, b"[]")


@pytest.fixture
def role(engine: Engine, database_url: str) -> Iterator[str]:
    """A role with the page's grants, and no others."""
    name = f"app_{make_url(database_url).database}"
    (block,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    execute(engine, block.replace("balance_app", name))
    execute(engine, f"alter role {name} password 'p'")
    yield name
    execute(engine, f"drop owned by {name}")
    execute(engine, f"drop role {name}")


@pytest.fixture
def worker(role: str, database_url: str) -> Iterator[Engine]:
    """As a worker's, under that role."""
    url = make_url(database_url).set(username=role, password="p").render_as_string(hide_password=False)
    engine = make_engine(url, checked=True)
    yield engine
    engine.dispose()


def sweeper(worker: Engine) -> RetryingApplier:
    def held(_: float) -> None:
        raise DeploymentFault("a sweep is held: 42501", "")

    return RetryingApplier(worker, LIMITS, RetryPolicy(), held, lambda: 0.5)


def do_everything(worker: Engine, owner: Engine) -> None:
    """Each kind of job, each sweep with something to do, each step of a dead letter."""
    policy = {"auto_topup_trigger": "balance_below_threshold", "auto_topup_min_balance": 1, "auto_topup_amount": 5}
    grant = {"credits_to_add": 5, "transaction_reason": "FREE_CREDIT_GRANT", "expiry_date_utc": "2100-01-01"}
    done(worker, "users.upsert", user_id=1, telegram_id=5)
    done(worker, "users.upsert", user_id=1, first_name="A")
    done(worker, "users.update_balance", telegram_id=5, amount_kopeks=5)
    done(worker, "apps.upsert", app_id="a", store_id=1)
    app_set = done(worker, "apps.update_balance", app_id="a", store_id=1, balance=7)
    done(worker, "entries.reverse", job_id=app_set["job_id"])
    done(worker, "wallets.create", wallet_id="w", **policy)
    done(worker, "wallets.update", wallet_id="w", name="x")
    done(worker, "accounts.set_alerts", account="wallet:w", thresholds=[1])
    done(worker, "wallets.top_up", wallet_id="w", **grant)
    done(worker, "wallets.debit", wallet_id="w", credits=1)
    held = done(worker, "wallets.hold", wallet_id="w", credits=2)
    done(worker, "holds.capture", job_id=held["job_id"], credits=1)
    ask(worker, "wallets.debit", wallet_id="nobody", credits=1)
    with transaction(worker) as connection:  # what `jobs show` shows
        events_of_job(connection, UUID(held["job_id"]))
    autotopup.scan(sweeper(worker), 10)
    [made] = rows(owner, "select id from grants order by created_at limit 1")
    assert expiry.expire(sweeper(worker), 10, timedelta(days=36_500)) == 1
    let_expire(owner, str(made["id"]))
    assert expiry.expire(sweeper(worker), 10) > 0
    settle_in_own_rows(owner, "9 days")
    assert housekeeping.prune(sweeper(worker), 1, 100) > 0
    with transaction(worker) as connection:
        [letter] = dead_letters.park(connection, [LETTER])
        dead_letters.park(connection, [LETTER])
        assert dead_letters.mark_replayed(connection, [SentLetter(letter, 2)]) == 1
        dead_letters.park(connection, [LETTER])
        assert dead_letters.discard(connection, [letter], "r") == 1
    done(worker, "wallets.terminate", wallet_id="w")
    charge_something(sweeper(worker))
    tell_everybody(sweeper(worker))
    assert_ledger_is_coherent(worker)


def missing(worker: Engine) -> list[str]:
    found = examine(worker)
    assert isinstance(found, Server), found
    return found.missing


def test_the_page_grants_exactly_what_is_looked_for() -> None:
    (block,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    said = [" ".join(statement.split()) for statement in block.split(";")]
    assert [each for each in said if each.startswith("grant")] == statements("balance_app")[1:]


def test_they_are_enough_and_none_is_too_many(engine: Engine, worker: Engine, role: str) -> None:
    do_everything(worker, engine)
    assert missing(worker) == []
    for grant in [
        *(f"{privilege} on {table}" for table, privilege in PRIVILEGES if table != "anchors"),
        f"usage on sequence {SEQUENCE}",
        f"execute on function {PRUNING}",
    ]:
        reset(engine)
        worker.dispose()
        execute(engine, f"revoke {grant} from {role}")
        with pytest.raises(DeploymentFault, match="42501"):
            do_everything(worker, engine)
        worker.dispose()
        unchecked = make_engine(worker.url.render_as_string(hide_password=False))
        assert missing(unchecked) == [grant]
        unchecked.dispose()
        execute(engine, f"grant {grant} to {role}")
    reset(engine)


@contextmanager
def updates(worker: Engine) -> Iterator[dict[str, Any]]:
    """Statements that update while the block runs, with parameters of theirs."""
    found: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if re.search(r"\bupdate\b.*\bset\b", statement, re.DOTALL):
            found.setdefault(statement, parameters)

    event.listen(worker, "before_cursor_execute", note)
    yield found
    event.remove(worker, "before_cursor_execute", note)


@contextmanager
def as_role(engine: Engine, role: str, *before: str) -> Iterator[Connection]:
    """As that role, after statements of the owner; all of it is taken back."""
    with engine.connect() as connection:
        for statement in before:
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"set local role {role}")
        yield connection
        connection.rollback()


def is_refused(connection: Connection, statement: str, parameters: Any) -> bool:
    try:
        connection.exec_driver_sql(statement, parameters)
    except ProgrammingError as error:
        return getattr(error.orig, "sqlstate", None) == "42501"
    return False


def test_each_column_that_may_be_updated_is_updated(engine: Engine, worker: Engine, role: str) -> None:
    with updates(worker) as seen:
        do_everything(worker, engine)
    for table, columns in CHANGED.items():
        for column in () if table in OF_SHARDS else columns:
            taken = f"revoke update ({column}) on {table} from {role}"
            refused = 0
            for statement, parameters in seen.items():
                with as_role(engine, role, taken) as connection:
                    refused += is_refused(connection, f"explain {statement}", parameters)
            assert refused, f"nothing updates {table}.{column}: do not grant it"
    reset(engine)


def test_a_missing_column_is_named(engine: Engine, worker: Engine, role: str) -> None:
    execute(engine, f"revoke update (seq, head) on accounts from {role}")
    assert missing(worker) == ["update (seq, head) on accounts"]


def forbidden() -> Iterator[str]:
    """Each statement that the role could try on each table and that nothing of ours needs."""
    for table, columns in COLUMNS.items():
        if "delete" not in NEEDED[table]:
            yield f"delete from {table}"
        yield f"truncate {table} cascade"
        yield f"drop table {table} cascade"
        yield f"alter table {table} disable trigger all"
        yield f"create trigger t before insert on {table} execute function suppress_redundant_updates_trigger()"
        for column in sorted(columns - {*CHANGED.get(table, ())}):
            yield f'update {table} set "{column}" = "{column}"'
    yield "insert into alembic_version values ('0')"
    yield "create function prune_jobs() returns int language sql as 'select 1'"
    yield "alter function prune_jobs(integer, integer) security invoker"
    yield "drop function prune_jobs(integer, integer)"


def test_the_database_refuses_everything_else(engine: Engine, role: str) -> None:
    statements = [*forbidden()]
    assert len(statements) > 100
    with engine.connect() as connection:
        connection.exec_driver_sql(f"set role {role}")
        for statement in statements:
            with pytest.raises(DBAPIError) as refused:
                connection.exec_driver_sql(statement)
            assert getattr(refused.value.orig, "sqlstate", None) == "42501", statement
            connection.rollback()
            connection.exec_driver_sql(f"set role {role}")


def test_pruning_takes_nothing_that_is_young(engine: Engine, worker: Engine) -> None:
    done(worker, "users.upsert", user_id=1)
    done(worker, "users.update_balance", user_id=1, amount_kopeks=5)
    with worker.connect() as connection, pytest.raises(DBAPIError, match="kept whole for a day"):
        connection.execute(text("select prune_jobs(0, 100)"))
    with worker.connect() as connection:
        # What is the caller's own by these names is not what the function works on.
        connection.execute(text("create temporary table jobs as select * from jobs"))
        connection.execute(text("update jobs set settled_at = '2000-01-01'"))
        connection.execute(text("create temporary table outbox (like outbox)"))
        assert connection.scalar(text("select pruned from prune_jobs(1, 100)")) == 0
        connection.rollback()
    assert len(rows(engine, "select 1 from job_bodies")) == 2
    assert len(rows(engine, "select 1 from outbox")) == 1


def test_a_schema_that_may_not_be_used_is_named(engine: Engine, worker: Engine) -> None:
    execute(engine, "revoke usage on schema public from public")
    with pytest.raises(DeploymentFault, match="one in schema public"):
        done(worker, "users.upsert", user_id=1)
    url = worker.url.render_as_string(hide_password=False)
    findings = {finding.check: finding for finding in examine_database(Settings(database_url=url))}
    assert findings["database.privileges"].found == "missing: usage on schema public"
    assert findings["database.migrations"].level == "failure"


@pytest.mark.parametrize("table", ["alembic_version", "dead_letters"])
def test_the_doctor_examines_what_it_can_without_them(engine: Engine, worker: Engine, role: str, table: str) -> None:
    execute(engine, f"revoke all on {table} from {role}")
    url = worker.url.render_as_string(hide_password=False)
    findings = {finding.check: finding for finding in examine_database(Settings(database_url=url))}
    assert f"select on {table}" in findings["database.privileges"].found
    assert (findings["database.migrations"].level == "failure") == (table == "alembic_version")


@pytest.mark.parametrize("running", [False, True])
def test_rows_that_a_policy_hides_are_not_taken_for_missing(engine: Engine, worker: Engine, running: bool) -> None:
    if running:
        done(worker, "users.upsert", user_id=1)
    execute(engine, "alter table accounts enable row level security")
    for said in ("row-level security" if running else "row level security keeps rows", "row level security keeps rows"):
        with pytest.raises(DeploymentFault, match=said):
            ask(worker, "users.update_balance", user_id=1, amount_kopeks=1)
        worker.dispose()
    url = worker.url.render_as_string(hide_password=False)
    findings = {finding.check: finding for finding in examine_database(Settings(database_url=url))}
    assert "of accounts" in findings["database.migrations"].found
    execute(engine, "alter table accounts disable row level security")
    assert ask(worker, "users.update_balance", user_id=404, amount_kopeks=1)["code"] == "user_not_found"


def privileges_of(url: str) -> Finding:
    return next(finding for finding in examine_database(Settings(database_url=url)) if finding.check.endswith("eges"))


def test_the_doctor_is_content_with_the_role_of_the_page(worker: Engine) -> None:
    assert privileges_of(worker.url.render_as_string(hide_password=False)).level == "ok"


def test_the_doctor_names_a_superuser(database_url: str) -> None:
    assert privileges_of(database_url).found == "this role is a superuser"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("alter table jobs owner to {role}", "is or may become the owner of jobs"),
        ("alter role {role} createrole", "may make roles"),
        ("grant pg_write_server_files to {role}", "is a member of pg_write_server_files"),
        ("grant update on jobs to {role}", "may update on jobs"),
        ("grant delete, truncate, trigger on entries to {role}", "may delete on entries; may trigger on entries; may"),
        ("grant update (idempotency_key, code) on jobs to {role}", "may update (idempotency_key, code) on jobs"),
        ("grant update on accounts to {role}", "may update on accounts"),
        ("grant update on outbox to {role}", "may update on outbox"),
        ("grant insert on alembic_version to {role}", "may insert on alembic_version"),
    ],
)
def test_the_doctor_names_what_a_role_may_do_beyond_it(
    engine: Engine, worker: Engine, role: str, given: str, found: str
) -> None:
    execute(engine, given.format(role=role))
    finding = privileges_of(worker.url.render_as_string(hide_password=False))
    if "owner" in given:
        execute(engine, "alter table jobs owner to current_user")
    assert (finding.level, finding.found.startswith(f"this role {found}")) == ("warning", True), finding.found
