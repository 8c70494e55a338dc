"""Our webhooks as strangers see them: examples of receivers, with the libraries for Standard Webhooks, are endpoints.

A receiver has a secret as the command line has shown it, and takes only what is signed with it: in Python and in Node.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.system import System, wait_until
from tests.acceptance.telling import Telling, stream_of
from tests.integration.events.receivers import LANGUAGES, Language, Receiver, receiving
from tests.support import command
from tests.support.builders import execute
from worker.local.ports import free_port


class Site:
    """One endpoint of a deployment, at a port where receivers with one secret or another may listen."""

    def __init__(self, telling: Telling, language: Language, logs: Path) -> None:
        self.telling, self.system = telling, telling.system
        self._language, self._logs, self._port = language, logs, free_port()
        shown = self.cli("add", "--name", "an example", f"http://127.0.0.1:{self._port}/events")
        self.endpoint, self.secret = str(shown["response"]["id"]), str(shown["secret"])

    def cli(self, *words: str) -> dict[str, Any]:
        """What `balance-worker webhooks … --json` says."""
        done = command.run("webhooks", *words, "--json", environment=self.system.environment)
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    @contextmanager
    def receiver(self, secret: str) -> Iterator[Receiver]:
        """Tried at once, whatever has failed before."""
        environment = {"WEBHOOK_SECRET": secret}
        words = ("--port", str(self._port))
        log = self._logs / f"receiver-{secret[-12:-1].replace('/', '_')}"
        with receiving(self._language, "webhook_receiver", log, *words, environment=environment) as receiver:
            execute(self.system.engine, "update webhook_endpoints set open_at = null")
            yield receiver

    def refused(self) -> bool:
        """Whether something waits that a receiver does not take."""
        return bool(self.system.count("webhook_deliveries", "status = 'waiting' and code = 'http_400'"))


@pytest.fixture
def telling(system: System, unique_queue: str) -> Iterator[Telling]:
    with stream_of(system.broker_url, unique_queue) as stream:
        telling = Telling(system, stream, unique_queue)
        system.money_worker()
        system.io_worker()
        yield telling


@LANGUAGES
def test_an_example_takes_real_events_and_its_secret_may_be_replaced(
    telling: Telling, language: Language, tmp_path: Path
) -> None:
    site = Site(telling, language, tmp_path)
    users = telling.users(3)
    seen: list[dict[str, Any]] = []
    with site.receiver(site.secret) as old:
        telling.tell(users, 1, 2)
        telling.all_leave()
        rotated = site.cli("rotate-secret", site.endpoint)
        assert rotated["secret"] != site.secret
        telling.tell(users, 3)
        telling.all_leave()
        telling.assert_arrived(old.events, users)
        seen += old.events
        # The former secret is good no longer: what is signed with the new one alone is nothing to this receiver.
        execute(telling.system.engine, "update webhook_endpoints set former_until = clock_timestamp()")
        telling.tell(users, 4)
        wait_until("it to refuse", site.refused)
        assert len(old.events) == len(seen)
        old.stop()
    with site.receiver(rotated["secret"]) as new:
        telling.all_leave()
        telling.tell(users, 5)
        telling.all_leave()
        new.stop()
        telling.assert_arrived([*seen, *new.events], users)
    telling.assert_arrived(telling.stream.events(), users)
