"""A shard as its workers have it: an engine whose search_path is its schema, and its accounts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Engine, make_url

from models.batch.outcome import StoredOutcome
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Limits
from models.domain.retry import RetryPolicy
from models.domain.sharding.buckets import bucket_of
from models.domain.sharding.shard import Shard
from models.store.connection.session import make_engine
from tasks.apply.path import apply
from tasks.apply.retries import Failed, RetryingApplier
from tests.support.builders import LIMITS, Document, job, rows

COUNT: Final = 2
_numbers: Final = itertools.count(1)


@dataclass(frozen=True)
class Part:
    url: str
    shard: Shard
    engine: Engine

    @staticmethod
    def of(url: str, number: int) -> Part:
        shard = Shard(number, COUNT)
        own = make_url(url).update_query_dict({"options": f"-csearch_path={shard.schema}"})
        text = own.render_as_string(hide_password=False)
        return Part(text, shard, make_engine(text))

    @property
    def limits(self) -> Limits:
        return replace(LIMITS, shard=self.shard)

    def apply(self, *jobs: Job) -> list[Document]:
        return [outcome.document() for outcome in apply(self.engine, jobs, self.limits)]

    def done(self, name: str, /, **fields: Any) -> Document:
        [document] = self.apply(job(name, **fields))
        assert document["status"] == "applied", document
        return document

    def bear(self, *jobs: Job) -> list[StoredOutcome | Failed]:
        """As a worker applies them, but for the time between attempts."""
        policy = RetryPolicy(base_s=0, cap_s=0)
        return RetryingApplier(self.engine, self.limits, policy, lambda _: None, lambda: 0.5).apply(jobs)

    def settled(self, key: str) -> list[str]:
        """The codes of the jobs that are settled here under this key: one at most."""
        return [row["code"] for row in rows(self.engine, "select code from jobs where idempotency_key = :key", key=key)]

    def account(self, kind: str) -> str:
        """The name of one more account of this shard."""
        return next(name for name in _names() if self.shard.has(bucket_of(f"{kind}:{name}")))


def _names() -> Iterator[str]:
    return (str(number) for number in _numbers)


def wallets(parts: Sequence[Part]) -> list[str]:
    """A wallet in each shard, with nothing in it."""
    names = [part.account("wallet") for part in parts]
    for part, name in zip(parts, names, strict=True):
        part.done("wallets.create", wallet_id=name)
    return names


def top_up(wallet: str, key: str, credits: int = 1, producer: str = "default") -> Job:
    fields = {"credits_to_add": credits, "transaction_reason": "INVOICE_REFUND"}
    return replace(job("wallets.top_up", wallet_id=wallet, idempotency_key=key, **fields), producer=producer)


def assert_nothing_is_in_two_shards(parts: Sequence[Part]) -> None:
    """Keys of settled jobs, and telegram ids of users: each in one shard, which is the one that has claimed it."""
    for what, (of_rows, claims) in _SHARED.items():
        claimed = {row["of_it"]: row["bucket"] for part in parts for row in rows(part.engine, claims)}
        found = [(part.shard, row["of_it"]) for part in parts for row in rows(part.engine, of_rows)]
        assert len(found) == len({of for _, of in found}), f"one {what} in two shards"
        wrong = [(shard, of) for shard, of in found if of not in claimed or not shard.has(claimed[of])]
        assert not wrong, f"{what} that another shard has claimed: {wrong[:5]}"


_SHARED: Final = {
    "key": (
        "select producer || ' ' || idempotency_key as of_it from jobs where producer <> 'balance-worker'",
        "select producer || ' ' || key as of_it, bucket from keys",
    ),
    "telegram id": (
        "select telegram_id as of_it from users where telegram_id is not null",
        "select telegram_id as of_it, bucket from telegram_ids",
    ),
}
