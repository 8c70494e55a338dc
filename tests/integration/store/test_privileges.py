"""The workers' role needs exactly what docs/deployment.md grants it, and the doctor names whatever is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from models.domain.errors import DeploymentFault
from models.domain.retry import RetryPolicy
from models.store import dead_letters
from models.store.audit import assert_ledger_is_coherent
from models.store.dead_letters import DeadLetter
from models.store.privileges import NEEDED, SEQUENCE
from models.store.server import Server, examine
from models.store.session import make_engine, transaction
from tasks import autotopup, expiry, housekeeping
from tasks.settling import Settler
from tests.builders import LIMITS, ask, done, execute, let_expire, reset, rows
from tests.resealed import execute_resealed
from worker.checks.database import examine_database
from worker.settings import Settings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "deployment.md"
PRIVILEGES = [(table, privilege) for table, privileges in NEEDED.items() for privilege in privileges]
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


def sweeper(worker: Engine) -> Settler:
    def held(_: float) -> None:
        raise DeploymentFault("a sweep is held: 42501", "")

    return Settler(worker, LIMITS, RetryPolicy(), held, lambda: 0.5)


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
    done(worker, "wallets.top_up", wallet_id="w", **grant)
    done(worker, "wallets.debit", wallet_id="w", credits=1)
    held = done(worker, "wallets.hold", wallet_id="w", credits=2)
    done(worker, "holds.capture", job_id=held["job_id"], credits=1)
    ask(worker, "wallets.debit", wallet_id="nobody", credits=1)
    autotopup.scan(sweeper(worker), 10)
    [made] = rows(owner, "select id from grants order by created_at limit 1")
    let_expire(owner, str(made["id"]))
    assert expiry.expire(sweeper(worker), 10) > 0
    execute_resealed(owner, "update jobs set settled_at = now() - interval '9 days'")
    assert housekeeping.prune(sweeper(worker), 1, 100) > 0
    with transaction(worker) as connection:
        [letter] = dead_letters.park(connection, [LETTER])
        dead_letters.park(connection, [LETTER])
        assert dead_letters.mark_replayed(connection, [(letter, 2)]) == 1
        dead_letters.park(connection, [LETTER])
        assert dead_letters.discard(connection, [letter], "r") == 1
    done(worker, "wallets.terminate", wallet_id="w")
    assert_ledger_is_coherent(worker)


def missing(worker: Engine) -> list[str]:
    found = examine(worker)
    assert isinstance(found, Server), found
    return found.missing


def test_the_page_grants_exactly_what_is_looked_for(engine: Engine, role: str) -> None:
    granted = rows(
        engine,
        "select c.relname, lower(a.privilege_type) as privilege from pg_class c, aclexplode(c.relacl) a"
        " where a.grantee = cast(:role as regrole)",
        role=role,
    )
    assert {(row["relname"], row["privilege"]) for row in granted} == {*PRIVILEGES, (SEQUENCE, "usage")}


def test_they_are_enough_and_none_is_too_many(engine: Engine, worker: Engine, role: str) -> None:
    do_everything(worker, engine)
    assert missing(worker) == []
    for grant in (*(f"{privilege} on {table}" for table, privilege in PRIVILEGES), f"usage on sequence {SEQUENCE}"):
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


def test_what_the_owner_may_do_to_the_ledger_is_named(database_url: str) -> None:
    findings = {finding.check: finding for finding in examine_database(Settings(database_url=database_url))}
    assert findings["database.privileges"].found == "this role may update, delete, truncate entries"


def test_the_role_of_the_page_may_not(engine: Engine, worker: Engine) -> None:
    with worker.connect() as connection:
        connection.execute(text("select count(*) from entries"))
    url = worker.url.render_as_string(hide_password=False)
    findings = {finding.check: finding for finding in examine_database(Settings(database_url=url))}
    assert findings["database.privileges"].level == "ok"
