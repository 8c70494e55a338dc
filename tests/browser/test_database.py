"""A database that does not answer, or not in time: the page says so in a sentence, and Flower goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from sqlalchemy import create_engine, text

from tests.acceptance.system import wait_until
from tests.browser.running import RunningFlower, flower_running
from tests.browser.sample import Ledger
from tests.support.builders import rows
from worker.local.ports import free_port

_WAITING = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


def test_pages_stand_below_the_prefix(open_flower: RunningFlower) -> None:
    with httpx.Client(base_url=open_flower.url) as client:
        page = client.get("/jobs?producer=renderer").text
        for path in ("/ops/flower/jobs", "/ops/flower/pages/static/pages.css", "/ops/flower/jobs?producer=renderer"):
            assert f'"{path}' in page, path
        assert 'href="/jobs' not in page
        assert client.get("/pages/static/pages.css").headers["Content-Type"] == "text/css"


def test_a_page_that_waits_holds_nothing_else_up(open_flower: RunningFlower, ledger: Ledger) -> None:
    owner = create_engine(ledger.url)
    with owner.connect() as locking, ThreadPoolExecutor(1) as pool:
        locking.execute(text("lock table entries in access exclusive mode"))
        slow = pool.submit(httpx.get, f"{open_flower.url}/jobs", timeout=60)
        wait_until("the page to wait", lambda: rows(owner, _WAITING))
        assert httpx.get(f"{open_flower.url}/workers").status_code == 200
        assert not slow.done()
        locking.rollback()
        assert slow.result().status_code == 200
    owner.dispose()


def test_a_database_that_is_away_is_said_in_a_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    away = {"BALANCE_FLOWER_DATABASE_URL": f"postgresql://nobody:hush@127.0.0.1:{free_port()}/balance"}
    with (
        flower_running(environment | away, tmp_path / "away.log") as running,
        httpx.Client(base_url=running.url, auth=running.login, timeout=30) as client,
    ):
        answer = client.get("/jobs")
        assert answer.status_code == 503
        assert "the database is out of reach" in answer.text
        assert "BALANCE_FLOWER_DATABASE_URL names it" in answer.text
        assert "hush" not in answer.text
        assert client.get("/workers").status_code == 200
        health = client.get("/health")
        assert health.status_code == 200
        assert "the database is out of reach" in health.text.partition("What waits in the database")[2]
        assert 'aria-label="Queues"' in health.text
        assert "hush" not in health.text
