"""The table `Who notices what` of docs/security.md: each change is made as each role, and the page says what noticed.

What is noticed better than the page says is a failure too: the page is to say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from models.contracts.wire.dead_letter import DeadLetter
from models.domain.errors import DeploymentFault
from models.store.audit.ledger import audit
from models.store.connection.session import transaction
from models.store.write import dead_letters
from tests.support.anchored import Anchored, add_entry, cut, forge_job, forget, id_of, put_entry, rehash
from tests.support.builders import done, execute, job, settle

pytestmark = pytest.mark.tampered_ledger

PAGE: Final = Path(__file__).parents[3] / "docs" / "security.md"
Change = Callable[[Engine, dict[str, str]], object]


def sql(statement: str) -> Change:
    return lambda engine, _: execute(engine, statement)


def of_job(which: str, change: str) -> Change:
    return lambda engine, story: execute(engine, f"update jobs set {change} where id = :id", id=story[which])


def multiply(engine: Engine, _story: dict[str, str]) -> None:
    execute(engine, "update entries set amount = amount * 10 where account_id = :id", id=id_of(engine, "user:1"))
    rehash(engine, "user:1")


def remove_account(engine: Engine, _story: dict[str, str]) -> None:
    cut(engine, "user:2", 0)
    execute(engine, "delete from users where user_id = 2")
    execute(engine, "update jobs set account_id = null where account_id = :id", id=id_of(engine, "user:2"))
    execute(engine, "delete from records where account_id = (select id from accounts where ref = '2')")
    execute(engine, "delete from accounts where ref = '2'")


def put_payment(engine: Engine, story: dict[str, str]) -> None:
    put_entry(engine, "user:1", forge_job(engine, story["user 1 1"], earlier_ms=1))


def add_payment(engine: Engine, story: dict[str, str]) -> None:
    add_entry(engine, "user:1", forge_job(engine, story["user 1 3"], earlier_ms=1, seq=4))


PUT_ACCOUNT: Final = (
    "insert into accounts (kind, ref, unit, scale, balance, seq, head, created_at, updated_at, granted, held, changes,"
    " has_policy)"
    " select kind, '77', unit, scale, 0, 0, '', {at}, {at}, 0, 0, 1, false from accounts where ref = '1'"
)
CHANGES: Final[dict[str, Change]] = {
    "an entry is changed": sql("update entries set amount = amount + 1 where seq = 2"),
    "an entry is removed": sql("delete from entries where seq = 3"),
    "a history is multiplied and hashed anew": multiply,
    "the tail of a history is cut, with its jobs, and the account shows the rest": lambda engine, _: cut(
        engine, "user:1", 1
    ),
    "an account is removed with its history and its jobs": remove_account,
    "an account gets another name": sql("update accounts set ref = '99' where ref = '1'"),
    "an account gets another scale": sql("update accounts set scale = 0 where ref = '1'"),
    "an account is put in, created earlier": sql(PUT_ACCOUNT.format(at="created_at")),
    "an account is put in, created now": sql(PUT_ACCOUNT.format(at="clock_timestamp()")),
    "a balance is changed": sql("update accounts set balance = balance + 1 where ref = '1'"),
    "a floor is changed": sql("update accounts set floor = -1000000 where ref = '1'"),
    "a top-up policy or its due time is changed": sql("update policies set threshold = 9, due_at = now()"),
    "a telegram id is given to another user": sql("update users set telegram_id = 7 where user_id = 2"),
    "what is left of a grant is changed": sql("update grants set remaining = remaining - 1"),
    "a grant's expiry is changed": sql("update grants set expires_at = '2999-01-01'"),
    "a grant's amount is changed": sql("update grants set amount = amount + 1"),
    "a settled job gets another key, so that its own can be used again": of_job("user 1 1", "idempotency_key = 'x'"),
    "an answer is rewritten, but for its entry": of_job(
        "user 1 1", "outcome = cast(jsonb_set(cast(outcome as jsonb), '{response}', '{}') as json)"
    ),
    "an applied job's answer tells of another entry": of_job(
        "user 1 1", "outcome = cast(jsonb_set(cast(outcome as jsonb), '{entry,seq}', '9') as json)"
    ),
    "a refused job is removed": lambda engine, story: forget(engine, story["refused"]),
    "a refused job is put in, settled earlier": lambda engine, story: forge_job(engine, story["refused"]),
    "a job, its entry and the balance are put in, settled earlier": put_payment,
    "a payment of earlier is put in after all others, with its job and the balance": add_payment,
    "a payment is made as workers make them": lambda engine, _: done(
        engine, "users.update_balance", user_id=1, amount_kopeks=10_000
    ),
    "an event of the outbox is removed": sql("delete from outbox"),
    "bodies of a day ago are pruned": sql("select prune_jobs(1, 1000)"),
    "bodies younger than a day are, by `prune_jobs`": sql("select prune_jobs(0, 1000)"),
    "a job's body is removed": sql("delete from job_bodies"),
    "a dead letter is removed": sql(
        "with told as (delete from outbox where letter_id is not null) delete from dead_letters"
    ),
    "a dead letter's body is changed": sql("update dead_letters set body = 'x'"),
    "a dead letter is discarded": sql(
        "update dead_letters set status = 'discarded', closed_at = now(), discard_reason = 'x'"
    ),
    "a trigger is put on a table": sql(
        "create trigger t before insert on entries execute function suppress_redundant_updates_trigger()"
    ),
    "what the database remembers of an anchor is removed": sql("delete from anchors"),
}
REFUSED: Final = {"42501", "22023"}  # by privilege; by the function that prunes


def is_refused(change: Change, engine: Engine, story: dict[str, str]) -> bool:
    try:
        change(engine, story)
    except (DBAPIError, DeploymentFault) as error:
        cause = error if isinstance(error, DBAPIError) else error.__cause__
        assert isinstance(cause, DBAPIError)
        assert getattr(cause.orig, "sqlstate", None) in REFUSED
        return True
    return False


def page() -> dict[str, tuple[str, str]]:
    """What the page says that notices it, done by the workers' role and by the owner, by change."""
    section = PAGE.read_text().partition("## Who notices what")[2]
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    return {change: (workers, owner) for change, workers, owner in rows if change != "change"}


def test_the_page_has_a_row_for_each_change() -> None:
    assert set(page()) == set(CHANGES)


@pytest.mark.parametrize("what", CHANGES)
def test_the_page_says_what_notices(
    engine: Engine, workers: Engine, anchored: Anchored, story: dict[str, str], what: str
) -> None:
    grant = {"credits_to_add": 5, "transaction_reason": "FREE_CREDIT_GRANT", "expiry_date_utc": "2100-01-01"}
    policy = {"auto_topup_trigger": "balance_below_threshold", "auto_topup_min_balance": 1, "auto_topup_amount": 5}
    settle(workers, job("wallets.top_up", wallet_id="w", **grant), job("wallets.update", wallet_id="w", **policy))
    with transaction(workers) as connection:
        dead_letters.park(connection, [DeadLetter("failed", "e", "users.upsert", "1", "balance", {}, b"[]")])
    anchored.anchor()
    anchored.anchor()
    assert (audit(workers).findings, anchored.problems()) == ([], {})
    refused = is_refused(CHANGES[what], workers, story)
    by_workers = "refused" if refused else noticed(engine, anchored)
    by_owner = by_workers  # who may make the same change
    if refused:
        by_owner = "refused" if is_refused(CHANGES[what], engine, story) else noticed(engine, anchored)
    execute(engine, "drop trigger if exists t on entries")
    assert page()[what] == (by_workers, by_owner)


def noticed(engine: Engine, anchored: Anchored) -> str:
    found = {"verify": audit(engine).findings, "anchors": anchored.problems()}
    return ", ".join(name for name, findings in found.items() if findings) or "nothing"
