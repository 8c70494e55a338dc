"""balance-worker webhooks: endpoints and deliveries read, what is given up sent again, one event sent to look.

What is published and shows a secret is run against a real deployment: tests/acceptance/test_up_and_demo.py.
"""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from tasks.events.delivering import Deliverer, DeliveryPolicy
from tasks.events.relay import Relay
from tests.integration.cli.conftest import Cli, told
from tests.integration.events.doubles import FAILED, OK, Sender
from tests.integration.events.endpoints import add
from tests.support.builders import WEBHOOK_KEYS, applier, ask, done, execute
from tests.support.servers.queues import taken
from tests.support.servers.receiver import Receiver

NOBODY = str(uuid4())
KEY = WEBHOOK_KEYS.keys[0].decode()


def tell(engine: Engine, sender: Sender) -> None:
    """An event of user 1, sent."""
    done(engine, "users.upsert", user_id=1)
    done(engine, "users.update_balance", user_id=1, amount_kopeks=5)
    Relay(applier(engine), None).run()
    Deliverer(applier(engine), sender, WEBHOOK_KEYS, lambda: 0.5, DeliveryPolicy(base_s=100.0)).run()


def test_endpoints_are_listed_with_how_sending_goes_and_never_their_secret(cli: Cli, engine: Engine) -> None:
    good, bad = (
        add(engine, "https://good.example/"),
        add(engine, "https://bad.example/", types=["user.balance.updated"]),
    )
    tell(engine, Sender(lambda request: FAILED if "bad" in request.url else OK))
    first, second = cli.json("webhooks", "list")["endpoints"]
    assert (first["id"], first["status"], first["waiting"], first["last_code"]) == (good, "enabled", 0, "http_200")
    assert (second["id"], second["failures"], second["waiting"]) == (bad, 1, 1)
    text = cli.text("webhooks", "list").splitlines()
    assert "failing" in text[2]
    facts = cli.text("webhooks", "show", bad)
    assert "user.balance.updated" in facts
    assert "whsec" not in facts + "".join(text)
    assert cli.json("webhooks", "list", "--limit", "1")["next"] == good
    assert [each["id"] for each in cli.json("webhooks", "list", "--after", good)["endpoints"]] == [bad]
    ask(engine, "webhooks.remove", endpoint_id=good)
    assert [each["id"] for each in cli.json("webhooks", "list")["endpoints"]] == [bad]
    assert len(cli.json("webhooks", "list", "--removed")["endpoints"]) == 2


def test_what_was_given_up_is_listed_and_sent_again(cli: Cli, engine: Engine) -> None:
    endpoint = add(engine)
    sender = Sender(lambda _request: FAILED)
    tell(engine, sender)
    [waiting] = cli.json("webhooks", "deliveries", endpoint)["deliveries"]
    assert (waiting["status"], waiting["attempts"], waiting["code"], waiting["answer"]) == (
        "waiting", 1, "http_500", "no",
    )  # fmt: skip
    assert waiting["due_at"] is not None
    execute(engine, "update webhook_deliveries set status = 'exhausted', ended_at = now()")
    execute(engine, "delete from webhook_queues")
    assert cli.json("webhooks", "deliveries", endpoint, "--status", "waiting")["deliveries"] == []
    assert "exhausted" in cli.text("webhooks", "deliveries", endpoint)
    assert cli.json("webhooks", "replay", endpoint, "--since", "1h") == {"queued": 1}
    sender.reply = lambda _request: OK
    Deliverer(applier(engine), sender, WEBHOOK_KEYS, lambda: 0.5).run()
    [arrived] = cli.json("webhooks", "deliveries", endpoint)["deliveries"]
    assert (arrived["status"], arrived["event_id"]) == ("delivered", waiting["event_id"])
    assert cli.text("webhooks", "replay", endpoint) == "0 to be sent again\n"
    assert cli.json("webhooks", "replay", endpoint, "--delivered", "--number", str(arrived["number"]), "--yes") == {
        "queued": 1
    }


def test_one_event_is_sent_to_see_whether_it_is_taken(cli: Cli, engine: Engine) -> None:
    with Receiver() as receiver:
        endpoint = add(engine, receiver.url)
        taken_on = cli.json("webhooks", "test", endpoint, webhook_key=KEY, webhook_allow_private="true")
        assert (taken_on["fate"], taken_on["status"]) == ("delivered", 200)
        [asked] = receiver.asked
        assert asked.headers["webhook-id"] == taken_on["event_id"]
        assert b'"type":"webhook.test"' in asked.body
        refused = cli.json("webhooks", "test", endpoint, code=1, webhook_key=KEY)
        assert refused["code"] == "address_refused"
        assert len(receiver.asked) == 1
    assert "BALANCE_WEBHOOK_KEY" in told(cli("webhooks", "test", endpoint), 1)


@pytest.mark.parametrize("command", [["show"], ["deliveries"], ["test"], ["replay"], ["remove", "--yes"]])
def test_an_endpoint_that_is_not_there(cli: Cli, command: list[str]) -> None:
    said = told(cli("webhooks", command[0], NOBODY, *command[1:], webhook_key=KEY), 1)
    assert f"there is no endpoint {NOBODY}: `balance-worker webhooks list`" in said


def test_without_the_key_nothing_is_asked_that_would_show_a_secret(cli: Cli, redis_url: str) -> None:
    for command in (["add", "https://a.example/", "--name", "a"], ["rotate-secret", NOBODY]):
        assert "BALANCE_WEBHOOK_KEY" in told(cli("webhooks", *command, broker_url=redis_url), 1)


def test_changes_are_published_as_they_were_told(cli: Cli, engine: Engine, redis_url: str) -> None:
    endpoint, publishing = add(engine), Cli({**cli.settings, "broker_url": redis_url})
    for command in (
        ["update", "--url", "https://b.example/", "--all-types", "--kind", "wallet"],
        ["enable"],
        ["disable"],
        ["remove", "--yes"],
    ):
        publishing.json("webhooks", command[0], endpoint, *command[1:], "--key", command[0], "--wait", "0")
    sent = [*taken(redis_url, "balance")]
    named = [message.headers["task"] for message in sent]
    assert named == [f"webhooks.{name}" for name in ("update", "enable", "disable", "remove")]
    assert json.loads(sent[0].body or b"")[1] == {
        "idempotency_key": "update", "producer": "default", "endpoint_id": endpoint, "url": "https://b.example/",
        "types": None, "kinds": ["wallet"],
    }  # fmt: skip
    assert "nothing to change" in told(publishing("webhooks", "update", endpoint))
    assert "either all" in told(publishing("webhooks", "update", endpoint, "--all-kinds", "--kind", "app"))
