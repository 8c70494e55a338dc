"""FastAPI on the asynchronous client: many requests wait for their outcomes at once, and a repeated one is answered."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from tests.acceptance.system import System, wait_until
from tests.support.builders import done
from tests.support.distributions import ROOT
from tests.support.environments import made
from worker.local.ports import free_port

pytestmark = pytest.mark.slow

SERVICE = ROOT / "examples" / "publishers" / "fastapi"
AT_ONCE = 20
PATIENCE_S = 30


class Site:
    """The service with its workers."""

    def __init__(self, system: System, port: int) -> None:
        self.system, self._url = system, f"http://127.0.0.1:{port}"

    def pay(self, order: int, user_id: object = 42) -> tuple[int, object]:
        """Status and body of the answer."""
        question = f"{self._url}/orders/{order}/payment?user_id={user_id}&price_kopeks=1500"
        try:
            with urlopen(Request(question, method="POST"), timeout=PATIENCE_S) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error)

    def is_up(self) -> bool:
        try:
            with urlopen(f"{self._url}/docs", timeout=PATIENCE_S):
                return True
        except URLError:
            return False


@pytest.fixture
def site(any_system: System, shelf: Path, wheel: Path, tmp_path: Path) -> Iterator[Site]:
    environment = made(shelf, "fastapi", [wheel, "fastapi", "uvicorn"])
    shutil.copy(SERVICE / "app.py", tmp_path)
    port, log = free_port(), tmp_path / "uvicorn.log"
    settings = {"BALANCE_BROKER_URL": any_system.broker_url, "BALANCE_QUEUE": any_system.queue}
    with log.open("w") as output:
        service = subprocess.Popen(
            [environment.python, "-m", "uvicorn", "app:app", "--port", str(port)],
            cwd=tmp_path, env=environment.variables(settings), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        site = Site(any_system, port)
        wait_until("the service", lambda: service.poll() is not None or site.is_up())
        assert service.poll() is None, log.read_text()
        yield site
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE_S) in (0, -signal.SIGTERM), log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        service.kill()
        service.wait()


def test_requests_wait_for_their_outcomes_together(site: Site) -> None:
    system = site.system
    done(system.engine, "users.upsert", user_id=42)
    done(system.engine, "users.update_balance", user_id=42, amount_kopeks=1500 * AT_ONCE)
    system.money_worker()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(site.pay, range(AT_ONCE)))
    assert answers == [(200, {"paid": str(order), "replayed": False}) for order in range(AT_ONCE)]
    assert site.pay(0) == (200, {"paid": "0", "replayed": True})
    assert site.pay(AT_ONCE) == (409, {"detail": "insufficient_funds"})
    status, refusal = site.pay(1, user_id=-(2**63) - 1)
    assert (status, "user_id" in str(refusal)) == (422, True)
    assert system.count("entries") == AT_ONCE + 1
