"""Which shard a job is for, and where a job of another shard goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from balance_client.routing import partition_queue
from models.contracts.message import Malformed
from models.contracts.wire.travel import FORWARDED
from models.domain.deciding.commands import Job, TelegramUser
from models.domain.outcome import Refusal
from models.domain.sharding.place import bucket_named, bucket_of_target, bucket_of_telegram
from models.domain.sharding.shard import Shard
from worker.settings.settings import Settings

_HOPS_MAX: Final = 3  # one is enough where all workers agree
_LOOP: Final = (
    "it was sent on {hops} times and came to shard {shard} all the same, though it is of shard {wanted}: give all "
    "workers the same BALANCE_PARTITIONS and the same number of shards in BALANCE_SHARD, then replay this letter"
)


def shard_of(job: Job, shard: Shard) -> int | None:
    """The number of the shard that a job is for, of as many as `shard` is one of. None: it does not say. A user who is
    named by a telegram id is looked up (below); an endpoint of webhooks is added where it is asked for."""
    target = None if isinstance(job.command, Refusal) else job.command.target
    if target is not None and bucket_of_target(target) is None:
        return None
    return shard.of(bucket_named(job))


def queue_elsewhere(job: Job, headers: dict[str, Any], settings: Settings) -> str | None:
    """The queue that a job is sent on to; None: it is applied here. Raises Malformed for one that comes in circles."""
    shard = settings.shard
    if shard is None:
        return None
    wanted = shard_of(job, shard)
    if wanted is None or wanted == shard.number:
        return None
    return _queue_of(bucket_named(job), shard, headers, settings)


def telegram_ids_named(jobs: Iterable[Job]) -> set[int]:
    """The telegram ids by which jobs name their users."""
    targets = (None if isinstance(job.command, Refusal) else job.command.target for job in jobs)
    return {target.telegram_id for target in targets if isinstance(target, TelegramUser)}


def queue_of_telegram_user(
    job: Job, headers: dict[str, Any], settings: Settings, buckets: Mapping[int, int]
) -> str | None:
    """As `queue_elsewhere`, for a user named by telegram id. `buckets`: where those are whom anybody has made."""
    shard, target = settings.shard, None if isinstance(job.command, Refusal) else job.command.target
    if shard is None or not isinstance(target, TelegramUser):
        return None
    bucket = buckets.get(target.telegram_id, bucket_of_telegram(target.telegram_id))
    return None if shard.has(bucket) else _queue_of(bucket, shard, headers, settings)


def _queue_of(bucket: int, shard: Shard, headers: dict[str, Any], settings: Settings) -> str:
    if (hops := hops_of(headers)) >= _HOPS_MAX:
        raise Malformed("misrouted", _LOOP.format(hops=hops, shard=shard, wanted=f"{shard.of(bucket)}/{shard.count}"))
    return partition_queue(settings.queue, bucket % settings.partitions)


def hops_of(headers: dict[str, Any]) -> int:
    """How often a message has been sent on. What is no number was written by nobody of ours: the loop ends."""
    hops = headers.get(FORWARDED, 0)
    return hops if isinstance(hops, int) and hops >= 0 else _HOPS_MAX
