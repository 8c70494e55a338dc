"""Health: what the doctor finds, what waits and who works on it; what is away is said in its place."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser

from tests.browser.looking import looking
from tests.browser.running import RunningFlower

HEADINGS = ["What the doctor finds", "Queues and workers", "What waits in the database"]


@pytest.mark.usefixtures("worker")
def test_it_tells_of_findings_queues_workers_and_what_waits(browser: Browser, acting: RunningFlower) -> None:
    with looking(browser, acting) as look:
        tab = look.visit("/health")
        assert tab.locator("h2").all_inner_texts() == HEADINGS
        findings = tab.get_by_role("region", name="Findings").locator("tbody tr").all_inner_texts()
        levels = [row.split()[0] for row in findings]
        assert levels == sorted(levels, key=["failure", "warning", "ok"].index), "the worst first"
        assert any(re.search(r"failure\s+beat\.alive\s+cannot be seen", row) for row in findings), findings
        assert any("worker.ready" in row for row in findings), "workers are asked"
        queues = tab.get_by_role("region", name="Queues").locator("tbody tr").all_inner_texts()
        assert {row.split()[0] for row in queues} == {"balance", "balance.io"}
        [worker] = tab.get_by_role("region", name="Workers").locator("tbody tr").all_inner_texts()
        assert "ready" in worker.split()
        assert "no worker that answered has heard a tick" in tab.locator("main").inner_text()
        assert re.search(r"\d+ in the outbox, the oldest for", tab.locator("main").inner_text())
        look.press(tab.get_by_role("link", name=re.compile("parked")))
        assert tab.url.endswith("/dead-letters?status=parked")


def test_a_broker_that_is_away_is_said_in_its_place(brokerless: RunningFlower) -> None:
    with httpx.Client(base_url=brokerless.url, auth=brokerless.login, timeout=60) as client:
        page = client.get("/health").text
    assert re.search(r'role="alert">The broker: OperationalError: .*: see that the broker runs', page)
    assert "broker.reachable" in page
    assert "in the outbox" in page
    assert "parked</a>" in page
