"""Keeps an embedded server running."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event as Flag
from threading import Thread
from typing import Final

from worker.encoding.urls import mask_url
from worker.local.server_error import ServerError
from worker.local.servers.localserver import LocalServer
from worker.local.supervisor import Backoff, Event

_SERVER_POLL_S: Final = 0.5


class ServerKeeper:
    """Starts an embedded server and starts it again when it dies, at the same address."""

    def __init__(self, server: LocalServer, tell: Callable[[Event], None]) -> None:
        self._server = server
        self._tell = tell
        self._backoff = Backoff()
        self._stopping = Flag()
        self._thread = Thread(target=self._keep, name=f"keeper-{server.name}", daemon=True)

    def start(self) -> None:
        """Raises ServerError when the first start fails."""
        self._server.start()
        self._tell(Event("ready", self._server.name, self._server.pid, mask_url(self._server.url)))
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        pid = self._server.pid
        self._server.stop()
        if pid is not None:
            self._tell(Event("stopped", self._server.name, pid, "shut down cleanly"))

    def _keep(self) -> None:
        failures = 0
        delay_s = _SERVER_POLL_S
        while not self._stopping.wait(delay_s):
            delay_s = _SERVER_POLL_S
            if self._server.pid is not None:
                failures = 0
                continue
            failures += 1
            self._tell(Event("died", self._server.name, None, f"starting it again (log: {self._server.log_path})"))
            try:
                self._server.start()
            except ServerError as error:
                delay_s = self._backoff.delay_s(failures)
                self._tell(Event("failed", self._server.name, None, f"{error}; again in {delay_s:g} s"))
            else:
                self._tell(Event("ready", self._server.name, self._server.pid, "runs again"))
