"""balance-worker remake-queue"""

from __future__ import annotations

from typing import Annotated

import typer
from amqp.exceptions import AMQPError

from balance_client.publishing.result_reader import broker_connection
from worker.brokers.queues import arguments_of
from worker.brokers.rabbitmq.connection import use_transport
from worker.brokers.rabbitmq.remaking import InUse, Remaking
from worker.brokers.refusals import next_step
from worker.cli.terminal.faults import Stop
from worker.cli.terminal.output import line
from worker.cli.terminal.waiting import Waiting
from worker.settings.settings import load_settings

_EXAMPLES = """\
\b
Examples:
  balance-worker remake-queue balance
"""


def remake_queue(queue: Annotated[str, typer.Argument(metavar="QUEUE", help="One of the workers' queues.")]) -> None:
    """Makes a queue of RabbitMQ anew as workers declare it, and keeps its messages.

    For a queue that was declared otherwise (`queue.unusable`, `queue.classic` in the log, and what `doctor` says): stop
    what publishes to it and the workers that consume it first. Interrupted, it goes on when it is repeated. Its
    messages are in QUEUE.aside meanwhile. Its bindings to exchanges are gone afterwards; jobs need none.
    """
    settings = load_settings()
    if settings.broker_kind != "rabbitmq":
        raise Stop("queues of Redis are lists: there is nothing about them that could be declared otherwise")
    known = (settings.queue, settings.tick_queue, *settings.every_partition_queue)
    if queue not in known:
        raise Stop(f"{queue} is no queue of the workers: {', '.join(known)}")
    use_transport()  # no message is too broken for it
    moved = 0
    try:
        with (
            broker_connection(settings.broker_url, settings.broker_socket_timeout_s, settings.tls) as connection,
            Waiting("Moving messages") as waiting,
        ):
            connection.connect()
            for _ in Remaking(connection, queue, arguments_of(queue, settings) or {}).run():
                moved += 1
                waiting.say(f"{moved} messages moved")
    except InUse as error:
        raise Stop(str(error)) from None
    except (AMQPError, OSError) as error:
        raise Stop(
            f"{type(error).__name__}: {error}: {next_step(error, settings.broker_url)}. No message is lost: those that "
            f"are not in {queue} are in {queue}.aside, and come back when this is repeated"
        ) from None
    line(f"remake-queue: {queue} is as workers declare it; {moved // 2} messages kept")


def register(app: typer.Typer) -> None:
    app.command("remake-queue", epilog=_EXAMPLES)(remake_queue)
