"""A publisher that goes on while something is done to the deployment, and what came of its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from sqlalchemy import Engine, text

from balance_client import BalanceClient, PublishFailed
from tests.acceptance.system import System, wait_until
from tests.support.coherence import assert_ledger_is_coherent

PRODUCER = "load"
_PAUSE_S = 0.01  # about a hundred a second


class Load:
    """One job after the other, each under a key of its own, adds 1 to the balance of user 1.

    As publishers must, it publishes again under the same key what the broker has not accepted. `accepted`: keys.
    """

    def __init__(self, system: System, secret: str | None = None) -> None:
        self.accepted: list[str] = []
        self._system = system
        self._client = self._client_with(secret)
        self._ended: list[BalanceClient] = []
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="load")
        self._fault: Exception | None = None

    def _client_with(self, secret: str | None) -> BalanceClient:
        return BalanceClient(self._system.broker_url, PRODUCER, queue=self._system.queue, secret=secret)

    def sign_with(self, secret: str) -> None:
        """From the next job on."""
        self._ended.append(self._client)
        self._client = self._client_with(secret)

    def publish(self, key: str) -> None:
        job = {"idempotency_key": key, "user_id": 1, "amount_kopeks": 1}
        while True:
            try:
                self._client.submit(("users.update_balance", job), want_result=False)
                return
            except PublishFailed:
                assert not self._stopping.wait(_PAUSE_S), "the broker takes nothing"

    def more(self, count: int = 200) -> None:
        """Returns when so many more were accepted."""
        wanted = len(self.accepted) + count

        def there() -> bool:
            assert self._fault is None, self._fault
            return len(self.accepted) >= wanted

        wait_until(f"{count} more jobs to be published", there)

    def _run(self) -> None:
        try:
            while not self._stopping.wait(_PAUSE_S):
                key = f"k{len(self.accepted)}"
                self.publish(key)
                self.accepted.append(key)
        except Exception as error:  # noqa: BLE001 - said by the test's own thread
            self._fault = error

    def start(self) -> None:
        opened = self._client.users_upsert(idempotency_key="open", user_id=1).get(60)
        assert opened.applied
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def close(self) -> None:
        self.stop()
        for client in (*self._ended, self._client):
            client.close()


@contextmanager
def load_on(system: System, secret: str | None = None) -> Iterator[Load]:
    """Publishes until it is stopped, or the block ends."""
    load = Load(system, secret)
    try:
        load.start()
        yield load
        load.stop()
        assert load._fault is None, load._fault
    finally:
        load.close()


def all_settled(system: System, load: Load) -> None:
    """Each accepted job once, and none was parked. Fails the test otherwise."""
    expected = len(load.accepted)
    wait_until("every job", lambda: system.count("entries") >= expected)
    assert system.count("entries") == expected
    assert settled_keys(system) == {*load.accepted, "open"}
    assert system.count("dead_letters") == 0
    assert_ledger_is_coherent(system.engine)


def settled_keys(system: System) -> set[str]:
    return {key for (key,) in system.rows("select idempotency_key from jobs")}


def longest_pause_s(engine: Engine) -> float:
    """Between two moments at which jobs were settled, by the database's clock."""
    gaps = "select created_at - lag(created_at) over (order by created_at) as gap from entries"
    with engine.connect() as connection:
        found = connection.scalar(text(f"select extract(epoch from max(gap)) from ({gaps}) as gaps"))
    return round(float(found), 2)
