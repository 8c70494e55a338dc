"""Publishing: our client's submit_many against apply_async, one job after the other. Jobs and queue are alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from celery import Celery
from kombu import Exchange, Queue

from balance_client import BalanceClient
from balance_client.routing import queue_arguments
from benchmarks.bench import Bench
from benchmarks.broker import Broker
from benchmarks.contender import Incoherent
from benchmarks.movement import Movement, movements
from benchmarks.ours import job


def publishing(bench: Bench) -> None:
    """Measures both in turn, on Redis."""
    ways = [("apply_async", _apply_async), ("submit_many", _submit_many)]
    for repetition in range(bench.sizes.repetitions):
        for name, publish in ways[repetition % 2 :] + ways[: repetition % 2]:
            messages = movements("uniform", bench.sizes.published, bench.sizes.accounts, bench.run_name())
            with bench.broker("redis") as broker:
                rate = len(messages) / publish(broker, messages)
                if (arrived := broker.length()) != len(messages):
                    raise Incoherent(f"{name}: {len(messages)} jobs were published, {arrived} arrived")
            bench.figures.add("publishing", name, rate, "jobs/s")
            bench.say(f"publishing {name:<17} {repetition + 1}/{bench.sizes.repetitions}  {rate:9,.0f} jobs/s")


def _submit_many(broker: Broker, messages: list[Movement]) -> float:
    """Seconds for all of them, once connected."""
    jobs = [job(message) for message in messages]
    with BalanceClient(broker.url, queue=broker.queue) as client:
        client.submit_many(jobs[:1], want_result=False)
        began = monotonic()
        client.submit_many(jobs[1:], want_result=False)
        return monotonic() - began


def _apply_async(broker: Broker, messages: list[Movement]) -> float:
    """As above, with what any service has that uses Celery."""
    with celery_publisher(broker) as publish:
        publish(messages[0])
        began = monotonic()
        for message in messages[1:]:
            publish(message)
        return monotonic() - began


@contextmanager
def celery_publisher(broker: Broker) -> Iterator[Callable[[Movement], None]]:
    """Publishes one job with apply_async; on RabbitMQ to a queue like everybody's."""
    app = Celery(broker=broker.url, set_as_current=False)
    arguments = queue_arguments(broker.url)
    app.conf.task_queues = [
        Queue(broker.queue, Exchange(""), routing_key=broker.queue, queue_arguments=arguments, no_declare=True)
    ]

    @app.task(name="users.update_balance", ignore_result=True)
    def update_balance(idempotency_key: str, user_id: int, amount_kopeks: int) -> None:
        raise NotImplementedError("only published here")

    def publish(message: Movement) -> None:
        update_balance.apply_async(
            kwargs={
                "idempotency_key": message.key,
                "user_id": message.account,
                "amount_kopeks": message.amount,
            },
            queue=broker.queue,
        )

    with app:
        yield publish
