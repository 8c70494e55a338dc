"""Where a job belongs: the bucket of the account that it is about, as far as the job itself says."""

from __future__ import annotations

from uuid import UUID
from zlib import crc32

from models.domain.accounts import Account, AccountKey
from models.domain.deciding.commands import EntryOfJob, Job, TelegramUser
from models.domain.deciding.top_up_commands import ChargeOf
from models.domain.deciding.webhook_commands import EndpointOf
from models.domain.outcome import Refusal
from models.domain.sharding.buckets import BUCKETS, bucket_of_id
from models.domain.sharding.shard import Shard


def bucket_of_account(key: AccountKey) -> int:
    """`bucket_of` of the account's name, put together without looking at either part: every job asks for it."""
    return crc32((key.kind + ":" + key.ref).encode()) % BUCKETS


def bucket_of_key(producer: str, key: str) -> int:
    """The bucket of an idempotency key: what is said of the key itself is there, whatever account it is used for."""
    return crc32(f"{producer}\0{key}".encode()) % BUCKETS


def bucket_of_telegram(telegram_id: int) -> int:
    """The bucket of a telegram id: who has it is said there, whatever bucket that user is in."""
    return telegram_id % BUCKETS


def bucket_of_target(target: object) -> int | None:
    """The bucket of a command's target. None: it names no account, or one that has to be looked up.

    An account is in the bucket of its name. What a job made, another job names by an id, which carries the bucket.
    """
    match target:
        case AccountKey():
            return bucket_of_account(target)
        case EntryOfJob(known) | ChargeOf(known) | EndpointOf(UUID() as known):
            return bucket_of_id(known)
        case _:
            return None


def bucket_named(job: Job) -> int:
    """The bucket that a job says it is in, before its account is known. Of a job that says nothing of an account, or
    nothing that can be understood, it is its key's: the same for each of its deliveries."""
    target = None if isinstance(job.command, Refusal) else job.command.target
    if isinstance(target, TelegramUser):
        return bucket_of_telegram(target.telegram_id)
    bucket = bucket_of_target(target)
    return bucket_of_key(job.producer, job.key) if bucket is None else bucket


def bucket_of_job(job: Job, account: Account | None, shard: Shard | None) -> int:
    """The bucket that the job's id carries. `account`: what the job is about, None when there is no such account.

    In a shard it is one of the shard's own, so that by its id a job is found where it is kept: what names no account
    may be answered in any shard.
    """
    if account is not None:
        return bucket_of_account(account.key)
    named = bucket_named(job)
    return named if shard is None else shard.nearest(named)
