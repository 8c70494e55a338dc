"""Health: what the doctor finds, and what waits where; a source that is away is said in its place."""

from __future__ import annotations

from typing import Any, Final

from worker.doctor.finding import Counts, Finding, Level
from worker.doctor.workers import Report
from worker.encoding.shown import age
from worker.flower.health import FRESH_S, WAITS_S
from worker.flower.pages.base import PageHandler
from worker.flower.pages.page import Page

_WORST_FIRST: Final = [Level.FAILURE, Level.WARNING, Level.OK]


class HealthHandler(PageHandler):
    """Reading it changes nothing, and costs the deployment as much as one `balance-worker doctor` in ten seconds."""

    name = "health"

    async def get(self) -> None:
        health = await self.watch.now()
        found = (health.findings and health.findings.found) or []
        workers = [] if health.broker is None or health.broker.found is None else health.broker.found.workers
        self.show(
            "health.html", health=health, counts=Counts.of(found), found=_sorted(found), ticked=_last_tick(workers),
            fresh_s=FRESH_S, waits_s=WAITS_S, age=age,
        )  # fmt: skip


def _sorted(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda each: _WORST_FIRST.index(each.level))


def _last_tick(workers: list[Report]) -> dict[str, float]:
    """How long ago each beat's last tick came in, by the machine that it runs on."""
    heard: dict[str, float] = {}
    for worker in workers:
        beats: dict[str, dict[str, Any]] = worker.told.get("beats", {})  # an earlier version does not say
        for host, each in beats.items():
            heard[host] = min(each["age_s"], heard.get(host, each["age_s"]))
    return heard


PAGE: Final = Page("health", "Health", "health", HealthHandler)
