"""Charging is switched off: from the next tick on nothing is looked at or asked for. Switched on, all goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Engine

from models.store.connection.session import transaction
from models.store.write.top_ups import switches
from tests.acceptance.charging import PaymentService, assert_charged_once, fall_due, payment_service, statuses
from tests.acceptance.system import System, wait_until
from tests.support.builders import ask, execute, rows
from tests.support.servers.recording_proxy import RecordingProxy

ASKED_FOR, DUE = "wallet:asked_for", "user:7"
TICKS: Final = ("autotopup.scan", "charges.ask")


class Paused:
    """A payment service that cannot be reached, and an account that is to be charged there."""

    def __init__(self, system: System, service: PaymentService, proxy: RecordingProxy) -> None:
        self.system, self.service, self.proxy = system, service, proxy
        system.environment |= service.settings(
            BALANCE_CHARGE_HTTP_URL=f"{proxy.url}/charges", BALANCE_TOPUP_SCAN_EVERY_S="0.1"
        )
        proxy.go_down()
        fall_due(system.engine, [ASKED_FOR])

    def is_asked_for(self) -> None:
        wait_until("a charge that is asked for", lambda: self.attempts() > 1)

    def attempts(self) -> int:
        return sum(row["attempts"] for row in rows(self.system.engine, "select attempts from charges"))

    def more_ticks(self, worker: str) -> None:
        """Until two of each have begun after now, and ended."""
        ended = {tick: self._ended(worker, tick) for tick in TICKS}
        wait_until("ticks", lambda: all(self._ended(worker, tick) >= ended[tick] + 3 for tick in TICKS))

    def nothing_happens(self, worker: str) -> None:
        """Though the service can be reached again, and another account falls due."""
        self.more_ticks(worker)
        attempts = self.attempts()
        self.proxy.come_up()
        fall_due(self.system.engine, [DUE])
        assert execute(self.system.engine, "update charges set ask_at = clock_timestamp()") == 1, (
            "and the time has come"
        )
        before = _policies(self.system.engine)
        self.more_ticks(worker)
        assert self.attempts() == attempts, "nobody is asked"
        assert _policies(self.system.engine) == before, "nothing is looked at"
        assert statuses(self.system.engine) == {"pending": 1}
        assert self.service.asked() == []

    def all_goes_on(self) -> None:
        wait_until("both charges", lambda: statuses(self.system.engine) == {"succeeded": 2})
        assert_charged_once(self.system.engine, self.service, Counter([ASKED_FOR, DUE]))

    def _ended(self, worker: str, tick: str) -> int:
        return sum(f"Task {tick}[" in line and " succeeded in " in line for line in self.system.log(worker).split("\n"))


@pytest.fixture
def paused(system: System, tmp_path: Path) -> Iterator[Paused]:
    with payment_service(tmp_path) as service, RecordingProxy(service.url) as proxy:
        yield Paused(system, service, proxy)


def test_an_operator_switches_charging_off_for_all_and_on_again(paused: Paused, engine: Engine) -> None:
    paused.system.io_worker()
    paused.system.beat()
    paused.is_asked_for()
    _switch(engine, on=False)
    paused.nothing_happens("io")
    assert ask(engine, "auto_topup.run_now", account=DUE)["code"] == "top_up_held"
    _switch(engine, on=True)
    paused.all_goes_on()


def test_a_worker_without_charging_asks_for_nothing(paused: Paused) -> None:
    charging = paused.system.io_worker()
    paused.system.beat()
    paused.is_asked_for()
    paused.system.end("io", charging)
    not_charging = paused.system.io_worker("off", BALANCE_CHARGING="false")
    paused.nothing_happens("off")
    paused.system.end("off", not_charging)
    paused.system.io_worker("on")
    paused.all_goes_on()


def _switch(engine: Engine, *, on: bool) -> None:
    with transaction(engine) as connection:
        switches.switch(connection, switches.CHARGING, on=on, by="operator", reason="a test")


def _policies(engine: Engine) -> list[dict[str, Any]]:
    return rows(engine, "select * from policies order by account_id")
