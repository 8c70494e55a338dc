"""RabbitMQ against docs/guarantees.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import uuid4

from amqp.basic_message import Message

from worker.brokers.locked_out import MEANING, has_exchange, remedy
from worker.brokers.queues import arguments_of, declare
from worker.brokers.refusals import TakesNothing, next_step
from worker.doctor.brokers.management import Management
from worker.doctor.finding import Finding, failure, ok, warning
from worker.doctor.steps import examined
from worker.encoding.urls import mask_url
from worker.settings.settings import Settings

_NOT_FOUND: Final = 404
_LOSSLESS: Final = (4, 0, 1)  # before it, a message that was dead-lettered twice could be dropped
_TOO_NEW: Final = (4, 3, 0)  # refuses the transient queues of Celery 5.6
_LIMITED: Final = (4, 0, 0)  # from here on a quorum queue drops after 20 deliveries
_THROWING: Final = ("message-ttl", "max-length", "max-length-bytes", "expires")
_REPLICAS_MIN: Final = 3


def examine(connection: Any, settings: Settings) -> Iterator[Finding]:
    """Declares what is there already once more, as workers do: RabbitMQ changes nothing and says what differs."""
    properties = connection.connection.server_properties
    version = tuple(int(number) for number in re.findall("[0-9]+", str(properties.get("version")))[:3])
    there: dict[str, dict[str, Any]] = {}  # the arguments that queues have, once they have been looked at
    management = Management(settings.broker_url, settings.tls.ca)
    yield from examined(
        ("broker.version", lambda: _version(version)),
        ("broker.confirms", lambda: _confirms(properties)),
        ("broker.queues", lambda: _queues(connection, settings, there)),
        ("broker.management", lambda: _more(connection, management, there, version, settings)),
        ("broker.publishing", lambda: _taking(connection, settings)),  # last: the connection may not survive it
    )


def _queues(connection: Any, settings: Settings, there: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    waiting = 0
    for queue in (settings.queue, settings.tick_queue, *settings.partition_queues):
        try:
            size = _size(connection, queue)
            if size is None:
                yield _missing(queue, settings)
                continue
            waiting += size
            there[queue] = {}
            wanted = arguments_of(queue, settings) or {}
            _, there[queue] = declare(connection.connection, queue, wanted)
            yield _declared(queue, there[queue], wanted)
        except connection.channel_errors as error:
            yield _unusable(queue, error, settings)
    yield ok("broker.backlog", f"{waiting} waiting")


def _more(
    connection: Any, management: Management, there: Mapping[str, Any], version: tuple[int, ...], settings: Settings
) -> Iterator[Finding]:
    unseen = management.unreachable()
    yield from _locked_out(connection, None if unseen else management, there, settings)
    yield from _managed(management, unseen, there, version)


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


def _taking(connection: Any, settings: Settings) -> Finding:
    """Whether it takes a message at all: one to a queue that goes with the connection."""
    check = "broker.publishing"
    try:
        channel = connection.channel()
        queue = channel.queue_declare(f"{settings.queue}.doctor.{uuid4()}", exclusive=True).queue
        channel.basic_publish_confirm(Message(b""), routing_key=queue)
    except TakesNothing as error:
        return failure(
            check, str(error), "Nobody can publish a job, an answer or an event. Workers apply what is in the queues.",
            next_step(error, settings.broker_url),
        )  # fmt: skip
    except connection.channel_errors as error:
        return failure(
            check, str(error), "Workers with this user cannot be asked, nor send answers and events.",
            next_step(error, settings.broker_url),
        )  # fmt: skip
    return ok(check, "takes messages")


def _missing(queue: str, settings: Settings) -> Finding:
    return warning(
        f"broker.queue.{queue}", "not there yet", "Nothing was published to it and no worker has served it.",
        f"start the workers: they declare it as it must be. If they run, see that "
        f"{mask_url(settings.broker_url)} is the one that they have, with the same virtual host",
    )  # fmt: skip


def _declared(queue: str, arguments: dict[str, Any], wanted: dict[str, Any]) -> Finding:
    check = f"broker.queue.{queue}"
    said = arguments or {"x-queue-type": "classic"}
    found = "durable, " + ", ".join(f"{key} {value}" for key, value in said.items())
    if arguments or not wanted:
        return ok(check, found)
    return warning(
        check, found,
        "A publisher made it. It is on one node: its jobs wait while that is away, and are lost with its disk.",
        f"to replicate it let publishers declare it no longer (docs/publishing.md), stop them and the workers, and run "
        f"`balance-worker remake-queue {queue}`; to keep it set BALANCE_RABBITMQ_QUEUE_TYPE=classic",
    )  # fmt: skip


def _unusable(queue: str, error: Any, settings: Settings) -> Finding:
    return failure(
        f"broker.queue.{queue}", str(getattr(error, "reply_text", error)),
        "Workers leave it alone (`queue.unusable` in their log): it may drop jobs or change their order, or they are "
        "not let near it. What is in it waits; they go on by themselves when this is mended.",
        next_step(error, settings.broker_url, queue),
    )  # fmt: skip


def _locked_out(
    connection: Any, management: Management | None, there: Mapping[str, Any], settings: Settings
) -> Iterator[Finding]:
    """A publisher of Celery's that declares the queue makes an exchange of that name first, then fails at the queue."""
    queue = settings.queue
    if not there.get(queue) or not has_exchange(connection, queue) or (management and management.feeds(queue, queue)):
        return
    yield warning("broker.publishers", f"there is an exchange {queue}", MEANING, remedy(queue))


def _managed(management: Management, unseen: str, queues: Iterable[str], version: tuple[int, ...]) -> Iterator[Finding]:
    """What the broker's protocol does not tell."""
    if unseen:
        yield warning(
            "broker.policies", f"not visible: {unseen}",
            "Whether a policy throws jobs away cannot be seen from here. RabbitMQ 4 does after 20 deliveries.",
            "compare `rabbitmqctl list_policies -p VHOST` with docs/deployment.md, RabbitMQ; or let doctor see it: "
            "rabbitmq-plugins enable rabbitmq_management, and the tag `monitoring` for this user",
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
