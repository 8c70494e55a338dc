"""balance-worker publish: with a worker, without one, and what never gets as far as the queue."""

from __future__ import annotations

import json
import signal
import subprocess
from functools import partial
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest
from celery import Celery

from models.contracts.catalogue import CATALOGUE
from tests.integration.cli.conftest import NOWHERE, TIMEOUT_S, Cli, told
from tests.support.command import SCRIPT
from tests.support.servers.queues import taken

TOP_UP = ["publish", "wallets.top_up", "--arg", "wallet_id=w1", "--arg", "transaction_reason=INVOICE_PAYMENT"]
TERMINATE = ["publish", "wallets.terminate", "--arg", "wallet_id=w1"]


def sent(url: str, queue: str = "balance") -> dict[str, Any]:
    """The keyword arguments of the one message in the queue."""
    [message] = taken(url, queue)
    kwargs: dict[str, Any] = json.loads(message.body or b"")[1]
    return kwargs


def test_a_job_is_published_applied_and_replayed(with_worker: Cli) -> None:
    command = [*TOP_UP, "--arg", "credits_to_add=12.50", "--key", "k1", "--producer", "billing", "--wait", "30"]
    first = with_worker.json(*command)
    assert (first["status"], first["replayed"], first["producer"]) == ("applied", False, "billing")
    assert first["entry"]["amount"] == 1250
    again = with_worker.json(*command)
    assert again == {**first, "replayed": True}
    text = with_worker.text(*command)
    told_facts = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert told_facts["account"] == "wallet:w1"
    assert told_facts["amount"] == "+12.50"
    assert told_facts["balance"] == "0.00 -> 12.50"
    assert told_facts["replayed"].startswith("yes")
    assert with_worker.json("jobs", "show", first["job_id"])["outcome"] == first

    debit = ["publish", "wallets.debit", "--wait", "30"]
    refused = with_worker(*debit, "--json-args", '{"wallet_id": "w1", "credits": 99}')
    assert refused.returncode == 1
    assert "Refused, as with HTTP status 409" in refused.stdout
    assert '"internal_error": "insufficient_funds"' in refused.stdout
    assert refused.stderr.startswith("key cli-")
    document = with_worker.json(*debit, "--arg", "wallet_id=w9", "--arg", "credits=1", code=1)
    assert document["code"] == "wallet_not_found"


def test_without_a_worker_the_job_waits_and_the_key_is_told(on_redis: Cli) -> None:
    said = told(on_redis(*TERMINATE, "--key", "k1", "--producer", "p", "--wait", "0.2"), 3)
    assert "published under the key k1, but there was no outcome within 0.2 s" in said
    assert "a worker runs on the queue balance" in said
    assert "balance-worker jobs show --producer p --key k1" in said
    assert sent(on_redis.settings["broker_url"])["idempotency_key"] == "k1"


def test_a_result_backend_out_of_reach_is_named(on_redis: Cli) -> None:
    said = told(on_redis(*TERMINATE, "--key", "k1", "--wait", "0.5", result_url=f"redis://:hunter2@{NOWHERE}/0"), 3)
    assert "within 0.5 s (Error 111 connecting to 127.0.0.1:1. Connection refused.)" in said
    assert sent(on_redis.settings["broker_url"])["idempotency_key"] == "k1"


def test_wait_0_does_not_wait(on_redis: Cli) -> None:
    assert on_redis.text(*TERMINATE, "--key", "k1", "--wait", "0") == "published wallets.terminate key=k1\n"
    document = on_redis.json(*TERMINATE, "--key", "k2", "--wait", "0", queue="other")
    assert document == {
        "published": True,
        "name": "wallets.terminate",
        "producer": "default",
        "idempotency_key": "k2",
    }
    assert sent(on_redis.settings["broker_url"])["idempotency_key"] == "k1"
    assert sent(on_redis.settings["broker_url"], "other")["idempotency_key"] == "k2"


def test_without_a_key_one_is_made_and_told_before_anything_can_fail(on_redis: Cli) -> None:
    finished = on_redis(*TERMINATE, "--wait", "0")
    key = finished.stderr.removeprefix("key ").strip()
    assert sent(on_redis.settings["broker_url"])["idempotency_key"] == key
    lost = on_redis(*TERMINATE, broker_url=f"redis://{NOWHERE}/0")
    assert lost.returncode == 2
    assert lost.stderr.splitlines()[0].startswith("key cli-")


def test_values_arrive_as_the_job_takes_them(on_redis: Cli) -> None:
    """Text stays text, numbers are exact, the rest is JSON."""
    create = ["publish", "wallets.create", "--wait", "0", "--key", "k", "--producer", "p"]
    values = {
        "wallet_id": "42",
        "name": "true",
        "description": "a=b",
        "customer_id": "null",
        "scale": "12.0",
        "conversion_rate": "0.100000000000000001",
        "config": '{"allowed_price_types": ["USAGE"]}',
        "metadata": '{"order": "7"}',
    }
    pairs = [part for key, value in values.items() for part in ("--arg", f"{key}={value}")]
    on_redis.text(*create, *pairs, "--json-args", '{"floor": -1.50}')
    assert sent(on_redis.settings["broker_url"]) == {
        "idempotency_key": "k",
        "producer": "p",
        "wallet_id": "42",
        "name": "true",
        "description": "a=b",
        "customer_id": None,
        "scale": 12,
        "conversion_rate": "0.100000000000000001",
        "config": {"allowed_price_types": ["USAGE"]},
        "metadata": {"order": "7"},
        "floor": "-1.5",
    }


def test_ids_that_may_be_numbers_stay_the_text_that_was_typed(on_redis: Cli) -> None:
    on_redis.text(
        "publish", "apps.upsert", "--wait", "0", "--key", "k", "--arg", "app_id=007", "--arg", "store_id=null"
    )
    message = sent(on_redis.settings["broker_url"])
    assert (message["app_id"], message["store_id"]) == ("007", "null")


def test_key_and_producer_may_stand_in_the_json(on_redis: Cli) -> None:
    body = '{"idempotency_key": "k7", "producer": "p7", "wallet_id": "w1"}'
    on_redis.text("publish", "wallets.terminate", "--json-args", body, "--wait", "0")
    message = sent(on_redis.settings["broker_url"])
    assert (message["idempotency_key"], message["producer"]) == ("k7", "p7")
    twice = on_redis("publish", "wallets.terminate", "--json-args", body, "--key", "k8")
    assert "idempotency_key is given twice" in told(twice)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name a job; --list shows which there are"),
        (["wallets.topup"], "there is no job named 'wallets.topup'; did you mean wallets.top_up?"),
        (["zzz"], "there are wallets.create"),
        (["wallets.terminate", "--key", "k"], "wallets.terminate: wallet_id is missing"),
        (["wallets.terminate", "--arg", "wallet_id"], "'wallet_id' is not key=value"),
        (["wallets.terminate", "--arg", "wallet_id=a", "--arg", "wallet_id=b"], "wallet_id is given twice"),
        (["wallets.terminate", "--json-args", "{"], "this is not JSON"),
        (["wallets.terminate", "--json-args", "[1]"], "write a JSON object"),
        (["wallets.terminate", "--arg", "wallet_id=a", "--producer", "balance-worker"], "--producer"),
        (["users.update_balance", "--arg", "amount_kopeks=1.5", "--key", "k"], "amount_kopeks = 1.5 (Decimal)"),
        (["users.update_balance", "--arg", f"amount_kopeks={'9' * 5000}", "--key", "k"], "amount_kopeks = 999"),
        (
            ["users.update_balance", "--arg", "user_id=1e9999999999999999999", "--key", "k"],
            "user_id = 1e9999999999999999",
        ),
        (["apps.update_balance", "--json-args", f'{{"balance": -{"9" * 5000}}}', "--key", "k"], "balance = -999"),
        (["wallets.terminate", "--arg", "wallet_id=a", "--wait", "-1"], "--wait"),
    ],
)
def test_what_is_not_published(on_redis: Cli, arguments: list[str], says: str) -> None:
    assert says in told(on_redis("publish", *arguments))
    assert list(taken(on_redis.settings["broker_url"], "balance")) == []


def test_a_job_that_breaks_its_contract_says_where_to_look(on_redis: Cli) -> None:
    said = told(on_redis("publish", "apps.update_balance", "--arg", "balance=-1", "--key", "k")).splitlines()
    assert [line.split(": ", 2)[2] for line in said[:-1]][:2] == ["app_id is missing", "store_id is missing"]
    assert said[-1].endswith(
        "nothing was published; its arguments: `balance-worker publish apps.update_balance --list`"
    )


def test_a_parked_job_is_told(on_redis: Cli) -> None:
    """A worker that parks the job answers with a failure: played here, since a valid job is hardly ever parked."""
    url = on_redis.settings["broker_url"]

    def park() -> None:
        deadline, pause = monotonic() + TIMEOUT_S, Event()
        while not (messages := list(taken(url, "balance"))) and monotonic() < deadline:
            pause.wait(0.05)
        with Celery(broker=url, backend=url, set_as_current=False) as app:
            task_id = str(messages[0].headers["id"])
            app.backend.store_result(task_id, RuntimeError("fault: parked; nothing was applied"), "FAILURE")

    worker = Thread(target=park)
    worker.start()
    said = told(on_redis(*TERMINATE, "--key", "k1", "--wait", "30"), 1)
    worker.join(TIMEOUT_S)
    assert "wallets.terminate key=k1 was not applied" in said
    assert said.endswith("`balance-worker dead-letters list` shows it")


def test_ctrl_c_while_waiting_is_130(on_redis: Cli) -> None:
    environment = {f"BALANCE_{name.upper()}": value for name, value in on_redis.settings.items()}
    command = [SCRIPT, *TERMINATE, "--wait", "60"]
    # A shell starts what runs in the background, these tests too, with the interrupt ignored.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=heed) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("key ")
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 130
        assert "Traceback" not in process.stderr.read()


def test_list_has_every_job_with_its_arguments() -> None:
    cli = Cli()
    text = cli.text("publish", "--list")
    for name, contract in CATALOGUE.items():
        assert f"\n{name}: {contract.SUMMARY}\n" in text
    jobs = {job["name"]: job for job in cli.json("publish", "--list")}
    assert list(jobs) == list(CATALOGUE)
    assert jobs["apps.update_balance"]["arguments"]["required"] == ["idempotency_key", "app_id", "store_id", "balance"]


def test_list_of_one_job() -> None:
    lines = [line.split() for line in Cli().text("publish", "users.update_balance", "--list").splitlines()[3:]]
    assert lines[0] == ["argument", "takes", "default", "meaning"]
    assert ["*", "amount_kopeks", "whole", "number"] in lines
    assert ["create_transaction", "true", "or", "false", "true"] in lines
    assert not any("idempotency_key" in line for line in lines)


def test_publishing_needs_no_database(on_redis: Cli) -> None:
    on_redis.text(*TERMINATE, "--wait", "0", database_url=f"postgresql://{NOWHERE}/nowhere")
