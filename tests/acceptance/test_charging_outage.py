"""A payment service that is away: charges wait, nobody is charged anew, the log is readable, an operator has the last
word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from models.domain.charging.policies import ProviderName
from tasks.auto_topup import charging
from tasks.auto_topup import scan as autotopup
from tasks.auto_topup.charging import Asker, AskPolicy
from tasks.reminder import Reminder
from tests.acceptance.charging import PaymentService, assert_charged_once, fall_due, payment_service, statuses
from tests.acceptance.system import System, wait_until
from tests.support.builders import applier, ask, balance, execute, rows
from tests.support.resealed import execute_resealed
from tests.support.servers.recording_proxy import RecordingProxy, Reply
from worker.providers.http import HttpProvider

ACCOUNTS: Final = ("wallet:w_1", "wallet:w_2", "user:7")
AWAY: Final = Reply(503, b"away", {"Connection": "close"})
HOUR_S: Final = 3_600.0
SECRET: Final = "anything"
_TWENTY_SECONDS_PASS: Final = """
    update charges set ask_at = ask_at - interval '20 s', created_at = created_at - interval '20 s'
"""
_UNTIL_NEXT: Final = """
    select greatest(extract(epoch from min(ask_at) - clock_timestamp()), 0) + 0.001 as pause from charges
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[PaymentService]:
    with payment_service(tmp_path) as service:
        yield service


@pytest.fixture
def proxy(service: PaymentService, system: System) -> Iterator[RecordingProxy]:
    """In front of the service; nobody listens there yet."""
    with RecordingProxy(service.url) as proxy:
        proxy.go_down()
        system.environment |= service.settings(
            BALANCE_CHARGE_HTTP_URL=f"{proxy.url}/charges", BALANCE_TOPUP_SCAN_EVERY_S="0.1"
        )
        yield proxy


def test_an_outage_makes_no_second_charge_and_no_long_log(
    system: System, engine: Engine, service: PaymentService, proxy: RecordingProxy
) -> None:
    """It cannot be reached, then says that it is away, and then cannot be reached again."""
    system.environment |= {"BALANCE_CHARGE_RETRY_CAP_S": "0.1"}
    system.io_worker()
    system.beat()
    fall_due(engine, ACCOUNTS)
    _asked_for(engine, 3)
    proxy.spoil(*[AWAY] * 1_000)
    proxy.come_up()
    _answered(proxy, 9)
    for _ in range(2):
        proxy.go_down()
        _asked_for(engine, _attempts(engine) + 3)
        proxy.come_up()
        _answered(proxy, 3)
    assert ask(engine, "wallets.debit", wallet_id="w_1", credits=5)["code"] == "insufficient_funds"
    assert statuses(engine) == {"pending": 3}
    said = [line for line in system.log("io").split("\n") if "charge.unknown" in line]
    answers = [_word(line, "answer") for line in said]
    assert len(answers) == len({*answers}), "each once a minute"
    assert {"http_503", "not_connected"} <= {*answers} <= {"http_503", "not_connected", "connection_lost"}
    proxy.forgive()
    wait_until("all charges", lambda: statuses(engine) == {"succeeded": 3})
    assert_charged_once(engine, service, Counter(ACCOUNTS))


def test_an_hour_of_it_is_said_once_a_minute(
    engine: Engine, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time passes by moving back when charges are asked for, and by the clock of the reminder."""
    now = 0.0
    monkeypatch.setattr(charging, "_REMINDER", Reminder(clock=lambda: now))
    fall_due(engine, ACCOUNTS)
    assert autotopup.scan(applier(engine), 100) == len(ACCOUNTS)
    provider = HttpProvider(f"{proxy.url}/charges", SECRET, timeout_s=5)
    asker = Asker(applier(engine), {ProviderName.HTTP: provider}, AskPolicy(base_s=5, cap_s=20, give_up_s=2 * HOUR_S))
    said: list[float] = []
    while now < HOUR_S:
        with capture_logs() as logs:
            assert asker.ask_due() == 0
        said += [now for line in logs if line["event"] == "charge.unknown"]
        pause = float(rows(engine, _UNTIL_NEXT)[0]["pause"])
        execute(engine, "update charges set ask_at = ask_at - make_interval(secs => :pause)", pause=pause)
        now += pause
    provider.close()
    assert statuses(engine) == {"pending": len(ACCOUNTS)}
    assert _attempts(engine) > len(ACCOUNTS) * 180
    assert 40 <= len(said) <= 60
    assert all(later - earlier >= 60 for earlier, later in pairwise(said))


def test_a_service_that_wants_a_day_of_rest_is_asked_once_more_before_it_is_given_up(
    engine: Engine, proxy: RecordingProxy
) -> None:
    proxy.come_up()
    proxy.spoil(*[Reply(503, b"away", {"Retry-After": "86400"})] * 2)
    fall_due(engine, ACCOUNTS[:1])
    assert autotopup.scan(applier(engine), 100) == 1
    provider = HttpProvider(f"{proxy.url}/charges", SECRET, timeout_s=5)
    asker = Asker(applier(engine), {ProviderName.HTTP: provider}, AskPolicy(give_up_s=20))
    with capture_logs() as logs:
        asker.ask_due()
        [asked] = rows(engine, "select ask_at - created_at as age from charges")
        assert asked["age"].total_seconds() == 20
        execute_resealed(engine, _TWENTY_SECONDS_PASS)
        asker.ask_due()
    provider.close()
    assert [line["event"] for line in logs] == ["charge.unknown", "charge.unresolved"]
    assert rows(engine, "select ask_at, attempts from charges") == [{"ask_at": None, "attempts": 2}]


def test_what_nobody_knows_of_is_left_to_an_operator(
    system: System, engine: Engine, service: PaymentService, proxy: RecordingProxy
) -> None:
    system.io_worker(BALANCE_CHARGE_GIVE_UP_S="1")
    system.money_worker()
    system.beat()
    fall_due(engine, ["wallet:w_1"])
    wait_until("it to be given up", lambda: "charge.unresolved" in system.log("io"))  # which is said before it is noted
    [charge] = wait_until("it to be noted", lambda: rows(engine, "select id, answer from charges where ask_at is null"))
    assert charge["answer"] == "unknown: not_connected"
    [said] = [line for line in system.log("io").split("\n") if "charge.unresolved" in line]
    assert f"balance-worker charges settle {charge['id']}" in said
    proxy.come_up()
    _ticks(system, 4)
    assert (service.asked(), statuses(engine)) == ([], {"pending": 1}), "it is an operator's now"
    told = {"charge_id": str(charge["id"]), "status": "succeeded", "reference": "looked up"}
    for _ in range(2):
        assert system.ask("charges.settle", idempotency_key="by hand", **told)["code"] == "applied"
    assert balance(engine, "wallet:w_1") == 50 * 10**9
    assert statuses(engine) == {"succeeded": 1}
    assert system.ask("wallets.debit", idempotency_key="k", wallet_id="w_1", credits=45)["code"] == "applied"
    wait_until("the next charge", lambda: statuses(engine) == {"succeeded": 2})
    assert sum(service.charged().values()) == 1


def _attempts(engine: Engine) -> int:
    return int(rows(engine, "select coalesce(sum(attempts), 0) as attempts from charges")[0]["attempts"])


def _asked_for(engine: Engine, attempts: int) -> None:
    wait_until(f"{attempts} attempts", lambda: _attempts(engine) >= attempts)


def _answered(proxy: RecordingProxy, more: int) -> None:
    before = len(proxy.asked)
    wait_until(f"{more} answers", lambda: len(proxy.asked) >= before + more)


def _ticks(system: System, more: int) -> None:
    def ended() -> int:
        return sum("Task charges.ask[" in each and " succeeded in " in each for each in system.log("io").split("\n"))

    before = ended()
    wait_until("more ticks", lambda: ended() >= before + more)


def _word(line: str, name: str) -> Any:
    """What a line of the log says under this name."""
    return next(word.partition("=")[2] for word in line.split() if word.startswith(f"{name}="))
