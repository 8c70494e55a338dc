"""A money message as Celery, its commands and Flower know it: a request that Celery itself may not throw away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from celery.utils.functional import noop
from celery.worker.request import Request

from models.contracts.message import Malformed
from models.domain.accounts import AccountKey
from models.domain.deciding.commands import Job

if TYPE_CHECKING:
    from worker.tracing.tracer import Span

_SHOWN_MAX: Final = 1_024  # characters of a header that is shown
_NAME_MAX: Final = 255
_NEVER: Final = "a money job is settled by its batch: docs/architecture.md, the path"


class MoneyRequest(Request):
    """What watches and answers a message reads of it. Whether a job is still wanted is decided where it is recorded.

    Made for each message, and so made of what is read: Celery's own would copy all headers, look at times and time
    limits that a money job may not have, and gather what only a task that is run needs. Of the headers of a message it
    knows no others than these; the rest asks Celery for what it may not do here: wait, expire, kill, count a chord,
    call back, write the results of other tasks.
    """

    asked: Job | Malformed  # what the message was understood as
    traceparent: str | None = None  # of the trace that the job is part of: its own span's, where it has one
    span: Span | None = None

    _eta = _expires = _content_type = _content_encoding = None
    _argsrepr = _kwargsrepr = "()"
    _decoded = _utc = True
    _on_ack = _on_reject = staticmethod(noop)

    def __init__(
        self, message: Any, app: Any, consumer: Any, eventer: Any, task: Any, *, task_id: str, name: str,
        headers: Mapping[str, Any], content: Any,
    ) -> None:  # fmt: skip
        """`headers`: what the message says, whatever it is; `content`: its [args, kwargs, embed]."""
        self._message, self._app, self._eventer, self._task = message, app, eventer, task
        self._hostname, self._connection_errors = consumer.hostname, consumer.connection_errors
        self.id = task_id
        self._type = self.name = name[:_NAME_MAX]  # type: ignore[misc]  # a slot, which the stubs call read-only
        self._args, self._kwargs, _ = self._body = content
        self._root_id, self._parent_id = _shown(headers, "root_id"), _shown(headers, "parent_id")
        self._ignore_result = headers.get("ignore_result") is True

    @property
    def reply_to(self) -> Any:
        return self._properties.get("reply_to")

    @property
    def correlation_id(self) -> str:
        """What an answer is found by."""
        return self.id

    @property
    def delivery_info(self) -> Any:
        taken = self._message.delivery_info or {}
        return {
            "exchange": taken.get("exchange"),
            "routing_key": taken.get("routing_key"),
            "priority": self._properties.get("priority"),
            "redelivered": taken.get("redelivered", False),
        }

    @property
    def _request_dict(self) -> dict[str, Any]:
        return {
            "id": self.id, "task": self.name, "root_id": self._root_id, "parent_id": self._parent_id,
            "ignore_result": self._ignore_result, "reply_to": self.reply_to, "correlation_id": self.correlation_id,
            "hostname": self._hostname, "delivery_info": self.delivery_info,
        }  # fmt: skip

    @property
    def argsrepr(self) -> str:
        return "()"

    @property
    def kwargsrepr(self) -> str:
        """Whose job it is, about which account: what Flower may show and look for. Arguments are for the ledger alone,
        whichever client has sent them."""
        if isinstance(self.asked, Malformed):
            return f"not a job: {self.asked.reason}"
        target = getattr(self.asked.command, "target", None)  # none where it is refused for its arguments
        account = {"account": str(target)} if isinstance(target, AccountKey) else {}
        return repr({**account, "producer": self.asked.producer, "key": self.asked.key})  # in which Flower can search

    def info(self, safe: bool = False) -> Any:
        """What `celery inspect active` says."""
        return {**super().info(safe=True), "args": self.argsrepr, "kwargs": self.kwargsrepr}

    def revoked(self) -> bool:
        return False

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Not at all: no process works on it alone, and a job in hand is applied or rolled back as a whole."""

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """The same."""

    def execute(self, *_: Any, **__: Any) -> Any:
        raise TypeError(_NEVER)

    def execute_using_pool(self, *_: Any, **__: Any) -> Any:
        raise TypeError(_NEVER)

    @property
    def _properties(self) -> Mapping[str, Any]:
        properties: Mapping[str, Any] = self._message.properties or {}
        return properties


def _shown(headers: Mapping[str, Any], name: str) -> str | None:
    text = headers.get(name)
    return text[:_SHOWN_MAX] if isinstance(text, str) else None
