"""Each refusal of a broker has a next step, with the names that it is about."""

from __future__ import annotations

from typing import Any

import pytest
from amqp import exceptions as amqp
from redis import exceptions as redis

from worker.brokers.refusals import TakesNothing, next_step

URL = "amqp://wu:hunter2@h:5672/shop"


def of_rabbitmq(kind: Any, text: str) -> BaseException:
    error: BaseException = kind(text, (50, 10))
    return error


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (
            of_rabbitmq(amqp.AccessRefused, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN."),
            "rabbitmqctl change_password wu",
        ),
        (of_rabbitmq(amqp.NotAllowed, "NOT_ALLOWED - vhost shop not found"), "rabbitmqctl add_vhost shop"),
        (
            of_rabbitmq(amqp.NotAllowed, "NOT_ALLOWED - access to vhost 'shop' refused for user 'wu'"),
            'rabbitmqctl set_permissions -p shop wu ".*" ".*" ".*"',
        ),
        (
            of_rabbitmq(
                amqp.NotAllowed,
                "NOT_ALLOWED - access to vhost 'shop' refused for user 'wu': connection limit (1) is reached",
            ),
            "raise that limit",
        ),
        (
            of_rabbitmq(
                amqp.AccessRefused, "ACCESS_REFUSED - access to queue 'balance' in vhost 'shop' refused for user 'wu'"
            ),
            'rabbitmqctl set_permissions -p shop wu ".*" ".*" ".*"',
        ),
        (
            of_rabbitmq(
                amqp.AccessRefused,
                "ACCESS_REFUSED - configure access to queue 'balance' in vhost 'shop' refused for user 'wu'",
            ),
            "set_permissions -p shop wu",
        ),
        (
            of_rabbitmq(amqp.AccessRefused, "ACCESS_REFUSED - queue 'balance' in vhost 'shop' in exclusive use"),
            "end the other consumer",
        ),
        (
            of_rabbitmq(
                amqp.PreconditionFailed,
                "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1800000 ms",
            ),
            "consumer_timeout",
        ),
        (
            of_rabbitmq(
                amqp.PreconditionFailed, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'balance'"
            ),
            "balance-worker remake-queue balance",
        ),
        (of_rabbitmq(amqp.ResourceLocked, "RESOURCE_LOCKED - cannot obtain exclusive access"), "owner_pid"),
        (of_rabbitmq(amqp.NotFound, "NOT_FOUND - no queue 'balance'"), "declared again"),
        (of_rabbitmq(amqp.ConsumerCancelled, "tag"), "declared again"),
        (of_rabbitmq(amqp.ConnectionForced, "CONNECTION_FORCED - broker forced connection closure"), "connects again"),
        (of_rabbitmq(amqp.AMQPNotImplementedError, "NOT_IMPLEMENTED - something"), "log of RabbitMQ"),
        (TakesNothing(), "free memory or disk space of RabbitMQ"),
        (redis.AuthenticationError("invalid username-password pair"), "correct user and password"),
        (redis.NoPermissionError("No permissions to access a key"), "ACL SETUSER"),
        (redis.ReadOnlyError("You can't write against a read only replica."), "names the primary"),
        (redis.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "maxmemory"),
        (redis.MaxConnectionsError("max number of clients reached"), "maxclients"),
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), "nothing"),
        (redis.MovedError("12182 127.0.0.1:7000"), "Redis Cluster cannot carry"),
        (redis.ClusterDownError("The cluster is down"), "Redis Cluster cannot carry"),
        (redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "log of Redis"),
        (redis.ConnectionError("Connection refused"), "see that the broker runs"),
        (ConnectionRefusedError(111, "Connection refused"), "see that the broker runs"),
        (TimeoutError("timed out"), "see that the broker runs"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_refusal_has_its_next_step_and_shows_no_password(error: BaseException, step: str) -> None:
    said = next_step(error, URL, "balance")
    assert step in said
    assert "hunter2" not in said
