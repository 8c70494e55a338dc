"""A telegram id is one user's, in whichever shard: refused while it is another's, given on once it is free."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from models.domain.errors import KeyRace, TransientFault, WrongShard
from models.domain.sharding.buckets import bucket_of
from models.store.write.shards import telegram_ids
from tasks.apply import path
from tests.integration.shards.sharded import Part
from tests.support.builders import Document, job, rows

ROUNDS = 60
DEADLINE_S = 30.0


class Killed(Exception):
    """The process is gone."""


def give(part: Part, user: str, telegram_id: int | None) -> Document:
    [document] = part.apply(job("users.upsert", user_id=int(user), telegram_id=telegram_id))
    return document


def owners(parts: list[Part], telegram_id: int) -> list[int]:
    query = "select user_id from users where telegram_id = :telegram_id"
    return [row["user_id"] for part in parts for row in rows(part.engine, query, telegram_id=telegram_id)]


def users(parts: list[Part]) -> list[str]:
    return [part.account("user") for part in parts]


# Where it is said whose it is differs: in the shard of the one, or of the other.
@pytest.mark.parametrize("telegram_id", [500, 501])
def test_it_is_taken_while_another_has_it_and_free_once_that_one_gave_it_up(
    parts: list[Part], telegram_id: int
) -> None:
    (first, second), (one, other) = parts, users(parts)
    assert give(first, one, telegram_id)["code"] == "applied"
    for _ in range(2):
        assert give(second, other, telegram_id)["code"] == "telegram_id_taken"
    assert give(first, one, telegram_id)["code"] == "applied", "it was asked for in vain, and is its own still"
    assert give(first, one, None)["code"] == "applied"
    assert give(second, other, telegram_id)["code"] == "applied"
    assert give(first, one, telegram_id)["code"] == "telegram_id_taken"
    assert owners(parts, telegram_id) == [int(other)]
    assert give(second, other, 7)["code"] == "applied"
    assert give(first, one, telegram_id)["code"] == "applied"
    assert owners(parts, telegram_id) == [int(one)]


def test_within_a_shard_it_goes_from_one_to_the_other_as_ever(parts: list[Part]) -> None:
    first = parts[0]
    one, other = first.account("user"), first.account("user")
    give(first, one, 500)
    assert give(first, other, 500)["code"] == "telegram_id_taken"
    answers = first.apply(
        job("users.upsert", user_id=int(one), telegram_id=None),
        job("users.upsert", user_id=int(other), telegram_id=500),
    )
    assert [answer["code"] for answer in answers] == ["applied", "applied"]
    assert owners(parts, 500) == [int(other)]


@pytest.mark.parametrize("step", ["decide_jobs", "_write"])
def test_who_died_with_a_claim_keeps_nobody_from_the_id(
    parts: list[Part], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (first, second), (one, other) = parts, users(parts)

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(path, step, die)
        with pytest.raises(Killed):
            give(first, one, 500)
    assert give(second, other, 500)["code"] == "applied"
    assert give(first, one, 500)["code"] == "telegram_id_taken"


def test_who_died_having_ended_anothers_claim_has_taken_nothing(
    parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, second), (one, other) = parts, users(parts)
    give(first, one, 500)
    give(first, one, None)

    def die(*_: Any) -> str:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(telegram_ids, "_move", die)
        with pytest.raises(Killed):
            give(second, other, 500)
    assert give(first, one, 500)["code"] == "applied", "it claims it anew"
    assert give(second, other, 500)["code"] == "telegram_id_taken"


def test_a_claim_that_was_ended_before_the_lock_gives_nothing(
    parts: list[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other shard takes it between the claim and the transaction."""
    (first, second), (one, other) = parts, users(parts)
    real = path.decide_jobs

    def late(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(path, "decide_jobs", real)
        assert give(second, other, 500)["code"] == "applied"
        return real(*given, **more)

    monkeypatch.setattr(path, "decide_jobs", late)
    with pytest.raises(KeyRace, match="claimed by another shard while this batch waited"):
        give(first, one, 500)
    assert give(first, one, 500)["code"] == "telegram_id_taken"
    assert owners(parts, 500) == [int(other)]


def test_two_shards_want_it_at_once_and_one_has_it(parts: list[Part]) -> None:
    names = users(parts)
    for part, name in zip(parts, names, strict=True):
        part.done("users.upsert", user_id=int(name))
    barrier = threading.Barrier(2)

    def run(place: int) -> list[Document]:
        answers = []
        for number in range(ROUNDS):
            barrier.wait(DEADLINE_S)
            answers.append(_insistent(parts[place], names[place], 1_000 + number))
        return answers

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run, range(2), timeout=300))
    for number in range(ROUNDS):
        codes = sorted(found[place][number]["code"] for place in range(2))
        assert codes == ["applied", "telegram_id_taken"]
    assert len(owners(parts, 1_000 + ROUNDS - 1)) == 1


def _insistent(part: Part, user: str, telegram_id: int) -> Document:
    for _ in range(1_000):
        try:
            return give(part, user, telegram_id)
        except TransientFault:
            pass
    raise AssertionError("not settled")


def test_a_job_by_telegram_id_is_for_the_shard_of_its_user(parts: list[Part]) -> None:
    (first, second), (one, _) = parts, users(parts)
    give(first, one, 501)
    assert telegram_ids.buckets_of(second.engine, second.shard, [501, 502]) == {501: bucket_of(f"user:{one}")}
    with pytest.raises(WrongShard, match="telegram id 501 is a user's of shard 0, and this is shard 1"):
        second.done("users.update_balance", telegram_id=501, amount_kopeks=5)
    assert first.done("users.update_balance", telegram_id=501, amount_kopeks=5)
    [nobody] = second.apply(job("users.update_balance", telegram_id=502, amount_kopeks=5))
    assert nobody["code"] == "user_not_found"
