"""What a page reads costs by what it shows, not by what there is: however rare what is looked for is."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine

from models.domain.accounts import AccountKey, Kind
from models.domain.charging.charges import ChargeStatus
from models.domain.letters import LetterStatus
from models.domain.outcome import Code, Status
from models.domain.webhooks.endpoints import DeliveryStatus
from models.store.connection.session import snapshot, transaction
from models.store.read import charges, dead_letters, top_ups, webhooks
from models.store.read.accounts import account
from models.store.read.activity.dead_letters import parked_letters
from models.store.read.charges import charge_credited_by
from models.store.read.dead_letters import LetterFilter
from models.store.read.finance.settled_keys import letters_of, told_of
from models.store.read.jobs import Found, JobFilter, job, search
from models.store.read.looks import looks
from models.store.write.events import deliveries
from tasks.auto_topup.provider import ProviderStatus
from tests.integration.cli.charged import POLICY, charge, wallet
from tests.integration.events.endpoints import add
from tests.integration.store.test_finance_plans import looked_at, plans
from tests.support.builders import LIMITS, ask, done, execute, settle
from tests.support.builders import job as asked
from tests.support.many import many_entries

pytestmark = pytest.mark.tampered_ledger
WALLETS, EACH, MOST, POLICIES = 5, 3_000, 500, 1_200
_ONE_THAT_IS_OLD = (
    "update dead_letters set {}, first_seen = first_seen - interval '1 day', last_seen = last_seen - interval '1 day'"
    " where idempotency_key = 'w1 1'"
)


# Each charge is a copy of the one that there is, decided by a job of another name: the oldest one alone is pending.
_MANY_CHARGES = """
    insert into charges
    select (jsonb_populate_record(null::charges, to_jsonb(c) || jsonb_build_object(
        'id', j.id, 'account_id', j.account_id, 'created_at', j.settled_at, 'credited_by', null,
        'status', case number when 1 then 'pending' else 'declined' end,
        'settled_at', case number when 1 then null else j.settled_at end))).*
    from charges c, (
        select j.id, j.settled_at, a.id as account_id, row_number() over (order by j.id) as number
        from jobs j join accounts a on a.id = j.account_id where j.name = 'auto_topup.set_policy' and a.ref like 'w%'
    ) as j
"""


@pytest.fixture
def large(engine: Engine) -> Engine:
    """5 wallets with 3000 entries each, before them a refusal that stands alone, and as many dead letters."""
    settle(engine, *(asked("wallets.create", wallet_id=f"w{number}", scale=0) for number in range(WALLETS)))
    execute(
        engine,
        "insert into jobs (id, producer, idempotency_key, name, fingerprint, status, code, outcome, settled_at, events)"
        " values ('00000000-0000-7000-8000-000000000001', 'rare', 'k', 'wallets.debit', sha256(''), 'rejected',"
        " 'wallet_not_found', '{}', to_timestamp(0), 0)",
    )
    execute(
        engine,
        "insert into dead_letters (id, digest, status, reason, error, producer, idempotency_key, headers, properties,"
        " body, attempts, first_seen, last_seen) select gen_random_uuid(), sha256(n::text::bytea), 'parked', 'failed',"
        " 'e', 'p', 'w1 ' || n, '{}', '{}', '', 1, now(), now() from generate_series(1, 5000) as n",
    )
    many_entries(engine, "w%", EACH)
    return engine


def ways(connection: Connection) -> list[JobFilter]:
    wallet = account(connection, AccountKey(Kind.WALLET, "w3"))
    assert wallet is not None
    return [
        JobFilter(**given)
        for given in (
            {}, {"producer": "p"}, {"producer": "rare"}, {"code": Code.WALLET_NOT_FOUND},
            {"status": Status.REJECTED}, {"account_id": wallet.id}, {"account_id": wallet.id, "producer": "rare"},
            {"account_id": wallet.id, "status": Status.REJECTED}, {"key": "k"}, {"key": "k", "producer": "rare"},
            {"key": "w3 7", "account_id": wallet.id},
        )
    ]  # fmt: skip


def test_a_search_looks_at_so_many_jobs_and_no_more(large: Engine) -> None:
    with snapshot(large) as connection:
        for wanted in ways(connection):
            steps = [*plans(connection, partial(search, connection, wanted, 50, MOST))]
            # Two statements, each of which may look at jobs with entries and at those without.
            assert 0 < looked_at(steps, "jobs") <= 4 * MOST, wanted
            assert looked_at(steps, "entries") <= 2 * MOST + 60, wanted
            read = {step["Relation Name"] for step in steps if step["Node Type"] == "Seq Scan"}
            assert read.isdisjoint({"jobs", "entries", "dead_letters"}), wanted


def test_what_is_rare_is_found_by_going_on(large: Engine) -> None:
    with snapshot(large) as connection:
        for wanted in (JobFilter(producer="rare"), JobFilter(status=Status.REJECTED)):
            found, turns = Found((), None, gave_up=True), 0
            while found.gave_up:
                assert found.jobs == ()
                found = search(connection, wanted, 50, 2_000, found.further)
                turns += 1
            assert ([each.producer for each in found.jobs], found.further) == (["rare"], None)
            assert turns == 1 + WALLETS * EACH // 2_000


def test_one_job_is_read_through_indexes(large: Engine) -> None:
    with snapshot(large) as connection:
        found = search(connection, JobFilter(), 50, MOST).jobs
        steps = [*plans(connection, lambda: job(connection, found[0].id))]
        steps += plans(connection, lambda: letters_of(connection, [each.id for each in found]))
        steps += plans(connection, lambda: told_of(connection, "w1 77", None, 20))
        steps += plans(connection, lambda: charge_credited_by(connection, found[0].id))
        assert set(letters_of(connection, [each.id for each in found])) == {
            each.id for each in found if each.idempotency_key.startswith("w1 ")
        }
    assert "ix_dead_letters_key" in {step.get("Index Name") for step in steps}
    read = {step["Relation Name"] for step in steps if step["Node Type"] == "Seq Scan"}
    assert read.isdisjoint({"jobs", "entries", "dead_letters"})
    assert looked_at(steps, "jobs") < 200
    assert looked_at(steps, "dead_letters") < 100


def test_dead_letters_are_looked_for_through_an_index_and_so_many_and_no_more(large: Engine) -> None:
    execute(large, _ONE_THAT_IS_OLD.format("producer = 'rare', reason = 'odd', task = 't'"))
    ways = [
        LetterFilter(**given)
        for given in (
            {}, {"producer": "rare"}, {"producer": "p"}, {"status": LetterStatus.PARKED, "reason": "odd"},
            {"reason": "failed", "task": "t"}, {"status": LetterStatus.DISCARDED}, {"task": "t", "producer": "p"},
        )
    ]  # fmt: skip
    with snapshot(large) as connection:
        for wanted in ways:
            steps = [*plans(connection, partial(dead_letters.search, connection, wanted, 50, MOST))]
            steps += plans(connection, partial(dead_letters.count_some, connection, wanted, MOST))
            assert looked_at(steps, "dead_letters") <= 3 * MOST + 2, wanted
            assert "Seq Scan" not in {each["Node Type"] for each in steps if each.get("Relation Name")}, wanted
        steps = [*plans(connection, lambda: parked_letters(connection, MOST))]
        assert looked_at(steps, "dead_letters") == MOST
        assert parked_letters(connection, MOST).whole is False
        assert parked_letters(connection, 9_000).reasons == {"failed": 4_999, "odd": 1}


def test_a_rare_letter_is_found_by_going_on(large: Engine) -> None:
    execute(large, _ONE_THAT_IS_OLD.format("producer = 'rare'"))
    with snapshot(large) as connection:
        for wanted in (LetterFilter(producer="rare"), LetterFilter(producer="rare", status=LetterStatus.PARKED)):
            found, turns = dead_letters.search(connection, wanted, 50, 2_000), 1
            while found.gave_up:
                assert found.rows == ()
                found, turns = dead_letters.search(connection, wanted, 50, 2_000, found.further), turns + 1
            assert ([each.producer for each in found.rows], found.further, turns) == (["rare"], None, 3)
            counted = dead_letters.count_some(connection, wanted, 2_000)  # those seen first
            assert (counted.total, counted.replayable, counted.whole) == (1, 1, False)


def test_policies_and_charges_cost_by_what_is_shown(engine: Engine) -> None:
    names = [f"w{number}" for number in range(POLICIES)]
    settle(engine, *(asked("wallets.create", wallet_id=name, scale=2) for name in names))
    paid = {"credits_to_add": 100, "transaction_reason": "INVOICE_REFUND"}
    settle(engine, *(asked("wallets.top_up", wallet_id=name, **paid) for name in names))
    settle(engine, *(asked("auto_topup.set_policy", account=f"wallet:{name}", **POLICY) for name in names))
    wallet(engine, "declined", max_declines=1)
    charge(engine, ProviderStatus.DECLINED)
    execute(engine, _MANY_CHARGES)
    execute(engine, "analyze")
    with snapshot(engine) as connection:
        for which in top_ups.Which:
            steps = [*plans(connection, partial(top_ups.search, connection, LIMITS, which, 20, MOST))]
            assert looked_at(steps, "policies") <= 3 * MOST, which
            assert looked_at(steps, "charges") <= 300, which
            read = {step["Relation Name"] for step in steps if step["Node Type"] == "Seq Scan"}
            assert read.isdisjoint({"policies", "charges", "accounts"}), which
        found, turns = top_ups.search(connection, LIMITS, top_ups.Which.SUSPENDED, 20, MOST), 1
        while found.gave_up:
            assert found.rows == ()
            found = top_ups.search(connection, LIMITS, top_ups.Which.SUSPENDED, 20, MOST, found.further)
            turns += 1
        assert ([str(each.account.key) for each in found.rows], turns) == (["wallet:declined"], 1 + POLICIES // MOST)
        for statuses in ([*ChargeStatus], [ChargeStatus.PENDING], [ChargeStatus.VOID]):
            steps = [*plans(connection, partial(charges.search, connection, statuses, 20, MOST))]
            assert looked_at(steps, "charges") <= 2 * MOST, statuses
            assert "charges" not in {each["Relation Name"] for each in steps if each["Node Type"] == "Seq Scan"}
        assert len(charges.search(connection, [ChargeStatus.DECLINED], 20, MOST).rows) == 20
        none = charges.search(connection, [ChargeStatus.PENDING], 20, MOST)
        assert (none.rows, none.gave_up) == ((), True)
        one = charges.search(connection, [ChargeStatus.PENDING], 20, 9_000)
        assert ([each.charge.status for each in one.rows], one.further) == ([ChargeStatus.PENDING], None)


def test_webhooks_cost_by_what_is_shown(engine: Engine) -> None:
    endpoint = UUID(add(engine))
    execute(
        engine,
        "insert into webhook_deliveries (endpoint_id, id, queue, type, job_id, status, attempts, queued_at, last_at,"
        " ended_at, code) select e.id, n, 1, 'user.balance.updated', j.id,"
        " case when n > 4900 then 'waiting' when n = 1 then 'exhausted' else 'delivered' end, 1, now(),"
        " case when n <= 4900 then to_timestamp(n) end, case when n <= 4900 then now() end, 'c' || n"
        " from (select id from webhook_endpoints) as e, generate_series(1, 5000) as n,"
        " (select id from jobs order by id limit 1) as j",
    )
    execute(engine, "analyze")
    with snapshot(engine) as connection:
        steps = [*plans(connection, lambda: webhooks.endpoint_list(connection, 20, removed=False))]
        assert looked_at(steps, "webhook_deliveries") <= 1_300
        [shown] = webhooks.endpoint_list(connection, 20, removed=False).rows
        assert (shown.waiting, shown.last_code) == (100, "c4900")
        for status in (None, *DeliveryStatus):
            steps = [*plans(connection, partial(webhooks.search, connection, endpoint, status, 20, MOST))]
            assert looked_at(steps, "webhook_deliveries") <= 2 * MOST, status
        page, ids = webhooks.search(connection, endpoint, DeliveryStatus.EXHAUSTED, 20, MOST), list[int]()
        while page.further is not None:
            page = webhooks.search(connection, endpoint, DeliveryStatus.EXHAUSTED, 20, MOST, page.further)
            ids += [each.id for each in page.rows]
        assert ids == [1]
    for most, count in ((100, 100), (None, 4_799)):
        with transaction(engine) as connection:
            assert deliveries.replay(connection, endpoint, [DeliveryStatus.DELIVERED], None, None, most) == count


def test_looks_are_looked_for_among_so_many_jobs(large: Engine) -> None:
    with snapshot(large) as connection:
        found = account(connection, AccountKey(Kind.WALLET, "w3"))
    assert found is not None
    execute(large, f"update jobs set account_id = {found.id} where name = 'wallets.top_up'")  # as if refused
    with snapshot(large) as connection:
        steps = [*plans(connection, lambda: looks(connection, found.id, 20, MOST))]
    assert MOST <= looked_at(steps, "jobs") <= 2 * MOST


def test_a_job_without_an_account_has_no_amount(engine: Engine) -> None:
    done(engine, "users.upsert", user_id=1)
    ask(engine, "wallets.debit", wallet_id="nobody", credits=1)
    with snapshot(engine) as connection:
        refused, made = search(connection, JobFilter(), 50, MOST).jobs
    assert (refused.account, refused.movement, made.account) == (None, None, AccountKey(Kind.USER, "1"))
