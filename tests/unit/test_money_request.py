"""What Celery may not do with a money job in hand."""

from __future__ import annotations

from typing import Any

import pytest
from kombu.message import Message

from worker.app import app
from worker.consuming.delivery import MoneyRequest


class _Pool:
    def terminate_job(self, pid: int, signal: Any = None) -> None:
        raise AssertionError("the worker would kill itself")


@pytest.mark.parametrize("do", ["terminate", "cancel"])
@pytest.mark.parametrize("begun", [0.0, 1.0])
def test_it_is_neither_killed_nor_told_to_be_revoked(do: str, begun: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MoneyRequest, "_announce_revoked", _never)
    monkeypatch.setattr(MoneyRequest, "_announce_cancelled", _never)
    headers = {"id": "i", "task": "users.upsert"}
    message: Any = Message("", headers=headers)
    request: Any = MoneyRequest(
        message, app=app, hostname="h", task=app.tasks["users.upsert"], body=[[], {}, {}], decoded=True, headers=headers
    )
    request.time_start, request.worker_pid = begun, 1
    getattr(request, do)(_Pool(), "KILL")
    assert request._terminate_on_ack is None
    assert not request.revoked()


def _never(*_: object) -> None:
    raise AssertionError("somebody would be told what is not so")
