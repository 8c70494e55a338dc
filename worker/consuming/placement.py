"""Which shard a job is for, and where a job of another shard goes."""

from __future__ import annotations

from typing import Any, Final

from balance_client.routing import partition_queue
from models.contracts.message import Malformed
from models.contracts.wire.travel import FORWARDED
from models.domain.deciding.commands import Job
from models.domain.sharding.place import bucket_of_target
from models.domain.sharding.shard import Shard
from worker.settings.settings import Settings

_HOPS_MAX: Final = 3  # one is enough where all workers agree
_LOOP: Final = (
    "it was sent on {hops} times and came to shard {shard} all the same, though it is of shard {wanted}: give all "
    "workers the same BALANCE_PARTITIONS and the same number of shards in BALANCE_SHARD, then replay this letter"
)


def shard_of(job: Job, shard: Shard) -> int | None:
    """The number of the shard that a job is for, of as many as `shard` is one of. None: it can be applied in any, as
    it names no account, or does not say which."""
    bucket = bucket_of_target(getattr(job.command, "target", None))  # none where it is refused for its arguments
    return None if bucket is None else shard.of(bucket)


def queue_elsewhere(job: Job, headers: dict[str, Any], settings: Settings) -> str | None:
    """The queue that a job is sent on to; None: it is applied here. Raises Malformed for one that comes in circles."""
    shard = settings.shard
    if shard is None:
        return None
    wanted = shard_of(job, shard)
    if wanted is None or wanted == shard.number:
        return None
    if (hops := hops_of(headers)) >= _HOPS_MAX:
        raise Malformed("misrouted", _LOOP.format(hops=hops, shard=shard, wanted=f"{wanted}/{shard.count}"))
    bucket = bucket_of_target(getattr(job.command, "target", None))
    # Without an account's name (looked up) any partition of its shard will do.
    return partition_queue(settings.queue, wanted if bucket is None else bucket % settings.partitions)


def hops_of(headers: dict[str, Any]) -> int:
    """How often a message has been sent on. What is no number was written by nobody of ours: the loop ends."""
    hops = headers.get(FORWARDED, 0)
    return hops if isinstance(hops, int) and hops >= 0 else _HOPS_MAX
