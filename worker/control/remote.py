"""Remote control of a worker: what `celery control`, and Flower's buttons, may change, and why not the rest.

Celery answers "ok" to all of it: also where nothing comes of it, as with limits for jobs that no pool runs, and where
a misspelt queue is made for the purpose.
"""

from __future__ import annotations

from typing import Any, Final

from celery.worker.control import control_command

Answer = dict[str, str]

_SIZE: Final = (
    "a worker keeps the size that it was started with: the jobs of the money queues are applied one at a time, and "
    "more throughput comes from more workers; start another, or an I/O worker anew with another -c"
)
_LIMIT: Final = (
    "no limit is kept: money jobs are applied when they arrive, in order, within BALANCE_STATEMENT_TIMEOUT_MS, and "
    "ticks come as often as BALANCE_*_EVERY_S says"
)
_REFUSED: Final[dict[str, tuple[str, dict[str, type]]]] = {
    "pool_grow": (_SIZE, {"n": int}),
    "pool_shrink": (_SIZE, {"n": int}),
    "autoscale": (_SIZE, {"max": int, "min": int}),
    "rate_limit": (_LIMIT, {"task_name": str, "rate_limit": str}),
    "time_limit": (_LIMIT, {"task_name": str, "soft": float, "hard": float}),
}


def register_remote_control() -> None:
    """Our commands in place of Celery's."""
    for name, (why, arguments) in _REFUSED.items():
        register = control_command(name=name, args=[*arguments.items()], help="Not supported; the answer says why.")
        register(Refusal(why))
    for command in (add_consumer, cancel_consumer):
        control_command(args=[("queue", str)], signature="<queue>")(command)


class Refusal:
    """A command that is not carried out, whatever its arguments."""

    def __init__(self, why: str) -> None:
        self._why = why

    def __call__(self, _state: Any, **_arguments: Any) -> Answer:
        return {"error": self._why}


def add_consumer(state: Any, queue: str, **_options: Any) -> Answer:
    """Take from this queue of ours, also after the next connection."""
    consumer = state.consumer
    if queue not in consumer.app.amqp.queues:
        return _unknown(consumer, queue)
    consumer.call_soon(consumer.add_task_queue, queue)
    return {"ok": f"add consumer {queue}"}


def cancel_consumer(state: Any, queue: str, **_options: Any) -> Answer:
    """Take nothing more from this queue, until add_consumer or the next start."""
    consumer = state.consumer
    if queue not in consumer.app.amqp.queues:
        return _unknown(consumer, queue)
    consumer.call_soon(consumer.cancel_task_queue, queue)
    return {"ok": f"no longer consuming from {queue}"}


def _unknown(consumer: Any, queue: str) -> Answer:
    ours = ", ".join(sorted(consumer.app.amqp.queues))
    return {"error": f"{queue!r} is no queue of this deployment; those are {ours}"}
