"""The queues that publishers and workers share. Loads nothing heavy: the producer's client imports it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal
from zlib import crc32

BALANCE: Final = "balance"
"""Money jobs: one at a time, in order."""
IO: Final = "balance.io"
"""Work that waits for others, and the scheduled scans."""
LANES_MAX: Final = 256
QueueType = Literal["quorum", "classic"]
_QUORUM: Final[Mapping[str, Any]] = {"x-queue-type": "quorum"}
_CLASSIC: Final[Mapping[str, Any]] = {}
_LIMITS_SINCE: Final = 4  # the first RabbitMQ that limits deliveries by itself


def lane_of(account: str, lanes: int) -> int:
    """The number of an account's lane, 0 to `lanes` - 1. `account` is wallet:w_1, user:42 or app:APP/STORE.

    CRC-32 (that of zip and gzip) of its UTF-8 text, modulo `lanes`: every language has it. Never to be changed: another
    hash would send the next jobs of an account past those that wait. Vectors: docs/publishing.md
    """
    return crc32(account.encode()) % lanes


def lane_queue(queue: str, lane: int) -> str:
    """The queue of a lane: balance.3"""
    return f"{queue}.{lane}"


def lane_queues(queue: str, lanes: int) -> list[str]:
    """The queues of all lanes, lane 0 first."""
    return [lane_queue(queue, lane) for lane in range(lanes)]


def queue_of(account: str | None, queue: str, lanes: int) -> str:
    """Where a job is published: its account's lane, or the door `queue` when its account is not known or no lanes."""
    return queue if account is None or not lanes else lane_queue(queue, lane_of(account, lanes))


def queue_arguments(broker_url: str, *, lane: bool = False, queue_type: QueueType = "quorum") -> dict[str, Any] | None:
    """How a queue is declared that is not there yet on this broker, less what `undropped` adds.

    RabbitMQ: a quorum queue, which survives the loss of a node and of power; a lane is given to one consumer at a time.
    A classic queue is what other publishers make, so it says nothing more. Redis has no such choice: None.
    """
    if not broker_url.startswith("amqp"):
        return None
    if lane:
        return {**_QUORUM, "x-single-active-consumer": True}
    return dict(_QUORUM if queue_type == "quorum" else _CLASSIC)


def accepted(wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The arguments with which a durable queue may have been declared that is there already, the wanted ones first.

    Whoever publishes first may have made it. Of a lane there is one way: any other would break the order.
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
