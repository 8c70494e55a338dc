"""What a shard claims before the transaction that uses it: keys, and telegram ids of users. docs/decisions/0029."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field

from sqlalchemy import Engine

from models.batch.decided import answer_again
from models.batch.outcome import StoredOutcome
from models.batch.records import Identity, StoredJob
from models.domain.accounts import AccountKey
from models.domain.deciding.commands import SYSTEM_PRODUCER, Job, TelegramUser, UserUpsert
from models.domain.errors import KeyElsewhere, WrongShard
from models.domain.outcome import Refusal
from models.domain.sharding.place import bucket_named, bucket_of_account
from models.domain.sharding.shard import Shard
from models.domain.value import value
from models.store.write.shards import keys, telegram_ids


@value(frozen=True, slots=True)
class Claimed:
    """What the transaction may use, and what it need not decide."""

    answered: Mapping[int, StoredOutcome] = field(default_factory=dict)  # by place, of keys that are another shard's
    telegram_terms: Mapping[int, int] = field(default_factory=dict)  # by telegram id that users here may be given
    telegram_owners: Mapping[int, AccountKey] = field(default_factory=dict)  # users of other shards, by telegram id


def claim(engine: Engine, jobs: Sequence[Job], shard: Shard) -> Claimed:
    """Claims the keys of these jobs, for ever, and the telegram ids that they give to users, until another shard does.

    Raises WrongShard for a job about an account of another shard, KeyElsewhere for one whose key another shard has
    claimed and not settled: it may come to, so that the key may not be used here. And KeyRace.
    """
    wanted: dict[Identity, int] = {}
    for job in jobs:
        bucket, target = bucket_named(job), None if isinstance(job.command, Refusal) else job.command.target
        if isinstance(target, AccountKey) and not shard.has(bucket):
            raise WrongShard(f"{target} is an account", shard.of(bucket), shard.number)
        # A key of ours is about one account: it is made of what only that account has.
        if job.producer != SYSTEM_PRODUCER:
            wanted.setdefault((job.producer, job.key), shard.nearest(bucket))
    elsewhere = keys.claim(engine, shard, wanted) if wanted else {}
    known = _settled(engine, shard, elsewhere, jobs) if elsewhere else {}
    answered = {
        place: answer_again(job, known[job.producer, job.key])
        for place, job in enumerate(jobs)
        if (job.producer, job.key) in known
    }
    terms, owners = _claim_telegram_ids(engine, shard, [job for place, job in enumerate(jobs) if place not in answered])
    return Claimed(answered, terms, owners)


def _settled(
    engine: Engine, shard: Shard, elsewhere: Mapping[Identity, int], jobs: Sequence[Job]
) -> dict[Identity, StoredJob]:
    """What keys stand for that other shards have claimed, for these buckets."""
    of_shards: dict[int, list[Job]] = {}
    for job in jobs:
        if (bucket := elsewhere.get((job.producer, job.key))) is not None:
            of_shards.setdefault(shard.of(bucket), []).append(job)
    known: dict[Identity, StoredJob] = {}
    for number, asked in sorted(of_shards.items()):
        known |= keys.settled(engine, shard, number, asked)
        for job in asked:
            if (job.producer, job.key) not in known:
                raise KeyElsewhere(job.producer, job.key, number)
    return known


def _claim_telegram_ids(
    engine: Engine, shard: Shard, jobs: Sequence[Job]
) -> tuple[Mapping[int, int], Mapping[int, AccountKey]]:
    given = {
        job.command.changes["telegram_id"]: bucket_of_account(job.command.target)
        for job in jobs
        if isinstance(job.command, UserUpsert) and job.command.changes.get("telegram_id")
    }
    terms, owners = telegram_ids.claim(engine, shard, given) if given else ({}, {})
    targets = [job.command.target for job in jobs if not isinstance(job.command, Refusal)]
    named = {target.telegram_id for target in targets if isinstance(target, TelegramUser)}
    if named := named.difference(terms):
        _check_place(engine, shard, named)
    return terms, owners


def _check_place(engine: Engine, shard: Shard, named: Collection[int]) -> None:
    """Raises WrongShard for a telegram id of another shard's user: a job that names it so is not to find nobody."""
    for telegram_id, bucket in sorted(telegram_ids.buckets_of(engine, shard, named).items()):
        if not shard.has(bucket):
            raise WrongShard(f"telegram id {telegram_id} is a user's", shard.of(bucket), shard.number)
