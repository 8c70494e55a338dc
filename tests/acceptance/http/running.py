"""A door in a process of its own beside a system, and a client that asks it as another service would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx

from tests.acceptance.killpoints import KillPoint
from tests.acceptance.system import Process, System, wait_until
from worker.local.ports import free_port
from worker.publishers.http_keys import new_key

APP: Final = {"app_id": "7", "store_id": "42"}


class RunningDoor:
    """`headers`: of the key that may do everything."""

    def __init__(self, system: System, keys: Mapping[str, Any] | None = None, **settings: str) -> None:
        self._system = system
        self.directory = system.logs
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key, digest = new_key("all")
        entries = {"all": {"hashes": [digest], "producer": "default", "app": APP}, **(keys or {})}
        self._settings = {"BALANCE_HTTP_PORT": str(self.port), "BALANCE_HTTP_KEYS": json.dumps(entries), **settings}
        self.headers = {"X-API-Key": self.key}
        self.process: Process
        self.start()

    def start(self, dies_at: KillPoint | None = None) -> None:
        """Opens it; one that is to die may do so before anybody sees it open."""
        before = None if dies_at is None else dies_at.arm
        self.process = self._system.command("http", ["http"], self._settings, before)
        if dies_at is None:
            wait_until("the door to open", self._is_open)

    def _is_open(self) -> bool:
        assert self.process.poll() is None, self._system.log("http")[-3000:]
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None, **options: Any) -> httpx.Response:
        headers = {**self.headers, **({} if key is None else {"Idempotency-Key": key}), **options.pop("headers", {})}
        return httpx.request(method, self.url + path, json=body, headers=headers, timeout=40, **options)

    def post(self, path: str, body: Any = None, key: str | None = None, **options: Any) -> httpx.Response:
        return self.ask("POST", path, body, key, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, headers=self.headers, timeout=40, **options)
