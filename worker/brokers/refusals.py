"""What to do when the broker does not let a worker in, or not go on."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from amqp import exceptions as amqp
from kombu.exceptions import OperationalError
from redis import exceptions as redis

from balance_client.brokers.tls import advice
from worker.brokers.redis_refusals import redis_step
from worker.encoding.urls import mask_url

_REFUSED_FOR: Final = re.compile(r"(?:in |to )?vhost '(?P<vhost>[^']*)' refused for user '(?P<user>[^']*)'")
_LIMIT: Final = re.compile(r"limit \(\d+\) is reached")
_ALL: Final = '".*" ".*" ".*"'


class TakesNothing(OperationalError):
    """RabbitMQ has an alarm, and reads nothing from whoever publishes. No error that kombu would try again for ever."""

    def __init__(self) -> None:
        super().__init__("RabbitMQ takes no message from anybody: its memory or its disk is short")


def next_step(
    error: BaseException, broker_url: str, queue: str | None = None, setting: str = "BALANCE_BROKER_URL"
) -> str:
    """What an operator can do about it, in words. `queue`: the one that was to be declared. `setting`: has the URL."""
    where = f"{setting}, now {mask_url(broker_url)}"
    if isinstance(error, TakesNothing):
        return (
            "free memory or disk space of RabbitMQ (rabbitmq-diagnostics check_local_alarms); jobs that are in its "
            "queues are applied meanwhile"
        )
    if isinstance(error, redis.RedisError):
        return redis_step(error, where)
    if isinstance(error, (amqp.AMQPError, amqp.MessageNacked)):
        return _rabbitmq(error, where, broker_url, queue)
    return f"see that the broker runs, and that {where}, names it"


def said(error: BaseException) -> str:
    """An error in one line, without a password."""
    return advice(mask_url(f"{type(error).__name__}: {error}".split("\n", 1)[0]))


def _rabbitmq(error: BaseException, where: str, broker_url: str, queue: str | None) -> str:
    text = str(error)
    user = unquote(urlsplit(broker_url.split(";")[0]).username or "guest")
    if _LIMIT.search(text):
        return "raise that limit of RabbitMQ (rabbitmqctl list_vhost_limits, list_user_limits), or close connections"
    if refused := _REFUSED_FOR.search(text):
        vhost, user = refused["vhost"], refused["user"]
        grant = f"rabbitmqctl set_permissions -p {vhost} {user} {_ALL}"
        return f"grant it: {grant} (docs/deployment.md, RabbitMQ, says how little is enough)"
    match error:
        case amqp.AccessRefused() if "exclusive use" in text or "single active" in text:
            return "end the other consumer of that queue"
        case amqp.AccessRefused():
            return f"correct user and password in {where}; or on RabbitMQ: rabbitmqctl change_password {user} …"
        case amqp.NotAllowed() if "not found" in text:
            vhost = unquote(urlsplit(broker_url.split(";")[0]).path[1:]) or "/"
            return (
                f"correct the virtual host in {where}; or make it: rabbitmqctl add_vhost {vhost}, then rabbitmqctl "
                f"set_permissions -p {vhost} {user} {_ALL}"
            )
        case amqp.PreconditionFailed() if "acknowledgement" in text and "timed out" in text:
            return "raise consumer_timeout of RabbitMQ above the longest outage of the database; the jobs come again"
        case amqp.PreconditionFailed() if queue is not None:
            return f"stop what publishes to it, then `balance-worker remake-queue {queue}`: it keeps the messages"
        case amqp.ResourceLocked():
            return "end the client that has it (rabbitmqctl list_queues name owner_pid): the queue goes with it"
        case amqp.ConsumerCancelled() | amqp.NotFound():
            return "nothing, if it was deleted on purpose: it is declared again; messages that were in it are gone"
        case amqp.ConnectionForced():
            return "nothing, if RabbitMQ was stopped or told to close it: the worker connects again"
    return f"see the log of RabbitMQ, and that {where}, names it"
