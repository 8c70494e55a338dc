"""Signed messages from outside: what a stranger publishes moves no money; what is too large is kept."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from celery import Celery

from balance_client import BalanceClient
from models.contracts.wire.signature import SIGNATURE, Signed, sign
from tests.acceptance.system import System, wait_until

OLD, NEW, OTHER = "old-" + "0" * 32, "new-" + "1" * 32, "other-" + "2" * 32
PRODUCERS = {
    "billing": {"secrets": [OLD, NEW], "jobs": ["users.upsert", "users.update_balance"]},
    "support": {"secrets": [OTHER], "jobs": ["users.upsert"]},
}
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
SIGNER = re.search(r"<!-- tested: celery signer -->\n```python\n(.*?)```", PAGE, re.DOTALL)

_PUBLISH = """
import sys
from celery import Celery
from kombu import Exchange, Queue
from balance_client.routing import queue_arguments
url, queue = sys.argv[1:]
app = Celery(broker=url)
app.conf.task_queues = [Queue(queue, Exchange(""), routing_key=queue, queue_arguments=queue_arguments(url))]
kwargs = dict(idempotency_key="plain", producer="billing", user_id=1, amount_kopeks=100, description="Пополнение 😀")
app.send_task("users.update_balance", kwargs=kwargs, queue=queue, ignore_result=True)
"""


def _raw(app: Celery, queue: str, key: str, secret: str | None, **changes: Any) -> bytes:
    """Publishes a correction by hand; `changes` are made to arguments or task after it was signed."""
    task = changes.pop("task", "users.update_balance")
    kwargs = {"idempotency_key": key, "producer": changes.pop("claims", "billing"), "user_id": 1, "amount_kopeks": 1}
    body = json.dumps([[], kwargs, {}]).encode()
    signed = Signed(changes.pop("signed_for", task), body, task_id=f"id-{key}")
    signature = {} if secret is None else {SIGNATURE: sign(secret, signed)}
    body = json.dumps([[], {**kwargs, **changes}, {}]).encode()
    with app.producer_pool.acquire() as producer:
        producer.publish(
            body, exchange="", routing_key=queue, content_type="application/json", content_encoding="utf-8",
            headers={"task": task, "id": f"id-{key}", "lang": "sh", "ignore_result": True, **signature},
        )  # fmt: skip
    return body


def test_only_what_its_producer_signed_is_applied(any_system: System) -> None:
    worker = any_system.money_worker(BALANCE_PRODUCERS=json.dumps(PRODUCERS))
    queue, app = any_system.queue, any_system.client
    with BalanceClient(any_system.broker_url, "billing", queue=queue, secret=NEW) as client:
        assert client.users_upsert(user_id=1, idempotency_key="u").get(60).applied
        assert client.users_update_balance(user_id=1, amount_kopeks=7, idempotency_key="new").get(60).applied
    _raw(app, queue, "old", OLD)
    refused = {
        "unsigned": _raw(app, queue, "a", None),
        "bad_signature": _raw(app, queue, "b", OTHER),
        "unknown_producer": _raw(app, queue, "e", NEW, claims="stranger"),
        "not_allowed": _raw(app, queue, "f", OTHER, claims="support"),
    }
    altered = _raw(app, queue, "c", NEW, amount_kopeks=1_000_000)
    relabelled = _raw(app, queue, "d", NEW, signed_for="users.upsert")
    wait_until("the letters", lambda: any_system.count("dead_letters") == 6)
    assert SIGNER is not None
    environment = {**any_system.environment, "BALANCE_SECRET": NEW}
    subprocess.run(
        [sys.executable, "-c", SIGNER[1] + _PUBLISH, any_system.broker_url, queue],
        env=environment,
        check=True,
        timeout=60,
    )
    wait_until("the last job", lambda: any_system.count("jobs", "idempotency_key = 'plain'") == 1)
    keys = [row[0] for row in any_system.rows("select idempotency_key from jobs order by 1")]
    assert keys == ["new", "old", "plain", "u"]
    letters = any_system.rows("select reason, convert_to(convert_from(body, 'utf8'), 'utf8') from dead_letters")
    expected = {*refused.items(), ("bad_signature", altered), ("bad_signature", relabelled)}
    assert {(reason, bytes(body)) for reason, body in letters} == expected
    assert any_system.rows("select balance from accounts")[0][0] == 7 + 1 + 100
    assert worker.poll() is None


def test_a_message_that_is_too_large_is_kept_whole_and_the_next_one_applied(any_system: System) -> None:
    worker = any_system.money_worker()
    large = _raw(any_system.client, any_system.queue, "large", None, description="x" * 8 * 1024 * 1024)
    any_system.ask("users.upsert", idempotency_key="u", user_id=1)
    reason, size, same = any_system.rows(
        "select reason, octet_length(body), body = :body from dead_letters", body=large
    )[0]
    assert (reason, size, same) == ("oversized", len(large), True)
    assert worker.poll() is None


def test_a_worker_whose_clock_is_wrong_finds_no_signature_stale_that_is_not(system: System) -> None:
    """Ages are by the database's clock, also those of the first messages."""
    hour = {"BALANCE_PRODUCERS": json.dumps(PRODUCERS), "BALANCE_SIGNATURE_MAX_AGE_S": "3600"}
    with BalanceClient(system.broker_url, "billing", queue=system.queue, secret=NEW) as client:
        job = client.users_upsert(user_id=1, idempotency_key="u")
        system.money_worker(clock_s="86400", **hour)
        assert job.get(60).applied
        assert client.users_update_balance(user_id=1, amount_kopeks=7, idempotency_key="b").get(60).applied
    assert system.count("dead_letters") == 0
