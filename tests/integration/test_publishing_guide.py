"""The messages in docs/publishing.md are what a worker understands, taken from the page as they stand."""

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import amqp
import pytest
import redis
from celery.app.task import Context
from kombu import Connection, Exchange, Queue
from kombu.message import Message
from sqlalchemy import create_engine, text

from balance_client import BalanceClient
from balance_client.testing import FakeWorker
from models.contracts.message import parse
from models.contracts.spec.asyncapi import document
from models.domain.deciding.commands import WalletTopUp
from tests.unit.test_asyncapi import validator
from tests.unit.test_client import document as outcome_document

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "publishing.md").read_text(encoding="utf-8")
TOP_UP = document()["channels"]["balance"]["messages"]["wallets.top_up"]


def example(name: str) -> str:
    found = re.search(rf"<!-- tested: {name} -->\n```\w+\n(.*?)```", GUIDE, re.DOTALL)
    assert found, f"docs/publishing.md has no example marked {name!r}"
    return found[1]


def received(url: str, queue: str) -> Message:
    """The message as kombu's consumer hands it to Celery."""
    messages: list[Message] = []
    with Connection(url) as connection:
        declared = Queue(queue, Exchange(""), routing_key=queue, no_declare=True)
        with connection.Consumer([declared], accept=["json"], on_message=messages.append):
            connection.drain_events(timeout=10)
        messages[0].ack()
    return messages[0]


def assert_understood(message: Message) -> None:
    args, kwargs, embed = message.decode()
    assert args == []
    assert set(embed) == {"callbacks", "errbacks", "chain", "chord"}
    job = parse(message.headers["task"], kwargs)
    assert isinstance(job.command, WalletTopUp)
    assert (job.producer, job.key) == ("billing", "invoice-1042")
    validator(TOP_UP["payload"]).validate([args, kwargs, embed])
    validator(TOP_UP["headers"]).validate(dict(message.headers))
    # What Celery makes of the headers when it receives a message.
    context = Context(message.headers, args=args, kwargs=kwargs, delivery_info=message.delivery_info)
    assert context.id == message.headers["id"]
    assert context.ignore_result is True


@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "base64"])
def test_redis_frame_is_understood(redis_url: str, encoded: bool) -> None:
    frame = example("redis frame")
    if encoded:
        content = json.loads(frame)
        content["body"] = base64.b64encode(content["body"].encode()).decode()
        content["properties"]["body_encoding"] = "base64"
        frame = json.dumps(content)
    with redis.Redis.from_url(redis_url) as server:
        assert server.lpush("balance", frame) == 1
        message = received(redis_url, "balance")
        assert_understood(message)
        assert server.hlen("unacked") == 0, "acknowledged by its delivery_tag"


def test_redis_frame_has_the_parts_of_the_clients(redis_url: str) -> None:
    with BalanceClient(redis_url) as client, redis.Redis.from_url(redis_url) as server:
        client.wallets_debit(idempotency_key="k", wallet_id="w_1", credits=1)
        [raw] = server.lrange("balance", 0, -1)
    ours, documented = json.loads(raw), json.loads(example("redis frame"))
    assert set(documented) == set(ours)
    assert set(documented["properties"]) == set(ours["properties"]) - {"body_encoding"}
    assert set(documented["headers"]) <= set(ours["headers"])


def test_amqp_message_is_understood(rabbitmq_url: str, unique_queue: str) -> None:
    content: dict[str, Any] = json.loads(example("amqp message"))
    with Connection(rabbitmq_url, transport_options={"confirm_publish": True}) as connection:
        channel: Any = connection.channel()
        channel.queue_declare(unique_queue, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
        message = amqp.Message(content["body"], application_headers=content["headers"], **content["properties"])
        channel.basic_publish(message, exchange="", routing_key=unique_queue, mandatory=True)
    assert_understood(received(rabbitmq_url, unique_queue))


def test_python_example_publishes_what_the_redis_example_says(redis_url: str) -> None:
    code = GUIDE.partition("## From Python")[2].partition("```python\n")[2].partition("    outcome = ")[0]
    exec(code.replace("redis://localhost:6379/0", redis_url), {})  # the page's own lines, up to waiting
    _, kwargs, _ = received(redis_url, "balance").decode()
    _, documented, _ = json.loads(json.loads(example("redis frame"))["body"])
    assert parse("wallets.top_up", kwargs).fingerprint == parse("wallets.top_up", documented).fingerprint


def test_asyncio_example_publishes_and_waits(redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    def answer_all() -> None:
        with redis.Redis.from_url(redis_url) as server:
            for _ in range(200):
                _, frame = server.blpop(["balance"], timeout=20)
                message = json.loads(frame)
                key = json.loads(base64.b64decode(message["body"]))[1]["idempotency_key"]
                meta = {"status": "SUCCESS", "result": outcome_document(idempotency_key=key)}
                name = f"celery-task-meta-{message['headers']['id']}"
                server.set(name, json.dumps(meta, default=str))
                server.publish(name, json.dumps(meta, default=str))

    with ThreadPoolExecutor(1) as pool:
        answering = pool.submit(answer_all)
        exec(example("asyncio").replace("redis://localhost:6379/0", redis_url), {})
        answering.result(timeout=20)
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(f"invoice-{number} applied" for number in range(200))


def test_outbox_example_publishes_its_job(redis_url: str, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'shop.db'}"
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("create table orders (name text)"))
    code = example("outbox").replace("sqlite:///shop.db", database).replace("redis://localhost:6379/0", redis_url)
    # The relay runs until it is told to stop: here from the beginning, and then once more by hand.
    code = code.replace("stopping = Event()", "stopping = Event(); stopping.set()")
    names: dict[str, Any] = {}
    exec(code, names)
    with BalanceClient(redis_url) as client:
        assert names["outbox"].relay(engine, client) == 1
    _, kwargs, _ = received(redis_url, "balance").decode()
    assert kwargs == {"idempotency_key": "order-7", "producer": "shop", "user_id": 42, "amount_kopeks": -1500}
    engine.dispose()
    names["engine"].dispose()


def test_example_of_unit_tests_passes() -> None:
    names: dict[str, Any] = {}
    exec(example("in memory"), names)
    names["test_a_ride_is_paid_once"](FakeWorker())


def test_what_is_shown_of_an_example_stands_in_it() -> None:
    """The examples are run by tests/recipes."""
    shown = re.findall(r"<!-- from: (\S+) -->\n```\w+\n(.*?)```", GUIDE, re.DOTALL)
    assert len(shown) == GUIDE.count("<!-- from:") > 0
    for path, lines in shown:
        assert lines in (ROOT / path).read_text(encoding="utf-8"), path


def test_page_is_short() -> None:
    assert len(GUIDE.splitlines()) < 360
