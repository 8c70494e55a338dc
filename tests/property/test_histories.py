"""Random histories of jobs on a real database. Whatever is asked, however often, and however it is cut into batches:

1. The ledger is coherent: chains, sums, grants and answers agree (the audit's own definition).
2. The balance of an account is the sum of the amounts that its answers told, each counted once.
3. A key has one answer and at most one entry. Asked again, it gives that answer byte for byte, and nothing moves.
4. There is no money from nothing: what an entry moves is what its job asked for, and a refused job moves nothing.
5. No job leaves less than the floor behind, but for a forced reversal, an overdraft, and credits that are over.
6. Where batches begin and end does not matter: entries, balances, codes, grants and events are the same.
7. Jobs about different accounts may change places: each account ends as it would have.
"""

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from models.batch.outcome import StoredOutcome
from models.domain.ids import second_id
from models.domain.outcome import Code, Status
from tests.property.drawn import histories
from tests.property.histories import WALLETS, History, Step, play
from tests.support.builders import reset, rows
from tests.support.coherence import assert_ids_carry_their_bucket, assert_ledger_is_coherent
from tests.support.search import DRAWN

on_a_database = settings(
    max_examples=DRAWN.examples(15, weight=20),
    # The database is emptied at the start of each example.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MAY_PASS_THE_FLOOR = ("reversal", "expiry", "void")


def fresh(engine: Engine, history: History, batches: list[list[int]] | None = None) -> dict[int, StoredOutcome]:
    reset(engine)
    return play(engine, history, batches)


def names(engine: Engine) -> dict[str, str]:
    """What jobs, grants and holds are called in every database: ids differ from one to the other."""
    found = rows(engine, "select id, idempotency_key, name, producer from jobs")
    keys = {}
    for row in found:
        # The key of a sweep names what it found by its id.
        ours = row["producer"] == "balance-worker" and row["name"] != "autotopup.top_up"
        keys[str(row["id"])] = row["name"] if ours else row["idempotency_key"]
    return keys | {str(second_id(row["id"])): f"the bonus of {row['idempotency_key']}" for row in found}


def ledger(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All that the ledger says, by account, without ids and times."""
    called = names(engine)
    found = rows(
        engine,
        """
        select a.kind || ':' || a.ref as account, e.seq, e.part, e.amount, e.balance_after, e.kind, e.reason, e.listed,
               e.reverses, e.grant_id, e.draws, e.paid, e.holds, e.job_id, e.metadata
        from entries e join accounts a on a.id = e.account_id order by e.account_id, e.seq
        """,
    )
    by_account: dict[str, list[tuple[Any, ...]]] = {}
    for row in found:
        row["grant_id"] = called[str(row["grant_id"])] if row["grant_id"] else None
        for draws in ("draws", "paid"):
            row[draws] = [(called[grant], units) for grant, units in row[draws] or ()]
        row["holds"] = [
            (called[hold], verb, units, [(called[grant], *moved) for grant, *moved in parts])
            for hold, verb, units, parts in row["holds"] or ()
        ]
        row["job_id"] = called[str(row["job_id"])]
        by_account.setdefault(row["account"], []).append(tuple(row.values()))
    return by_account


def state(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Accounts, wallets, grants and holds, without ids and times."""
    queries = {
        "accounts": "select kind, ref, balance, seq, floor, granted, held from accounts order by 1, 2",
        "wallets": "select ref, status from wallets join accounts on id = account_id order by 1",
        "policies": "select ref, trigger, threshold, amount, crossing, suspended, wanted, due_at is not null as due"
        " from policies join accounts on id = account_id order by 1",
        "grants": "select id, amount, remaining, held, reversed, expired, voided, priority, pending,"
        " expires_at <= clock_timestamp() as over, effective_at <= clock_timestamp() as begun from grants",
        "holds": "select id, amount, remaining, captured, backing, ended, expires_at <= clock_timestamp() as over"
        " from holds",
    }
    called, found = names(engine), {name: rows(engine, query) for name, query in queries.items()}
    for row in (*found["grants"], *found["holds"]):
        row["id"] = called[str(row["id"])]
        row["backing"] = [(called[grant], units) for grant, units in row.get("backing", ())]
    for table in ("grants", "holds"):
        found[table].sort(key=lambda row: row["id"])
    return found


def told(engine: Engine) -> list[str]:
    return [row["type"] for row in rows(engine, "select type from outbox order by id")]


def first_answers(answers: Mapping[int, StoredOutcome]) -> dict[int, StoredOutcome]:
    """Answers that stand for a job: no replays, no key conflicts."""
    return {
        place: outcome
        for place, outcome in answers.items()
        if not outcome.replayed and outcome.code is not Code.IDEMPOTENCY_CONFLICT
    }


def asked(step: Step, entry: dict[str, Any], account: str) -> int | None:
    """Units that a step asked to be moved; None where that is not said in the step itself."""
    if step.name == "users.update_balance":
        return int(step.fields["amount_kopeks"])
    if step.name == "apps.update_balance":
        return int(step.fields["balance"]) - int(entry["balance_before"])
    if step.name == "wallets.terminate":
        return -int(entry["balance_before"])
    if step.name in ("wallets.top_up", "wallets.debit"):
        rate = Decimal(WALLETS[account].get("conversion_rate", "1"))
        credits = step.fields.get("credits_to_add") or step.fields.get("credits")
        exact = Decimal(credits) if credits else Decimal(step.fields["amount"]) / rate
        units = int((exact * 10 ** entry["scale"]).to_integral_value("ROUND_HALF_EVEN"))
        return units if step.name == "wallets.top_up" else -units
    return None


@on_a_database
@given(history=histories())
def test_the_ledger_adds_up_and_makes_no_money(engine: Engine, history: History) -> None:
    answers = fresh(engine, history)
    assert_ledger_is_coherent(engine)
    assert_ids_carry_their_bucket(engine)
    assert_entries_are_what_was_asked_and_make_the_balances(engine, history, answers)
    assert_floors_hold(engine)
    assert_keys_have_one_answer(engine, history, answers)


def assert_entries_are_what_was_asked_and_make_the_balances(
    engine: Engine, history: History, answers: Mapping[int, StoredOutcome]
) -> None:
    sums: dict[str, int] = {}
    left: dict[str, int] = {}  # of what a job moved, after its reversals
    for row in rows(engine, "select outcome from jobs where idempotency_key like 'fill-%'"):
        entry = row["outcome"]["entry"]
        sums[entry["account"]] = entry["amount"]
    for place, outcome in first_answers(answers).items():
        document, step = outcome.document(), history.steps[place]
        entry = document["entry"]
        if entry is None:
            continue
        assert outcome.code is Code.APPLIED, "a job that is not carried out moves nothing"
        amount = entry["amount"] + document.get("bonus_entry", {"amount": 0})["amount"]
        sums[entry["account"]] = sums.get(entry["account"], 0) + amount
        left[document["job_id"]] = amount
        assert asked(step, entry, step.account) in (None, entry["amount"])
        if step.name == "entries.reverse":
            assert step.of is not None
            of = str(answers[step.of].job_id)
            assert amount * left[of] < 0, "a reversal goes the other way"
            assert abs(amount) <= abs(left[of]), "no more is taken back than was moved"
            left[of] += amount
    for account in rows(engine, "select kind || ':' || ref as name, balance from accounts"):
        assert account["balance"] == sums.get(account["name"], 0)


def assert_floors_hold(engine: Engine) -> None:
    passed = rows(
        engine,
        """
        select e.* from entries e join accounts a on a.id = e.account_id
        where e.amount < 0 and e.balance_after < a.floor and not exists (
            select from jobs j join entries o on o.job_id = j.id
            where o.account_id = e.account_id and j.body ->> 'overdraft' is not null and o.seq <= e.seq)
        """,
    )
    assert [entry for entry in passed if entry["kind"] not in MAY_PASS_THE_FLOOR] == []


def assert_keys_have_one_answer(engine: Engine, history: History, answers: Mapping[int, StoredOutcome]) -> None:
    stored = {row["id"]: row for row in rows(engine, "select *, outcome::text as text from jobs")}
    for place, outcome in answers.items():
        row = stored[outcome.job_id]
        if outcome.code is Code.IDEMPOTENCY_CONFLICT:
            assert outcome.status is Status.REJECTED
            assert row["idempotency_key"] == history.key(place)
        else:
            assert (row["text"], row["status"], row["code"]) == (outcome.text, outcome.status, outcome.code)
    entries = rows(engine, "select count(*) as all, count(distinct job_id) as jobs from entries where part = 0")
    assert entries[0]["all"] == entries[0]["jobs"]


@on_a_database
@given(history=histories())
def test_asked_again_everything_is_answered_alike_and_nothing_moves(engine: Engine, history: History) -> None:
    first = fresh(engine, history)
    before = ledger(engine), state(engine), told(engine), rows(engine, "select * from jobs order by id")
    again = play(engine, history)
    for place, outcome in again.items():
        assert outcome.text == first[place].text
        assert outcome.code is first[place].code
        assert outcome.replayed is (outcome.code is not Code.IDEMPOTENCY_CONFLICT)
    assert (ledger(engine), state(engine), told(engine), rows(engine, "select * from jobs order by id")) == before


# Grants that nothing but their age tells apart, several of one job among them.
_BONUS = {"bonus_credits_to_add": "3", "bonus_expiry_date_utc": "2998-01-01"}
_WITH_BONUS = {"credits_to_add": "3", "expiry_date_utc": "2998-01-01", "transaction_reason": "INVOICE_REFUND", **_BONUS}
_ALIKE = Step("wallets.top_up", "w1", {"wallet_id": "w1", **_WITH_BONUS})
_USED = Step("wallets.debit", "w1", {"wallet_id": "w1", "credits": "4"})


@on_a_database
@given(history=histories())
@example(history=History((_ALIKE, _ALIKE, _USED), frozenset()))
def test_batch_boundaries_do_not_matter(engine: Engine, twin: Engine, history: History) -> None:
    batched = fresh(engine, history)
    singly = fresh(twin, history, [[place] for place in range(len(history.steps))])
    assert [(a.code, a.replayed) for a in batched.values()] == [(a.code, a.replayed) for a in singly.values()]
    assert ledger(engine) == ledger(twin)
    assert state(engine) == state(twin)
    assert told(engine) == told(twin)
    assert_ledger_is_coherent(twin)


@on_a_database
@given(history=histories(keys_are_shared=False), seed=st.integers(0, 2**32))
def test_jobs_about_different_accounts_may_change_places(
    engine: Engine, twin: Engine, history: History, seed: int
) -> None:
    places = interleaved(history, random.Random(seed))
    as_it_was = fresh(engine, history)
    reordered = fresh(twin, history, [[place] for place in places])
    assert {place: outcome.code for place, outcome in as_it_was.items()} == {
        place: outcome.code for place, outcome in reordered.items()
    }
    assert ledger(engine) == ledger(twin)
    assert state(engine) == state(twin)


def interleaved(history: History, order: random.Random) -> list[int]:
    """The places in another order, in which each account sees its own jobs as before."""
    queues: dict[str, list[int]] = {}
    for place, step in enumerate(history.steps):
        queues.setdefault(step.account, []).append(place)
    places = []
    while queues:
        account = order.choice(sorted(queues))
        places.append(queues[account].pop(0))
        if not queues[account]:
            del queues[account]
    return places
