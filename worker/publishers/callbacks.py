"""What a publisher asked Celery to do next: callbacks, the rest of a chain, and who hears of a message that was parked.

Celery itself makes the messages, so that they are what any other worker of Celery's would send. They are made once
before the job is applied, to see that they can be: what cannot be carried out is parked then, with the reason.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from celery import Celery, signature

from balance_client.publishing.links import RawMessage
from models.contracts.catalogue import CATALOGUE
from models.contracts.message import Malformed
from worker.encoding.names import is_name, may_be_theirs
from worker.encoding.serialization import dumps

Signature = dict[str, Any]
"""A task to be called, as Celery writes it into messages."""

_PRIORITY_MAX: Final = 255
_CHORD: Final = (
    "chords are not carried out here: a chord counts its members, and a job that is delivered twice would count twice; "
    "publish the jobs in a group and ask for their outcomes by key"
)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A message of the publisher's own, on its way to the queue that it names."""

    queue: str
    task: str
    task_id: str
    message: RawMessage


@dataclass(frozen=True, slots=True)
class Links:
    """The links of one message. `chain` is what is left of it, the next link last."""

    callbacks: tuple[Signature, ...] = ()
    chain: tuple[Signature, ...] = ()
    errbacks: tuple[Signature, ...] = ()

    @classmethod
    def of(cls, embed: dict[str, Any], money_queues: frozenset[str], own_queues: frozenset[str]) -> Links:
        """The links in Celery's own part of a body. Raises Malformed for what could not be sent later."""
        if embed.get("chord"):
            raise Malformed("chord", _CHORD)
        if not any(embed.values()):
            return NO_LINKS
        links = cls(*(_listed(embed, name) for name in ("callbacks", "chain", "errbacks")))
        if links:
            try:
                made = [*links.after_outcome("", "", {}), *links.after_parking("", "")]
            except NotImplementedError as error:  # what Celery says where there is no result backend to count in
                raise Malformed("chord", _CHORD) from error
            except Exception as error:  # a signature may break Celery's code anywhere
                raise Malformed("bad_links", f"its callbacks, chain or errbacks cannot be sent: {error!r}") from error
            for each in made:
                _check_address(each, money_queues, own_queues)
        return links

    def __bool__(self) -> bool:
        """Whether there is anything to send."""
        return bool(self.callbacks or self.chain or self.errbacks)

    def after_outcome(self, task_id: str, root_id: str, document: dict[str, Any]) -> list[FollowUp]:
        """What to send once the job is answered; `document`, the outcome, is their first argument."""
        box = _Outbox()
        for callback in self.callbacks:
            box.call(callback, document, parent_id=task_id, root_id=root_id)
        if self.chain:
            *rest, following = self.chain
            box.call(following, document, chain=rest, parent_id=task_id, root_id=root_id)
        return box.follow_ups

    def after_parking(self, task_id: str, root_id: str) -> list[FollowUp]:
        """What to send once the message is a dead letter; its task id is their first argument."""
        box = _Outbox()
        for errback in self.errbacks:
            box.call(errback, task_id, parent_id=task_id, root_id=root_id)
        return box.follow_ups


NO_LINKS: Final = Links()


class _Outbox:
    """Stands in for a producer where Celery publishes, to learn what it would."""

    def __init__(self) -> None:
        self.follow_ups: list[FollowUp] = []
        self.connection = self

    def _reraise_as_library_errors(self) -> AbstractContextManager[None]:
        return nullcontext()

    def call(self, task: Signature, argument: Any, **options: Any) -> None:
        _APP.outbox = self
        signature({**_BARE, **task}, app=_APP).apply_async((argument,), add_to_parent=False, **options)

    def publish(
        self, body: Any, exchange: Any, routing_key: str, headers: dict[str, Any], correlation_id: str, **options: Any
    ) -> None:
        if exchange:
            raise ValueError(f"{headers['task']} names the exchange {exchange!r}; name a queue instead")
        properties = {"correlation_id": correlation_id}
        properties |= {name: options[name] for name in ("reply_to", "priority") if options.get(name)}
        _check_sendable(routing_key, headers, properties)
        message = RawMessage(dumps(body).encode(), headers, "application/json", "utf-8", properties)
        self.follow_ups.append(FollowUp(routing_key, headers["task"], headers["id"], message))


class _Collecting(Celery):
    """An app that hands what it publishes to an outbox. It knows no queue, and so takes every name for one."""

    outbox: _Outbox

    def send_task(self, *args: Any, **options: Any) -> Any:
        return super().send_task(*args, **{name: options[name] for name in options.keys() - _NOT_THEIRS})

    def producer_or_acquire(self, producer: Any = None) -> Any:
        return nullcontext(self.outbox)


_NOT_THEIRS: Final = frozenset(
    {"producer", "publisher", "connection", "router", "result_cls", "declare", "exchange_type"}
)
"""Arguments of Celery's own that would not arrive in a message as options, unless somebody tries them out."""
_BARE: Final[Signature] = {"args": [], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False}
"""What a signature has in Celery: who writes one in another language may leave it out."""
_NO_QUEUE: Final = "\0none"
_APP: Final = _Collecting("follow-ups", broker="memory://", set_as_current=False)
_APP.conf.task_default_queue = _NO_QUEUE


def _listed(embed: dict[str, Any], name: str) -> tuple[Signature, ...]:
    value = embed.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Malformed("bad_links", f"{name} must be a list of tasks, or null")
    return tuple(value)


def _check_sendable(queue: Any, headers: dict[str, Any], properties: dict[str, Any]) -> None:
    """What both brokers take, so that it is not found out after the job is applied."""
    texts = {"task": headers["task"], "task_id": headers["id"], **properties}
    if queue != _NO_QUEUE:  # which is told in words of its own
        texts["queue"] = queue
    priority = texts.pop("priority", 0)
    wrong = {name: value for name, value in texts.items() if not is_name(value)}
    if not isinstance(priority, int) or not 0 <= priority <= _PRIORITY_MAX:
        wrong["priority"] = priority
    if wrong:
        raise ValueError(f"not to be used: {wrong!r:.200}")
    dumps(headers)


def _check_address(each: FollowUp, money_queues: frozenset[str], own_queues: frozenset[str]) -> None:
    if each.queue == _NO_QUEUE:
        raise Malformed("bad_links", f"{each.task} names no queue; set it: {each.task}.s(…).set(queue=…)")
    if each.queue in money_queues and each.task in CATALOGUE:
        return
    if each.queue in money_queues:
        raise Malformed("bad_links", f"{each.task} is no money job, and {each.queue} takes nothing else; set its queue")
    answers_to = each.message.properties.get("reply_to")
    for queue in (each.queue, *([answers_to] if answers_to else [])):
        if not may_be_theirs(queue, own_queues):
            raise Malformed("bad_links", f"{each.task}: nothing is sent to {queue} for anybody; name a queue of yours")
