"""Takes 15.00 from a user with Celery alone, nothing of balance-worker installed.

    python publish.py --url redis://127.0.0.1:6379/0 --key order-7 --wait 10

Needs: pip install "celery[redis]" for Redis, pip install celery for RabbitMQ
"""

from __future__ import annotations

import argparse

from celery import Celery
from kombu import Exchange, Queue


def queue(name: str, rabbitmq: int | None) -> Queue:
    """The queue as it is, or as workers make it on this version of RabbitMQ, for who may publish before them."""
    if rabbitmq is None:
        return Queue(name, no_declare=True)
    arguments = {"x-queue-type": "quorum", **({"x-delivery-limit": -1} if rabbitmq >= 4 else {})}
    return Queue(name, Exchange(""), routing_key=name, queue_arguments=arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="redis://127.0.0.1:6379/0")
    parser.add_argument("--queue", default="balance")
    parser.add_argument("--key", required=True, help="what the job is about: order-7")
    parser.add_argument("--user-id", type=int, default=42)
    parser.add_argument("--declare-for", type=int, metavar="3|4", help="make the queue, on this version of RabbitMQ")
    parser.add_argument("--wait", type=float, metavar="SECONDS", help="for the outcome")
    given = parser.parse_args()

    on_rabbitmq = given.url.startswith("amqp")
    # Without confirmations RabbitMQ loses what it has not looked at. On Redis a dead link would block for ever.
    options = {"confirm_publish": True} if on_rabbitmq else {"socket_timeout": 10, "socket_connect_timeout": 5}
    backend = None if given.wait is None else "rpc://" if on_rabbitmq else given.url
    app = Celery(broker=given.url, backend=backend, broker_transport_options=options)
    sent = app.send_task(
        "users.update_balance",
        kwargs={"idempotency_key": given.key, "producer": "shop", "user_id": given.user_id, "amount_kopeks": -1500},
        queue=queue(given.queue, given.declare_for),
        mandatory=True,  # a job that no queue takes is an error
        ignore_result=given.wait is None,
    )
    print("published" if given.wait is None else sent.get(timeout=given.wait)["code"])


if __name__ == "__main__":
    main()
