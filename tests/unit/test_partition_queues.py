"""The partition of an account: the same in every language and for ever."""

import re
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from amqp.exceptions import NotFound

from balance_client import BalanceClient
from balance_client.publishing.job_message import job_message
from balance_client.publishing.links import AmqpLink
from balance_client.routing import (
    PARTITIONS_MAX,
    accepted,
    partition_of,
    partition_queues,
    queue_arguments,
    queue_of,
    undropped,
)
from worker.brokers.queues import JobQueue
from worker.settings.settings import Settings

# Never to be changed: jobs wait in the partitions that these numbers name.
VECTORS = [
    ("wallet:w_1", 4, 2),
    ("wallet:w_1", 16, 2),
    ("user:42", 4, 2),
    ("user:42", 16, 6),
    ("app:shop/7", 4, 1),
    ("app:shop/7", 16, 5),
    ("wallet:кошелёк", 4, 0),
    ("wallet:кошелёк", 16, 8),
]
TOP_UP: dict[str, Any] = {"credits_to_add": 1, "transaction_reason": "PURCHASED_CREDIT_DIRECT"}
ACCOUNTS: list[tuple[str, dict[str, Any], str | None]] = [
    ("wallets.create", {"wallet_id": "w_1", "currency": "USD", "customer_id": "c", "name": "n"}, "wallet:w_1"),
    ("wallets.top_up", {"wallet_id": "w_1", **TOP_UP}, "wallet:w_1"),
    ("users.upsert", {"user_id": 42}, "user:42"),
    ("users.update_balance", {"user_id": 42, "amount_kopeks": 1}, "user:42"),
    ("users.update_balance", {"telegram_id": 42, "amount_kopeks": 1}, None),
    ("apps.upsert", {"app_id": "7", "store_id": "23"}, "app:7/23"),
    (
        "entries.reverse",
        {"job_id": "5d1a3e0e-7f6c-4b2a-9d57-0c4f2b8e6a11", "description": "by mistake"},
        "id:5d1a3e0e-7f6c-4b2a-9d57-0c4f2b8e6a11",
    ),
]


@pytest.mark.parametrize(("account", "partitions", "partition"), VECTORS)
def test_vectors(account: str, partitions: int, partition: int) -> None:
    assert partition_of(account, partitions) == partition


def test_the_guide_shows_these_vectors() -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "publishing.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+:[^`]+)` \| (\d+) \| (\d+) \|$", guide, re.MULTILINE)
    shown = [
        (account, partitions, int(partition))
        for account, *both in rows
        for partitions, partition in zip((4, 16), both, strict=True)
    ]
    assert shown == VECTORS


def test_accounts_spread_over_the_partitions() -> None:
    counts = [0] * 16
    for number in range(16_000):
        counts[partition_of(f"wallet:w_{number}", 16)] += 1
    assert min(counts) > 800


@pytest.mark.parametrize(
    ("name", "arguments", "account"), ACCOUNTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_account_of_a_job(name: str, arguments: dict[str, Any], account: str | None) -> None:
    message = job_message((name, {"idempotency_key": "k", **arguments}), "billing", want_result=False)
    assert message.account == account


def test_a_job_whose_account_is_not_known_goes_to_the_door() -> None:
    assert queue_of(None, "balance", 4) == "balance"
    assert queue_of("wallet:w_1", "balance", 0) == "balance"
    assert queue_of("wallet:w_1", "balance", 4) == f"balance.{partition_of('wallet:w_1', 4)}"


def test_partitions_are_counted_from_0() -> None:
    assert partition_queues("balance", 0) == []
    assert partition_queues("balance", 3) == ["balance.0", "balance.1", "balance.2"]


def test_rabbitmq_gives_a_partition_to_one_consumer() -> None:
    assert queue_arguments("amqp://h//") == {"x-queue-type": "quorum"}
    assert queue_arguments("amqps://h//", partition=True) == {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
    }
    assert queue_arguments("redis://h/0", partition=True) is None


def test_a_classic_queue_is_declared_as_any_publisher_does() -> None:
    assert queue_arguments("amqp://h//", queue_type="classic") == {}
    assert undropped({}, {"product": "RabbitMQ", "version": "4.1.0"}) == {}, "which has no limit of deliveries"


def test_a_queue_that_is_there_may_be_of_either_type_and_a_partition_of_one() -> None:
    quorum, partition = queue_arguments("amqp://h//"), queue_arguments("amqp://h//", partition=True)
    assert quorum is not None
    assert partition is not None
    assert accepted(quorum) == [{"x-queue-type": "quorum"}, {}]
    assert accepted({}) == [{}, {"x-queue-type": "quorum"}]
    assert accepted(partition) == [partition]


def test_settings_name_the_partitions() -> None:
    assert Settings(queue="money", partitions=2).partition_queues == ["money.0", "money.1"]
    with pytest.raises(ValueError, match="BALANCE_IO_QUEUE must not be one of the BALANCE_PARTITIONS"):
        Settings(io_queue="balance.1", partitions=2)


def test_partitions_on_redis_need_leases_which_the_stock_transport_does_not_know() -> None:
    with pytest.raises(ValueError, match="BALANCE_PARTITIONS must be 0 on Redis when BALANCE_REDIS_TRANSPORT is stock"):
        Settings(partitions=2, redis_transport="stock")
    assert Settings(partitions=2, broker_url="amqp://h//", redis_transport="stock").partitions == 2


@pytest.mark.parametrize("partitions", [-1, PARTITIONS_MAX + 1])
def test_the_client_refuses_a_wrong_number_of_partitions(partitions: int) -> None:
    with pytest.raises(ValueError, match=f"partitions is {partitions}; allowed is 0 to 256"):
        BalanceClient("redis://h", partitions=partitions)


@pytest.mark.parametrize(
    ("server", "limit"),
    [
        ({"product": "RabbitMQ", "version": "4.0.2"}, -1),
        ({"product": "RabbitMQ", "version": "10.1.0-rc.1"}, -1),
        ({"product": "RabbitMQ", "version": "3.13.7"}, None),  # it would take -1 for 0
        ({"product": "RabbitMQ", "version": ""}, None),
        ({"product": "LavinMQ", "version": "4.0"}, None),
        (None, None),
    ],
)
def test_no_rabbitmq_may_drop_a_message_for_having_come_often(server: dict[str, str] | None, limit: int | None) -> None:
    arguments = undropped({"x-queue-type": "quorum"}, server)
    assert arguments is not None
    assert arguments.get("x-delivery-limit") == limit
    assert undropped(None, server) is None, "Redis has no such choice"


def test_the_worker_and_the_client_declare_a_queue_alike() -> None:
    server = {"product": "RabbitMQ", "version": "4.1.0"}
    channel = MagicMock()
    channel.connection.server_properties = server
    arguments = queue_arguments("amqp://h//")
    JobQueue("balance", queue_arguments=arguments).queue_declare(channel=channel)
    [declared] = channel.connection.channel().queue_declare.call_args_list
    assert declared.kwargs["arguments"] == {"x-queue-type": "quorum", "x-delivery-limit": -1}

    connection = MagicMock(channel_errors=(NotFound,))
    connection.connection.server_properties = server
    made = connection.channel()
    made.queue_declare.side_effect = [NotFound(), None]
    AmqpLink(connection, {"balance": arguments}, "", 1.0)._declare("balance")
    assert made.queue_declare.call_args.kwargs["arguments"] == declared.kwargs["arguments"]
