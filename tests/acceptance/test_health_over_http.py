"""/readyz and /metrics of running processes: no as long as anything keeps one from its work, yes again by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import make_url

from models.store.schema.migrations import head
from tests.acceptance.proxied import proxied
from tests.acceptance.system import System, wait_until
from tests.support.servers.proxy import Proxy
from worker.local.ports import free_port

NODE = "money"
Samples = dict[str, dict[tuple[str, ...], float]]


def troubles(port: int) -> set[str] | None:
    """The kinds that /readyz tells of, with a status that fits; None while nobody answers there."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            status, told = answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            status, told = error.code, json.load(error)
    except OSError:
        return None
    assert (status == 200) == (not told["troubles"])
    return {*told["troubles"]}


def wait_for(port: int, *kinds: str) -> None:
    """Until these are its troubles, and no others."""
    wait_until(f"{kinds or 'ready'}", lambda: troubles(port) == {*kinds})


def metrics(port: int) -> Samples:
    """By name, the samples by the values of their labels, in the order of the labels' names."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


@pytest.fixture
def links(any_system: System) -> Iterator[tuple[Proxy, Proxy]]:
    with proxied(any_system) as both:
        yield both


def test_a_worker_is_ready_while_it_does_its_work_and_only_then(any_system: System, links: tuple[Proxy, Proxy]) -> None:
    broker, database = links
    port = free_port()
    any_system.money_worker(NODE, BALANCE_METRICS_PORT=str(port), BALANCE_BROKER_SOCKET_TIMEOUT_S="2")
    wait_for(port)
    node, control = [f"{NODE}@{any_system.queue}"], any_system.client.control
    control.cancel_consumer(any_system.queue, destination=node)
    wait_for(port, "queues")
    control.add_consumer(any_system.queue, destination=node)
    wait_for(port)

    broker.refuse()
    wait_for(port, "broker")
    assert metrics(port)["balance_ready"] == {(): 0}
    assert metrics(port)["balance_trouble"] == {("broker",): 1}
    wait_until("it to be known that nothing is known", lambda: "balance_queue_messages" not in metrics(port))
    broker.heal()
    wait_for(port)
    assert metrics(port)["balance_ready"] == {(): 1}
    wait_until("the queue to be measured again", lambda: "balance_queue_messages" in metrics(port))

    database.refuse()
    answer = any_system.send("users.upsert", idempotency_key="k", user_id=1)
    wait_for(port, "database", "held")
    assert metrics(port)["balance_messages_unacknowledged"] == {(): 1}
    database.heal()
    assert answer.get()["status"] == "applied"
    wait_for(port)


def test_a_database_that_takes_nothing_is_seen_without_a_job(system: System) -> None:
    port = free_port()
    system.money_worker(NODE, BALANCE_METRICS_PORT=str(port))
    wait_for(port)
    url = make_url(system.environment["BALANCE_DATABASE_URL"]).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(f'alter database "{url.database}" set default_transaction_read_only = on')
        wait_for(port, "database")
        connection.execute(f'alter database "{url.database}" reset default_transaction_read_only')
        wait_for(port)
        connection.execute("update alembic_version set version_num = '0099'")
        wait_for(port, "database")
        connection.execute("update alembic_version set version_num = %s", (head(),))
        wait_for(port)


def test_what_was_done_is_counted_and_what_waits_is_measured(either_system: System) -> None:
    queue, (money, io, beat) = either_system.queue, (free_port(), free_port(), free_port())
    either_system.money_worker(NODE, BALANCE_METRICS_PORT=str(money))
    either_system.io_worker(BALANCE_METRICS_PORT=str(io))
    either_system.beat(BALANCE_METRICS_PORT=str(beat))
    for port in (money, io, beat):
        wait_for(port)
    for _ in range(2):
        either_system.send("users.upsert", idempotency_key="k", user_id=1, producer="billing").get()
    either_system.send("users.upsert", idempotency_key="bad", user_id="x", producer="billing").get()
    for number in range(50):
        either_system.send(f"made.up_{number}", idempotency_key="k")
    wait_until("all of them to be counted", lambda: sum(metrics(money)["balance_jobs_total"].values()) == 53)
    found = metrics(money)
    assert found["balance_jobs_total"] == {
        ("applied", "users.upsert", "billing", "false"): 1,
        ("applied", "users.upsert", "billing", "true"): 1,
        ("invalid_request", "users.upsert", "billing", "false"): 1,
        ("parked", "unknown", "default", "false"): 50,
    }
    assert found["balance_dead_letters_total"] == {("unknown_job",): 50}
    assert found["balance_batch_size_sum"] == {(): 53}
    assert found["balance_apply_seconds_count"] == found["balance_batch_size_count"]
    assert found["balance_messages_unacknowledged"] == {(): 0}
    assert abs(found["balance_database_clock_offset_seconds"][()]) < 5

    of_io = wait_until("the database to be asked", lambda: (s := metrics(io)).get("balance_outbox_events") and s)
    assert of_io["balance_charges_waiting"] == {("provider",): 0, ("payer",): 0, ("operator",): 0}
    wait_until("a tick", lambda: "balance_beat_last_tick_seconds" in metrics(io))
    assert abs(metrics(io)["balance_beat_clock_offset_seconds"][()]) < 30
    assert metrics(beat)["balance_beat_last_tick_seconds"][()] < 30

    node = [f"{NODE}@{queue}"]
    either_system.client.control.cancel_consumer(queue, destination=node)
    wait_for(money, "queues")
    for number in range(3):
        either_system.send("users.upsert", idempotency_key=f"w{number}", user_id=1)
    wait_until("three to wait", lambda: metrics(money).get("balance_queue_messages") == {(queue,): 3})
    if either_system.broker_url.startswith("redis"):
        wait_until("the first to wait a while", lambda: metrics(money)["balance_queue_oldest_seconds"][queue,] > 1)
    either_system.client.control.add_consumer(queue, destination=node)
    wait_until("none to wait", lambda: metrics(money).get("balance_queue_messages") == {(queue,): 0})


def test_beat_is_ready_while_the_broker_takes_its_ticks(system: System) -> None:
    port = free_port()
    with Proxy(system.broker_url) as broker:
        system.beat(BALANCE_METRICS_PORT=str(port), BALANCE_BROKER_URL=broker.url, BALANCE_BROKER_SOCKET_TIMEOUT_S="2")
        wait_for(port)
        broker.refuse()
        wait_for(port, "broker")
        broker.heal()
        wait_for(port)
        system.stop()
