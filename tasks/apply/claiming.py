"""Keys across shards: claimed before the transaction that uses them. docs/decisions/0029."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from models.batch.decided import answer_again
from models.batch.outcome import StoredOutcome
from models.batch.records import Identity
from models.domain.accounts import AccountKey
from models.domain.deciding.commands import SYSTEM_PRODUCER, Job
from models.domain.errors import KeyElsewhere, WrongShard
from models.domain.outcome import Refusal
from models.domain.sharding.place import bucket_named
from models.domain.sharding.shard import Shard
from models.store.write.shards import keys


def claim(engine: Engine, jobs: Sequence[Job], shard: Shard) -> dict[int, StoredOutcome]:
    """The answers, by place, of jobs whose keys stand for a job of another shard. The keys of all others are this
    shard's now, for ever.

    Raises WrongShard for a job about an account of another shard, and KeyElsewhere for one whose key another shard has
    claimed and not settled: it may come to, so that the key may not be used here.
    """
    wanted: dict[Identity, int] = {}
    for job in jobs:
        bucket = bucket_named(job)
        if not shard.has(bucket) and not isinstance(job.command, Refusal) and isinstance(job.command.target, AccountKey):
            raise WrongShard(str(job.command.target), shard.of(bucket), shard.number)
        # A key of ours is about one account: it is made of what only that account has.
        if job.producer != SYSTEM_PRODUCER:
            wanted.setdefault((job.producer, job.key), shard.nearest(bucket))
    elsewhere = keys.claim(engine, shard, wanted) if wanted else {}
    if not elsewhere:
        return {}
    of_shards: dict[int, list[Identity]] = {}
    for identity, bucket in elsewhere.items():
        of_shards.setdefault(shard.of(bucket), []).append(identity)
    known = {}
    for number, identities in sorted(of_shards.items()):
        known |= keys.settled(engine, shard, number, identities)
        for identity in identities:
            if identity not in known:
                raise KeyElsewhere(*identity, number)
    return {
        place: answer_again(job, known[job.producer, job.key])
        for place, job in enumerate(jobs)
        if (job.producer, job.key) in known
    }
