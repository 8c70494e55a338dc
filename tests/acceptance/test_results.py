"""A result backend that stands still: jobs are applied as fast as before; results are stored again once it answers."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from celery import Celery

from tests.acceptance.system import System, wait_until
from tests.support.servers.proxy import Proxy

_BATCHES = 20


@pytest.mark.parametrize("trouble", ["frozen", "crawling"])
def test_a_result_backend_in_trouble_holds_up_nothing(any_system: System, redis_url: str, trouble: str) -> None:
    with Proxy(redis_url) as proxy, redis.Redis.from_url(redis_url) as server:
        partition = f"{any_system.queue}.0"
        any_system.money_worker(
            queues=[any_system.queue, partition],
            BALANCE_PARTITIONS="1",
            BALANCE_PARTITION_LEASE_S="3",
            BALANCE_RESULT_URL=proxy.url,
        )
        client = Celery(broker=any_system.broker_url, set_as_current=False)
        client.conf.task_queues = any_system.client.conf.task_queues

        def publish(key: str, **arguments: Any) -> None:
            arguments = {"idempotency_key": key, "user_id": 1, **arguments}
            client.send_task("users.upsert", kwargs=arguments, queue=any_system.queue, task_id=key)
            wait_until(f"{key} to be applied", lambda: any_system.count("jobs", f"idempotency_key = '{key}'"), 20)

        publish("before")
        wait_until("its result", lambda: server.exists("celery-task-meta-before"))
        if trouble == "frozen":
            proxy.go_silent(for_all=True)
        else:
            proxy.delay_s = 0.3  # each way
        # One after the other, so that each is a batch: with ten seconds each this would take minutes.
        for number in range(_BATCHES):
            publish(f"during-{number}")
        log = any_system.log("money")
        assert log.count("results.waiting") == 1, "it is said, and not for every batch"
        assert ("it took" in log) == (trouble == "crawling")
        assert "partition.lost" not in log, "the event loop was never away for long"
        proxy.heal()
        wait_until("all to be told, though nothing else is applied", lambda: stored(server) == _BATCHES)
        wait_until("it to be said", lambda: "results.stored_again" in any_system.log("money"))
        assert "results.lost" not in any_system.log("money")


def stored(server: Any) -> int:
    return int(server.exists(*(f"celery-task-meta-during-{number}" for number in range(_BATCHES))))


def test_whoever_waits_for_what_was_parked_is_told(any_system: System) -> None:
    any_system.money_worker()
    with pytest.raises(Exception, match=r"unusable_key: .* nothing was applied") as told:
        any_system.ask("wallets.top_up", idempotency_key="")
    assert type(told.value).__name__ == "Parked"
