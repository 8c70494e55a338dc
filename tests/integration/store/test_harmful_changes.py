# ruff: noqa: E501 - statements are easier to read in one line
"""Nothing can be taken away, put in, or changed with all that shows it, without `verify` naming it.

| who | what | test |
|---|---|---|
| the owner of the tables | rows taken away, put in, or changed with all that shows it | HARMFUL |
| the worker's role | terms changed, spent on, and changed back | SPENT_ON |
| the owner, who knows how all is chained | what only an anchor outside of the database notices | BEYOND |
"""

from typing import Final

import pytest
from sqlalchemy import Engine

from models.store.audit.ledger import audit, audit_in
from tasks.auto_topup import scan as autotopup
from tests.integration.store.filled import FAR, fill
from tests.support.builders import applier, done, execute, rows
from tests.support.resealed import execute_resealed

pytestmark = pytest.mark.tampered_ledger


@pytest.fixture
def ledger(emptied: Engine) -> Engine:
    fill(emptied)
    return emptied


OF_USER: Final = "(select id from accounts where ref = '1')"
OF_WALLET: Final = "(select id from accounts where ref = 'w')"
NO_GUARD: Final = "set local session_replication_role = replica"
REFUSED: Final = "status = 'rejected' and account_id is null"
"""A job about a user who is not there."""
FORGED: Final = """
    insert into jobs (id, producer, idempotency_key, name, fingerprint, account_id, status, code, body, outcome,
                      settled_at, events)
    select 'ffffffff-ffff-7fff-bfff-ffffffffff00', 'p', 'forged', name, fingerprint, {account}, status, code, body,
           outcome, now(), {events}
    from jobs where {like} order by id limit 1
"""
# Each of them was done with `verify` saying ok, or is of their kind: (statements, the account or thing to be named).
HARMFUL: Final[dict[str, tuple[list[str], str]]] = {
    "a settled job's key renamed, for it to be paid again": (
        [f"update jobs set idempotency_key = 'x' where id = (select job_id from entries where account_id = {OF_USER} and seq = 2)"],
        "user:1",
    ),
    "a refusal's key renamed": ([f"update jobs set idempotency_key = 'x' where {REFUSED}"], "journal:1"),
    "an answer rewritten": (
        ["update jobs set outcome = cast(replace(cast(outcome as text), 'Insufficient funds', 'Paid') as json)"
         " where code = 'insufficient_funds' and producer = 'default'"],
        "user:1",
    ),
    "a refusal called applied": (
        ["update jobs set status = 'applied', code = 'unchanged' where code = 'insufficient_funds'"], "user:1",
    ),
    "a job's answer with the entry that it tells of": (
        ["update jobs set outcome = jsonb_set(outcome::jsonb, '{response}', 'null')::json"
         f" where id = (select job_id from entries where account_id = {OF_USER} and seq = 2)"],
        "user:1",
    ),
    "a floor lowered": (["update accounts set floor = -5000 where ref = '1'"], "user:1"),
    "a policy raised": (["update policies set amount = 5000 where account_id = (select id from accounts where ref = 'auto')"],
                        "wallet:auto"),
    "a cap raised": (["update policies set monthly_cap = 9000 where account_id = (select id from accounts where ref = 'declined')"],
                     "wallet:declined"),
    "a suspended policy resumed": (["update policies set suspended = null where suspended = 'refunded'"], "wallet:refunded"),
    "a charge deleted": ([NO_GUARD, "delete from charges where status = 'declined'"], "wallet:declined"),
    "a charge's amount changed": (["update charges set amount = 1 where status = 'refunded'"], "wallet:refunded"),
    "a charge's units changed": (["update charges set units = units + 1 where status = 'succeeded' and provider = 'http'"],
                                 "wallet:succeeded"),
    "a charge moved to another month": (["update charges set created_at = created_at - interval '40 days' where status = 'refunded'"],
                                        "wallet:refunded"),
    "a charge that counts no more": (["update charges set status = 'declined', credited_by = null where status = 'refunded'"],
                                     "wallet:refunded"),
    "a charge forgotten by its policy": (["update policies set open_charge = null where account_id = (select account_id from charges"
                                          " where status = 'needs_action')"], "wallet:needs_action"),
    "a charge put in": (
        ["insert into charges select (jsonb_populate_record(null::charges,"
         " to_jsonb(c) || jsonb_build_object('id', (select id from jobs where name = 'users.upsert' limit 1)))).* from charges c"
         " where status = 'void'"],
        "wallet:void",
    ),
    "a policy put in force": (
        [f"insert into policies select (jsonb_populate_record(null::policies, to_jsonb(p) || jsonb_build_object('account_id', {OF_WALLET}))).*"
         " from policies p where account_id = (select id from accounts where ref = 'auto')", "update accounts set has_policy = true where ref = 'w'"],
        "wallet:w",
    ),
    "a debit's want made up": (["update policies set wanted = 20, due_at = now() where account_id = (select id from accounts where ref = 'calm')"],
                               "wallet:calm"),
    "a grant's end put off": ([f"update grants set expires_at = '2999-01-02' where expires_at = '{FAR}'"], "wallet:w"),
    "a grant that has begun": ([f"update grants set effective_at = '2020-01-01' where effective_at = '{FAR}'"], "wallet:w"),
    "a grant no longer waited for": (["update grants set pending = false where pending"], "wallet:w"),
    "a hold that never ends": (["update holds set expires_at = '2999-01-01' where ended is null"], "wallet:w"),
    "a hold that covers nothing of a grant": (["update holds set backing = '[]' where ended is null"], "wallet:w"),
    "a telegram id moved to another user": (
        ["update users set telegram_id = case user_id when 2 then 77 end"], "user:1",
    ),
    "an account under another name": (["update accounts set ref = '33' where ref = '2'"], "user:33"),
    "a user with a wallet's policy": (
        [f"insert into wallets select {OF_USER}, customer_id, name, description, currency, wallet_type, status, conversion_rate, config, metadata, overdraft_allowed, timezone from wallets limit 1"],
        "user:1",
    ),
    "an account put in": (
        ["insert into accounts select 999, 'user', '9', unit, scale, 0, 0, floor, '', null, now(), now(), 0, 0, 0, false"
         " from accounts where ref = '1'",
         "insert into users (account_id, user_id, language, status, has_had_paid_subscription, has_made_first_topup)"
         " values (999, 9, 'ru', 'active', false, false)"],
        "user:9",
    ),
    "an account put in that says it changed": (
        ["insert into accounts select 999, 'user', '9', unit, scale, 0, 0, floor, '', null, now(), now(), 0, 0, 1, false"
         " from accounts where ref = '1'",
         "insert into users (account_id, user_id, language, status, has_had_paid_subscription, has_made_first_topup)"
         " values (999, 9, 'ru', 'active', false, false)"],
        "user:9",
    ),
    "an account deleted with its history": (
        [NO_GUARD, *(f"delete from {table} where job_id in (select job_id from entries where account_id = {OF_USER})"
                     for table in ("outbox",)),
         f"delete from jobs where id in (select job_id from entries where account_id = {OF_USER})",
         f"delete from entries where account_id = {OF_USER}", f"delete from users where account_id = {OF_USER}",
         "delete from accounts where ref = '1'"],
        "journal:1",
    ),
    "what a user is, taken away": ([NO_GUARD, f"delete from users where account_id = {OF_USER}"], "user:1"),
    "the tail of a history deleted, with all that shows it but the jobs": (
        [NO_GUARD, f"delete from entries where account_id = {OF_USER} and seq = 2",
         "update accounts a set seq = 1, balance = e.balance_after, head = e.hash from entries e"
         " where a.ref = '1' and e.account_id = a.id and e.seq = 1"],
        "user:1",
    ),
    "a refused job deleted": (
        [NO_GUARD, f"delete from outbox where job_id in (select id from jobs where {REFUSED})",
         f"delete from jobs where {REFUSED}"],
        "journal:1",
    ),
    "a refused job deleted, with its record": (
        [NO_GUARD, f"delete from outbox where job_id in (select id from jobs where {REFUSED})",
         f"delete from records where job_id in (select id from jobs where {REFUSED})", f"delete from jobs where {REFUSED}"],
        "journal:1",
    ),
    "a refused job put in": ([FORGED.format(account="null", events=64, like=REFUSED),
                              "insert into outbox (lane, type, job_id) values (0, 'job.rejected', 'ffffffff-ffff-7fff-bfff-ffffffffff00')"],
                             "job:ffffffff-ffff-7fff-bfff-ffffffffff00"),
    "a refused job put in as one of long ago": ([FORGED.format(account="null", events="null", like=REFUSED)], "jobs"),
    "a job put in, with an entry and its balance": (
        [FORGED.format(account="null", events=1, like="name = 'users.update_balance' and code = 'applied'"),
         "insert into entries (account_id, seq, amount, balance_after, kind, job_id, listed, part, prev_hash, hash, created_at)"
         " select account_id, 3, 500, 500, 'deposit', 'ffffffff-ffff-7fff-bfff-ffffffffff00', true, 0, hash, sha256(hash),"
         f" now() from entries where account_id = {OF_USER} and seq = 2",
         "update accounts a set seq = 3, balance = 500, head = e.hash from entries e where e.account_id = a.id and e.seq = 3"
         " and a.ref = '1'"],
        "user:1",
    ),
    "an event put in": (
        [f"insert into outbox (lane, type, job_id) select 0, 'wallet.updated', job_id from entries where account_id = {OF_USER} and seq = 2"],
        "user:1",
    ),
    "an event of a pruned job put in": (
        [f"insert into outbox (lane, type, job_id) select 0, 'wallet.updated', job_id from entries where account_id = {OF_USER} and seq = 1"],
        "user:1",
    ),
    "an event that waits for the broker put in": (
        ["insert into stream_backlog (lane, id, type, job_id) select 0, 0, 'wallet.updated', job_id from entries"
         f" where account_id = {OF_USER} and seq = 2"],
        "user:1",
    ),
    "an event that waits for an endpoint put in": (
        ["insert into webhook_endpoints (id, name, url, removed, secret_version, secret_key, created_at, updated_at, failures)"
         " values ('ffffffff-ffff-7fff-bfff-ffffffffff01', 'n', 'https://n.example', false, 1, '12345678', now(), now(), 0)",
         "insert into webhook_deliveries (endpoint_id, id, queue, type, job_id, status, attempts, queued_at)"
         " select 'ffffffff-ffff-7fff-bfff-ffffffffff01', 0, 1, 'wallet.updated', job_id, 'waiting', 0, now() from entries"
         f" where account_id = {OF_USER} and seq = 2"],
        "user:1",
    ),
    "an event under another job": (
        ["update outbox set job_id = (select id from jobs where code = 'unchanged' order by id limit 1)"
         " where id = (select min(id) from outbox where type = 'user.balance.updated')"],
        "app:a/2",
    ),
    "a body and its events taken away as if pruned": (
        ["delete from outbox where job_id in (select id from jobs where code = 'insufficient_funds')",
         "delete from job_bodies where job_id in (select id from jobs where code = 'insufficient_funds')"],
        "job:",
    ),
    "what was asked, rewritten": (
        ["""update job_bodies set body = '{"amount_kopeks":-5,"user_id":1}'
             where job_id in (select id from jobs where code = 'insufficient_funds')"""], "job:",
    ),
    "what was asked, put in a job's own row as well": (
        ["""update jobs set body = '{"amount_kopeks":-5,"user_id":1}' where code = 'insufficient_funds'"""], "job:",
    ),
    "what a pruned job asked, put in": (
        ["""insert into job_bodies select id, '{"amount_kopeks":-5,"user_id":1}' from jobs where idempotency_key = 'old'"""], "job:",
    ),
    "a record taken away": (["delete from records where seq = 3"], "journal:1"),
    "the last record taken away": (["delete from records r where seq = (select max(seq) from records)"], "journal:1"),
    "the last record taken away, and the journal's head set": (
        ["delete from records r where seq = (select max(seq) from records)",
         "update journals j set seq = r.seq, head = r.hash from records r where j.id = 1 and r.seq = j.seq - 1"],
        "wallet:succeeded",
    ),
    "a journal taken away": ([NO_GUARD, "delete from journals where id = 1"], "journal:1"),
    "a record of terms rewritten": (["""update records set content = '{"floor":[0,-5000]}' where number > 1"""], "wallet:auto"),
    "a record said to be of another account": (
        ["update records set number = 9, account_id = (select id from accounts where ref = 'calm') where account_id = "
         "(select id from accounts where ref = 'auto') and number = 2"],
        "wallet:calm",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HARMFUL)
def test_a_harmful_change_is_named(kept: Engine, what: str) -> None:
    statements, named = HARMFUL[what]
    with kept.connect() as connection:
        for statement in statements:
            changed = connection.exec_driver_sql(statement)
            assert statement == NO_GUARD or changed.rowcount > 0, statement
        findings = audit_in(connection).findings
    assert any(finding.account.startswith(named) for finding in findings), findings


SPENT_ON: Final[dict[str, tuple[str, str, str, str]]] = {
    "a floor": ("update accounts set floor = {} where ref = '1'", "-50", "-5000", "less than the floor on record, -50"),
    "a policy": (
        "update policies set amount = {} where account_id = (select id from accounts where ref = 'auto')",
        "25", "5000", "no policy on record asked for",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SPENT_ON)
def test_what_was_spent_on_terms_that_were_changed_for_a_while_is_named(ledger: Engine, what: str) -> None:
    statement, right, forged, told = SPENT_ON[what]
    assert execute(ledger, statement.format(forged)) == 1
    if what == "a floor":
        done(ledger, "users.update_balance", user_id=1, amount_kopeks=-1000)
    else:
        execute(
            ledger,
            "update policies set topped_up_at = null, due_at = now() where account_id = (select id from accounts where ref = 'auto')",
        )
        assert autotopup.scan(applier(ledger), 10) > 0
    assert execute(ledger, statement.format(right)) == 1
    assert any(told in finding.problem for finding in audit(ledger).findings)


def test_a_due_time_without_need_pays_nothing(ledger: Engine) -> None:
    execute(
        ledger,
        "update policies set due_at = now(), crossing = crossing + 1 where account_id = (select id from accounts where ref = 'calm')",
    )
    before = rows(ledger, "select seq from accounts where ref = 'calm'")
    autotopup.scan(applier(ledger), 10)
    assert rows(ledger, "select seq from accounts where ref = 'calm'") == before


BEYOND: Final[dict[str, list[str]]] = {
    "terms changed, and all chained anew": ["update accounts set floor = -5000 where ref = '1'"],
    "an answer rewritten, and all chained anew": [
        "update jobs set outcome = cast(replace(cast(outcome as text), 'Insufficient funds', 'Paid') as json)"
        " where code = 'insufficient_funds'"
    ],
}


@pytest.mark.parametrize("what", BEYOND)
def test_who_chains_all_anew_is_found_by_anchors_alone(ledger: Engine, what: str) -> None:
    heads = "select seq, head from journals where seq > 0 union all select seq, head from accounts order by 1, 2"
    before = rows(ledger, heads)
    for statement in BEYOND[what]:
        assert execute_resealed(ledger, statement) > 0
    assert audit(ledger).findings == []
    assert rows(ledger, heads) != before, "an anchor of these heads tells"
