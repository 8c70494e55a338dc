"""The queues that publishers and workers share. Loads nothing heavy: the producer's client imports it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import UUID
from zlib import crc32

from models.domain.sharding.buckets import BUCKETS, bucket_of_id

BALANCE: Final = "balance"
"""Money jobs: one at a time, in order."""
IO: Final = "balance.io"
"""Work that waits for others, and the scheduled scans."""
PARTITIONS_MAX: Final = 256
_BY_ID: Final = "id:"
QueueType = Literal["quorum", "classic"]
_QUORUM: Final[Mapping[str, Any]] = {"x-queue-type": "quorum"}
_CLASSIC: Final[Mapping[str, Any]] = {}
_LIMITS_SINCE: Final = 4  # the first RabbitMQ that limits deliveries by itself


def partition_of(account: str, partitions: int) -> int:
    """The number of an account's partition, 0 to `partitions` - 1. `account` is wallet:w_1, user:42 or app:APP/STORE.

    CRC-32 (that of zip and gzip) of its UTF-8 text, modulo `partitions`: every language has it. Never to be changed:
    another hash would send the next jobs of an account past those that wait. Vectors: docs/publishing.md
    """
    return crc32(account.encode()) % partitions


def partition_queue(queue: str, partition: int) -> str:
    """The queue of a partition: balance.3"""
    return f"{queue}.{partition}"


def partition_queues(queue: str, partitions: int) -> list[str]:
    """The queues of all partitions, partition 0 first."""
    return [partition_queue(queue, partition) for partition in range(partitions)]


def known_by_id(job_id: UUID) -> str:
    """What stands in the place of an account's name for a job that names another one, or what it made: id:0197…"""
    return f"{_BY_ID}{job_id}"


def placed(account: str | None, partitions: int) -> int | None:
    """The partition of a job. `account`: wallet:w_1, id:0197… (see `known_by_id`), or None when it is not known.

    None: no partition. Nor is there one for an id where the partitions do not divide the buckets that ids carry.
    """
    if account is None or not partitions:
        return None
    if not account.startswith(_BY_ID):
        return partition_of(account, partitions)
    return None if BUCKETS % partitions else bucket_of_id(UUID(account[len(_BY_ID) :])) % partitions


def queue_of(account: str | None, queue: str, partitions: int) -> str:
    """Where a job is published: its partition, or `queue` where it has none."""
    partition = placed(account, partitions)
    return queue if partition is None else partition_queue(queue, partition)


def queue_arguments(
    broker_url: str, *, partition: bool = False, queue_type: QueueType = "quorum"
) -> dict[str, Any] | None:
    """How a queue is declared that is not there yet on this broker, less what `undropped` adds.

    RabbitMQ: a quorum queue, which survives the loss of a node and of power; a partition has one consumer at a time.
    A classic queue is what other publishers make, so it says nothing more. Redis has no such choice: None.
    """
    if not broker_url.startswith("amqp"):
        return None
    if partition:
        return {**_QUORUM, "x-single-active-consumer": True}
    return dict(_QUORUM if queue_type == "quorum" else _CLASSIC)


def accepted(wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The arguments with which a durable queue may have been declared that is there already, the wanted ones first.

    Whoever publishes first may have made it. Of a partition there is one way: any other would break the order.
    """
    if "x-single-active-consumer" in wanted:
        return [dict(wanted)]
    return [dict(wanted), *(dict(each) for each in (_QUORUM, _CLASSIC) if each != wanted)]


def undropped(arguments: dict[str, Any] | None, server: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The arguments for this server, given its properties, such that it drops no message for having come often.

    RabbitMQ 4 drops a message of a quorum queue after 20 deliveries unless the queue says -1. RabbitMQ 3 has no such
    limit, and takes -1 for none at all.
    """
    if not arguments or not server or server.get("product") != "RabbitMQ":
        return arguments
    major = str(server.get("version", "")).partition(".")[0]
    return {**arguments, "x-delivery-limit": -1} if major.isdecimal() and int(major) >= _LIMITS_SINCE else arguments
