"""RabbitMQ against docs/guarantees.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tasks.queues import queue_arguments, undropped
from worker.checks.finding import Finding, failure, ok, warning
from worker.checks.management import Management
from worker.settings import Settings

_NOT_FOUND: Final = 404
_LOSSLESS: Final = (4, 0, 1)  # before it, a message that was dead-lettered twice could be dropped
_TOO_NEW: Final = (4, 3, 0)  # refuses the transient queues of Celery 5.6
_LIMITED: Final = (4, 0, 0)  # from here on a quorum queue drops after 20 deliveries
_THROWING: Final = ("message-ttl", "max-length", "max-length-bytes", "expires")
_REPLICAS_MIN: Final = 3


def examine(connection: Any, settings: Settings) -> Iterator[Finding]:
    """Declares what is there already once more, with our arguments: RabbitMQ changes nothing and says what differs."""
    properties = connection.connection.server_properties
    version = tuple(int(part) for part in str(properties["version"]).split("-")[0].split(".")[:3])
    yield _version(version)
    yield _confirms(properties)
    queues = (settings.queue, settings.io_queue, *settings.lane_queues)
    waiting = 0
    there = []
    for queue in queues:
        size = _size(connection, queue)
        if size is None:
            yield warning(
                f"broker.queue.{queue}", "not there yet", "Nothing was published to it and no worker has served it.",
                "start the workers: they declare it as it must be",
            )  # fmt: skip
            continue
        waiting += size
        there.append(queue)
        ours = queue_arguments(settings.broker_url, lane=queue in settings.lane_queues)
        yield _declared(connection, queue, undropped(ours, properties))
    yield ok("broker.backlog", f"{waiting} waiting")
    yield from _managed(Management(settings.broker_url, settings.tls.ca), there, version)


def _version(version: tuple[int, ...]) -> Finding:
    found = "RabbitMQ " + ".".join(map(str, version))
    if _LOSSLESS <= version < _TOO_NEW:
        return ok("broker.version", found)
    if version >= _TOO_NEW:
        return failure(
            "broker.version", found, "It refuses the queues that Celery 5.6 makes for remote control and for Flower.",
            "use RabbitMQ 4.0.1 to 4.2",
        )  # fmt: skip
    return warning(
        "broker.version", found, "Before 4.0.1 a message that was dead-lettered twice could be dropped.",
        "use RabbitMQ 4.0.1 to 4.2",
    )  # fmt: skip


def _confirms(properties: dict[str, Any]) -> Finding:
    if properties.get("capabilities", {}).get("publisher_confirms"):
        return ok("broker.confirms", "publisher confirms are offered")
    return failure(
        "broker.confirms", "no publisher confirms", "Publishers cannot know whether a job was accepted.",
        "connect to RabbitMQ itself",
    )  # fmt: skip


def _size(connection: Any, queue: str) -> int | None:
    """Messages that are ready; None when there is no such queue."""
    channel = connection.channel()
    try:
        size: int = channel.queue_declare(queue, passive=True).message_count
    except connection.channel_errors as error:
        if getattr(error, "code", None) != _NOT_FOUND:
            raise
        return None
    channel.close()
    return size


def _declared(connection: Any, queue: str, arguments: dict[str, Any] | None) -> Finding:
    channel = connection.channel()
    try:
        channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
    except connection.channel_errors as error:
        return failure(
            f"broker.queue.{queue}", str(getattr(error, "reply_text", error)),
            "It was declared otherwise than by us: a queue that is not durable and replicated loses jobs with its "
            "node, and workers cannot declare it.",
            "stop the publishers, let the workers empty it or move the messages (shovel), delete it, start a worker",
        )  # fmt: skip
    channel.close()
    return ok(
        f"broker.queue.{queue}", "durable, " + ", ".join(f"{key} {value}" for key, value in (arguments or {}).items())
    )


def _managed(management: Management, queues: list[str], version: tuple[int, ...]) -> Iterator[Finding]:
    """What the broker's protocol does not tell."""
    unseen = management.unreachable()
    if unseen:
        yield warning(
            "broker.policies", f"not visible: {unseen}",
            "Whether a policy throws jobs away cannot be seen from here. RabbitMQ 4 does after 20 deliveries.",
            "compare `rabbitmqctl list_policies` with docs/deployment.md, RabbitMQ",
        )  # fmt: skip
        return
    for queue in queues:
        described = management.queue(queue)
        if described is not None:
            yield _policies(queue, described, version)
            yield _replicas(queue, described)
    for node in management.nodes():
        alarms = [name for name in ("mem_alarm", "disk_free_alarm") if node.get(name)]
        if alarms:
            yield failure(
                f"broker.alarms.{node['name']}", ", ".join(alarms), "RabbitMQ has stopped taking jobs.",
                "free memory or disk space on that node",
            )  # fmt: skip


def _policies(queue: str, described: dict[str, Any], version: tuple[int, ...]) -> Finding:
    check = f"broker.policies.{queue}"
    policy = dict(described.get("effective_policy_definition") or {})
    given = {key.removeprefix("x-"): value for key, value in described.get("arguments", {}).items()}
    rules = {**given, **policy}
    # With reject-publish a full queue refuses, and the publisher is told.
    bounds = [rule for rule in _THROWING if rule in rules]
    if rules.get("overflow") == "reject-publish":
        bounds = [rule for rule in bounds if not rule.startswith("max-")]
    if bounds:
        return failure(
            check, ", ".join(f"{rule} {rules[rule]}" for rule in bounds), "The broker throws accepted jobs away.",
            "remove it from the policy; to bound a queue set overflow reject-publish with it",
        )  # fmt: skip
    limit = rules.get("delivery-limit", 20 if version >= _LIMITED else -1)
    if int(limit) >= 0 and "dead-letter-exchange" not in rules:
        return failure(
            check, f"delivery-limit {limit}",
            "A job that was delivered that often, to workers that were killed say, is thrown away.",
            "take delivery-limit out of the policy; a queue declared by workers has none",
        )  # fmt: skip
    return ok(check, "throws nothing away")


def _replicas(queue: str, described: dict[str, Any]) -> Finding:
    members = len(described.get("members") or [described["node"]])
    check = f"broker.replicas.{queue}"
    if members >= _REPLICAS_MIN:
        return ok(check, f"{members} nodes")
    return warning(
        check, f"{members} node{'s' * (members > 1)}",
        "The jobs are lost with the disk of that node." if members == 1 else "Both nodes are needed to go on.",
        f"run {_REPLICAS_MIN} nodes and grow the queue: rabbitmq-queues grow <node> all",
    )  # fmt: skip
