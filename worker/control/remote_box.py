"""Where remote control comes in: any command of any shape is answered or dropped with a line, and ends nothing.

Celery's own lets some of them end the worker, and closes its box for a moment after others, so that what comes then is
lost. Nor is a broadcast signed: where the broker is not trusted, because producers are named, workers answer questions
and do nothing that it says (BALANCE_REMOTE_COMMANDS).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import structlog
from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from celery.worker.control import Panel
from celery.worker.pidbox import Pidbox
from kombu.exceptions import OperationalError

from tasks.reminder import Reminder
from worker.brokers.retrying import ONCE_MORE
from worker.control.remote import Refusal
from worker.encoding.names import is_name
from worker.settings.settings import Settings

_LOG: Final = structlog.get_logger(__name__)
_HARMLESS: Final = frozenset({"enable_events", "heartbeat"})  # called commands, and sent by every monitor
_NOT_OBEYED: Final = (
    "not obeyed: remote control is not signed, and BALANCE_PRODUCERS names whom to trust; "
    "set BALANCE_REMOTE_COMMANDS=on where nobody else can publish to the broker"
)


class RemoteControl(bootsteps.StartStopStep):
    """In the place of Celery's step."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **options: Any) -> None:
        self._box = _Box(consumer)
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:
        self._box.start(consumer)

    def stop(self, consumer: Any) -> None:
        self._box.stop(consumer)

    def shutdown(self, consumer: Any) -> None:
        self._box.shutdown(consumer)


class _Box(Pidbox):
    c: Any
    node: Any
    consumer: Any

    def __init__(self, consumer: Any) -> None:
        super().__init__(consumer)
        self.node.handlers = _handlers(consumer.app.runtime.settings)
        self.node.reply = self._reply
        self.node.adjust_clock = lambda _clock: None  # whoever reaches the broker could set it to any number
        self._reminder = Reminder()

    def start(self, c: Any) -> None:
        super().start(c)
        self.consumer.on_decode_error = self.on_decode_error

    def on_message(self, body: Any, message: Any) -> None:
        if not _is_command(body):
            self._tell(ValueError("it is no command"), message)
            return
        try:
            self.node.handle_message(body, None)
        except (*self.c.connection_errors, *self.c.connection.channel_errors, OperationalError):
            self.reset()  # the answer could not be sent
        except Exception as error:  # noqa: BLE001 - whatever a command says, the worker goes on
            self._tell(error, message)

    def _reply(self, data: Any, exchange: str, routing_key: str, ticket: str, **_: Any) -> None:
        """Who asked may be gone, and the broker too: the worker goes on."""
        mailbox = self.node.mailbox
        mailbox._publish_reply(
            data, exchange, routing_key, ticket,
            channel=self.node.channel, serializer=mailbox.serializer, retry_policy=ONCE_MORE,
        )  # fmt: skip

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._tell(exc, message)

    def _tell(self, error: Exception, message: Any) -> None:
        if self._reminder.due("remote.not_understood", ""):
            _LOG.warning(
                "remote.not_understood", error=repr(error)[:200], command=repr(message.body)[:200],
                next="find out who publishes to celery.pidbox; docs/security.md has rights that prevent it",
            )  # fmt: skip


def _handlers(settings: Settings) -> dict[str, Any]:
    """Every command by its name; in the place of those that are not obeyed, what says so."""
    handlers = dict(Panel.data)
    if settings.remote_commands == "off" or (settings.remote_commands == "auto" and settings.producers is not None):
        told = Refusal(_NOT_OBEYED)
        for name, about in Panel.meta.items():
            if about.type == "control" and name not in _HARMLESS:
                handlers[name] = told
    return handlers


def _is_command(body: Any) -> bool:
    """What `celery control` and `inspect` send; of `arguments` each command makes what it can."""
    if not isinstance(body, Mapping) or not is_name(body.get("method")):
        return False
    answer = body.get("reply_to")
    return (
        isinstance(body.get("arguments") or {}, Mapping)
        and isinstance(body.get("destination") or [], (list, str))
        and (not answer or (isinstance(answer, Mapping) and all(map(is_name, map(answer.get, _ANSWERED_TO)))))
    )


_ANSWERED_TO: Final = ("exchange", "routing_key")
