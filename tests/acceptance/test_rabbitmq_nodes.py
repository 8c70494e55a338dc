"""Several RabbitMQ nodes in one URL: when one is away, workers, clients and tools go on with the next."""

from __future__ import annotations

from urllib.parse import urlsplit

from balance_client import BalanceClient
from tests.acceptance.system import System
from tests.acceptance.test_doctor import doctor
from tests.support.servers.proxy import Proxy


def test_work_goes_on_with_the_next_node(system_on_rabbitmq: System) -> None:
    system = system_on_rabbitmq
    with Proxy(system.broker_url) as first:
        nodes = f"{first.url};{system.broker_url}"
        worker = system.money_worker(BALANCE_BROKER_URL=nodes)
        with BalanceClient(nodes, queue=system.queue, timeout_s=5) as client:
            assert client.users_upsert(user_id=1, idempotency_key="before").get(30).applied
            first.refuse()
            assert client.users_upsert(user_id=1, idempotency_key="after").get(30).applied
        findings = doctor(system, "--wait", "3", BALANCE_BROKER_URL=nodes)[1]
    assert findings["broker.reachable"]["level"] == "ok"
    place = findings[f"worker.place.money@{system.queue}"]
    assert place["level"] == "ok"
    assert f"({urlsplit(system.broker_url).hostname}:{urlsplit(system.broker_url).port})" in place["found"]
    assert worker.poll() is None
