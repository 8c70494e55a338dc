"""One key stands for one job, whatever shard its account is in: docs/decisions/0029."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, event

from models.domain.accounts import AccountKey, Kind
from models.domain.deciding.commands import Job
from models.domain.errors import KeyElsewhere, TransientFault, WrongShard
from models.domain.sharding.buckets import bucket_of_id
from models.store.connection.session import each_committed
from models.store.write.shards import elsewhere
from tasks.apply import path
from tasks.apply.retries import Failed
from tests.integration.shards.sharded import Part, top_up, wallets
from tests.integration.store.test_prune import DAYS, prune
from tests.support.aged import settle_in_own_rows
from tests.support.builders import Document, balance, done, expire_job, job, rows

ROUNDS = 60
DEADLINE_S = 30.0


class Killed(Exception):
    """The process is gone."""


def test_a_key_of_another_shards_job_is_a_conflict_and_nothing_is_done(parts: list[Part]) -> None:
    (first, second), (one, other) = parts, wallets(parts)
    [settled] = first.apply(top_up(one, "k", 5))
    [answer] = second.apply(top_up(other, "k", 5))
    assert (answer["status"], answer["code"], answer["job_id"]) == (
        "rejected",
        "idempotency_conflict",
        settled["job_id"],
    )
    details = answer["error"]["body"]["error"]["details"]
    assert details["fields"] == {"wallet_id": {"first": one, "now": other}}
    assert second.settled("k") == []
    assert balance(second.engine, f"wallet:{other}") == 0


def test_the_same_job_again_is_the_same_answer_again(parts: list[Part]) -> None:
    (first, _), (one, _) = parts, wallets(parts)
    [settled] = first.apply(top_up(one, "k", 5))
    [again] = first.apply(top_up(one, "k", 5))
    assert again == {**settled, "replayed": True}
    [other] = first.apply(top_up(one, "k", 6))
    assert other["code"] == "idempotency_conflict"


def test_two_producers_may_use_one_key(parts: list[Part]) -> None:
    answers = [
        part.apply(top_up(name, "k", producer=f"p{place}"))[0]
        for place, (part, name) in enumerate(zip(parts, wallets(parts), strict=True))
    ]
    assert [answer["code"] for answer in answers] == ["applied", "applied"]


def test_one_job_with_anothers_key_does_not_hold_up_its_batch(parts: list[Part]) -> None:
    (first, second), (one, other) = parts, wallets(parts)
    first.apply(top_up(one, "b"))
    keys = ["a", "b", "c", "a"]
    answers = second.apply(*(top_up(other, key) for key in keys))
    assert [(answer["code"], answer["replayed"]) for answer in answers] == [
        ("applied", False),
        ("idempotency_conflict", False),
        ("applied", False),
        ("applied", True),
    ]


def test_also_when_the_first_body_is_no_longer_kept(parts: list[Part]) -> None:
    (first, second), (one, other) = parts, wallets(parts)
    [settled] = first.apply(top_up(one, "k"))
    settle_in_own_rows(first.engine, f"{DAYS + 1} days")
    assert prune(first.engine) == 2
    [answer] = second.apply(top_up(other, "k"))
    assert (answer["code"], answer["job_id"]) == ("idempotency_conflict", settled["job_id"])


def test_one_key_used_in_two_shards_at_once_is_applied_once(parts: list[Part]) -> None:
    """Many rounds, each with some keys of its own: in each shard a batch with all of them, from two threads."""
    names = wallets(parts)
    barrier = threading.Barrier(2)
    unsettled: list[str] = []

    def run(place: int) -> list[list[Document]]:
        part, answers = parts[place], []
        for number in range(ROUNDS):
            jobs = [top_up(names[place], f"round {number}, key {each}") for each in range(3)]
            barrier.wait(DEADLINE_S)
            answers.append([_insistent(part, one, unsettled) for one in (jobs if place else jobs[::-1])])
        return answers

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run, range(2), timeout=300))
    for number in range(ROUNDS):
        of_key = zip(found[0][number][::-1], found[1][number], strict=True)
        for pair in of_key:
            assert sorted(answer["code"] for answer in pair) == ["applied", "idempotency_conflict"]
            assert len({answer["job_id"] for answer in pair}) == 1
    assert all(part.settled("round 0, key 0") or part.settled("round 0, key 2") for part in parts), "each won some"
    total = sum(int(balance(part.engine, f"wallet:{name}")) for part, name in zip(parts, names, strict=True))
    assert total == 3 * ROUNDS * 10**9


def _insistent(part: Part, one: Job, unsettled: list[str]) -> Document:
    for _ in range(1_000):
        try:
            return part.apply(one)[0]
        except KeyElsewhere as held:
            unsettled.append(str(held))
        except TransientFault:
            pass
    raise AssertionError("not settled")


def _dying(monkeypatch: pytest.MonkeyPatch, name: str) -> Callable[[], None]:
    """Lets the next call of a step of the path end in the death of the process. Returns what undoes it."""

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    real = getattr(path, name)
    monkeypatch.setattr(path, name, die)
    return lambda: monkeypatch.setattr(path, name, real)


@pytest.mark.parametrize("step", ["decide_jobs", "_write"])
def test_who_died_between_claim_and_commit_goes_on_when_the_job_comes_again(
    parts: list[Part], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (first, second), (one, other) = parts, wallets(parts)
    restore = _dying(monkeypatch, step)
    with pytest.raises(Killed):
        first.apply(top_up(one, "k"))
    restore()
    with pytest.raises(KeyElsewhere, match=r"shard 0.*discard it and publish it under a key of its own"):
        second.apply(top_up(other, "k"))
    assert second.settled("k") == first.settled("k") == []
    [again] = first.apply(top_up(one, "k"))
    assert (again["code"], again["replayed"]) == ("applied", False)
    assert [answer["code"] for answer in second.apply(top_up(other, "k"))] == ["idempotency_conflict"]


def test_who_died_before_the_claims_were_written_has_claimed_nothing(
    parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, second), (one, other) = parts, wallets(parts)
    restore = _dying(monkeypatch, "claim")
    with pytest.raises(Killed):
        first.apply(top_up(one, "k"))
    restore()
    assert [answer["code"] for answer in second.apply(top_up(other, "k"))] == ["applied"]
    assert [answer["code"] for answer in first.apply(top_up(one, "k"))] == ["idempotency_conflict"]


def test_what_stays_unsettled_is_parked_alone_with_what_to_do(
    parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, second), (one, other) = parts, wallets(parts)
    restore = _dying(monkeypatch, "decide_jobs")
    with pytest.raises(Killed):
        first.apply(top_up(one, "k"))
    restore()
    before, held, after = second.bear(*(top_up(other, key) for key in ("a", "k", "b")))
    assert isinstance(held, Failed)
    assert isinstance(held.error, KeyElsewhere)
    assert held.attempts > 1
    assert "replay this letter" in str(held.error)
    assert not isinstance(before, Failed)
    assert not isinstance(after, Failed)
    assert (before.code, after.code) == ("applied", "applied")
    [alone] = second.bear(top_up(other, "k"))
    assert isinstance(alone, Failed), "alone it is not held for ever either"


def test_a_job_about_an_account_of_another_shard_is_not_applied(parts: list[Part]) -> None:
    (first, second), (one, _) = parts, wallets(parts)
    with pytest.raises(WrongShard, match="is an account of shard 0, and this is shard 1"):
        second.apply(top_up(one, "k"))
    assert [answer["code"] for answer in first.apply(top_up(one, "k"))] == ["applied"]


def test_a_job_without_an_account_is_answered_by_any_shard_what_the_first_one_said(parts: list[Part]) -> None:
    first, second = parts
    broken = job("wallets.top_up", wallet_id="w", credits_to_add="many", idempotency_key="k")
    [answer] = second.apply(broken)
    assert answer["code"] == "invalid_request"
    assert second.shard.has(bucket_of_id(_only_id(second)))
    [again] = first.apply(broken)
    assert again == {**answer, "replayed": True}
    assert first.settled("k") == []


def _only_id(part: Part) -> Any:
    return rows(part.engine, "select id from jobs")[0]["id"]


def test_what_it_costs_does_not_grow_with_the_batch(parts: list[Part]) -> None:
    """One statement for each shard that keys lead to; and none for keys of ours, which are about one account each."""
    first, (one, _) = parts[0], wallets(parts)
    sent: list[str] = []

    def note(_: Any, statements: list[tuple[str, Any]]) -> Any:
        sent.extend(statement for statement, _ in statements)
        return real(first.engine, statements)

    real = each_committed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elsewhere, "each_committed", note)
        first.apply(*(top_up(one, f"key {number}") for number in range(200)))
        assert len(sent) == 2
        assert all("insert into" in statement for statement in sent)
        sent.clear()
        [account] = rows(first.engine, "select kind, ref from accounts")
        assert account["ref"] == one
        first.apply(expire_job(AccountKey(Kind.WALLET, one), "00000000-0000-7000-8000-000000000000"))
        assert not sent


def test_a_whole_ledger_asks_nothing(engine: Engine) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    done(engine, "users.upsert", user_id=1, telegram_id=2)
    done(engine, "users.update_balance", telegram_id=2, amount_kopeks=5)
    event.remove(engine, "before_cursor_execute", note)
    assert any("users" in statement for statement in asked)
    assert not [statement for statement in asked if " keys" in statement or "telegram_ids" in statement.split("(")[0]]
    assert not [*rows(engine, "select 1 from keys"), *rows(engine, "select 1 from telegram_ids, telegram_terms")]
