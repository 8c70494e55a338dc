"""What Celery may not do with a money job in hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker.request import Request
from kombu.message import Message

from models.contracts.message import Malformed
from worker.app import app
from worker.consuming.money_request import MoneyRequest


class _Pool:
    def terminate_job(self, pid: int, signal: Any = None) -> None:
        raise AssertionError("the worker would kill itself")


@pytest.mark.parametrize("do", ["terminate", "cancel"])
@pytest.mark.parametrize("begun", [0.0, 1.0])
def test_it_is_neither_killed_nor_told_to_be_revoked(do: str, begun: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MoneyRequest, "_announce_revoked", _never)
    monkeypatch.setattr(MoneyRequest, "_announce_cancelled", _never)
    request = made({})
    request.time_start, request.worker_pid = begun, 1
    getattr(request, do)(_Pool(), "KILL")
    assert request._terminate_on_ack is None
    assert not request.revoked()


def made(headers: dict[str, Any], **properties: Any) -> Any:
    message: Any = Message("", headers=headers, properties=properties, delivery_info={"routing_key": "balance"})
    consumer = SimpleNamespace(hostname="h", connection_errors=())
    return MoneyRequest(
        message, app, consumer, None, app.tasks["users.upsert"], task_id="i", name="users.upsert", headers=headers,
        content=[[], {"user_id": 1}, {}],
    )  # fmt: skip


def test_what_celery_asks_of_any_request_is_there() -> None:
    """Its own fields come from a constructor that is not called here: each is asked for once."""
    request = made({"root_id": "r", "parent_id": 7, "ignore_result": True}, reply_to="q", priority=3)
    request.asked = Malformed("eta", "no")
    asked = [name for name, item in vars(Request).items() if isinstance(item, property)]
    found = {name: getattr(request, name) for name in asked}
    assert (found["root_id"], found["parent_id"], found["ignore_result"]) == ("r", None, True)
    assert (found["reply_to"], found["correlation_id"], found["delivery_info"]["priority"]) == ("q", "i", 3)
    assert request.info()["kwargs"] == "not a job: eta"
    assert request.info().keys() == Request.info(request).keys()
    assert str(request) == request.humaninfo() == "users.upsert[i]"
    assert repr(request).startswith("<MoneyRequest")
    request.send_event("task-received")
    assert request.request_dict["id"] == "i"


@pytest.mark.parametrize("run", ["execute", "execute_using_pool"])
def test_it_is_not_run_as_a_task(run: str) -> None:
    with pytest.raises(TypeError, match="settled by its batch"):
        getattr(made({}), run)(None)


def _never(*_: object) -> None:
    raise AssertionError("somebody would be told what is not so")
