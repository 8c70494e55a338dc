"""Flower's own pages tell the truth: what became of a job, whose it is, and why a button does nothing."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import pytest

from tests.acceptance.system import System, wait_until
from tests.support.builders import done
from worker.local.ports import free_port

LOGIN = {"Authorization": f"Basic {b64encode(b'admin:pw').decode()}"}
BUTTONS = {
    "worker/pool/grow/{worker}?n=1": "keeps the size",
    "worker/pool/shrink/{worker}?n=1": "keeps the size",
    "worker/pool/autoscale/{worker}?min=1&max=2": "keeps the size",
    "task/rate-limit/{task}?workername={worker}&ratelimit=1/m": "no limit is kept",
    "task/timeout/{task}?workername={worker}&hard=9&soft=9": "no limit is kept",
}


class Flower:
    def __init__(self, system: System) -> None:
        self.port = free_port()
        given = {"FLOWER_BASIC_AUTH": "admin:pw"}
        system.start("flower", ["-m", "celery", "-A", "worker.app", "flower", f"--port={self.port}"], given)
        wait_until("Flower to answer", lambda: self.ask("/healthcheck")[0] == 200)

    def ask(self, path: str, data: bytes | None = None) -> tuple[int, str]:
        """The status, and what is said; (0, "") while it starts."""
        try:
            with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", data, LOGIN), timeout=30) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except URLError:
            return 0, ""

    def tasks(self, search: str = "") -> list[dict[str, Any]]:
        """What the search box of the list of tasks finds."""
        asked = {
            "draw": 1, "start": 0, "length": 50, "search[value]": search, "order[0][column]": 0, "order[0][dir]": "asc",
            "columns[0][data]": "received",
        }  # fmt: skip
        status, said = self.ask(f"/tasks/datatable?{urlencode(asked)}")
        assert status == 200, said
        found: list[dict[str, Any]] = json.loads(said)["data"]
        return found


@pytest.fixture
def flower(system: System) -> Flower:
    return Flower(system)


def test_what_became_of_a_job_and_whose_it_is(flower: Flower, system: System) -> None:
    done(system.engine, "wallets.create", wallet_id="w_1")
    system.money_worker()
    top_up = {
        "wallet_id": "w_1", "credits_to_add": "5", "transaction_reason": "INVOICE_PAYMENT", "producer": "billing",
        "metadata": {"card": "4242-4242"},
    }  # fmt: skip
    for name, key, arguments in (
        ("wallets.top_up", "k1", top_up),
        ("wallets.top_up", "k1", top_up),
        ("wallets.debit", "k2", {"wallet_id": "w_1", "credits": "9", "producer": "shop"}),
        ("wallets.debit", "k3", {"wallet_id": "w_1", "credits": "a lot", "producer": "shop"}),
    ):
        system.send(name, idempotency_key=key, **arguments).get()
    system.send("wallets.debit", wallet_id="w_1", credits="1")  # without a key
    wait_until("Flower to know of all", lambda: [each["state"] for each in flower.tasks()].count("FAILURE") == 1)
    wait_until("the others", lambda: [each["state"] for each in flower.tasks()].count("SUCCESS") == 4)

    told = {(each["kwargs"], each["result"]) for each in flower.tasks() if each["state"] == "SUCCESS"}
    assert told == {
        ("{'account': 'wallet:w_1', 'producer': 'billing', 'key': 'k1'}", "applied"),
        ("{'account': 'wallet:w_1', 'producer': 'billing', 'key': 'k1'}", "applied (replayed)"),
        ("{'account': 'wallet:w_1', 'producer': 'shop', 'key': 'k2'}", "rejected: insufficient_funds"),
        ("{'producer': 'shop', 'key': 'k3'}", "rejected: invalid_request"),
    }
    found = {search: len(flower.tasks(search)) for search in (
        "result:rejected", "result:insufficient_funds", "result:replayed", "kwargs:account=wallet:w_1",
        "kwargs:producer=shop", "kwargs:key=k3", "kwargs:unusable_key",
    )}  # fmt: skip
    assert list(found.values()) == [2, 1, 1, 3, 2, 1, 1], found
    shown = json.dumps(flower.tasks()) + flower.ask("/api/tasks")[1] + flower.ask(f"/task/{_failed(flower)}")[1]
    assert "4242" not in shown, "arguments are for the ledger alone"
    assert "a lot" not in shown


def _failed(flower: Flower) -> str:
    [failed] = [each["uuid"] for each in flower.tasks() if each["state"] == "FAILURE"]
    return str(failed)


def test_a_button_that_cannot_work_says_why(flower: Flower, system: System) -> None:
    system.money_worker()
    worker = quote(f"money@{system.queue}")
    wait_until("Flower to know the worker", lambda: worker in quote(flower.ask("/api/workers?refresh=true")[1]))
    for path, why in BUTTONS.items():
        status, said = flower.ask(f"/api/{path.format(worker=worker, task='wallets.top_up')}", b"")
        assert (status, why in said) == (403, True), (path, status, said)
