"""The I/O worker is killed at every step of charging: nobody is charged twice, or for nothing. docs/crash-matrix.md

A tick is acknowledged before it runs, so that the broker plays no part in what follows; these run on Redis alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine

from models.domain.jobs.decide import decide
from models.store.write import entries as written
from models.store.write.top_ups import asking, charges, policies
from tasks.auto_topup import scan as autotopup
from tests.acceptance.charging import PaymentService, assert_charged_once, fall_due, payment_service, statuses
from tests.acceptance.killpoints import OF_EVENTS, KillPoint, assert_killed
from tests.acceptance.scheduled import Scheduled
from tests.acceptance.system import wait_until
from tests.support.builders import applier, execute, rows
from worker.providers.http import HttpProvider

ACCOUNTS: Final = ("wallet:w_1", "wallet:w_2", "user:7")
_CLAIMED: Final = """
    select status <> 'pending' or ask_at > clock_timestamp() + interval '10 s' as for_long
    from charges where attempts > 0
"""
SCAN, ASK = "autotopup.scan", "charges.ask"
_COMMIT: Final = Connection.commit
# tick, step, function, when, which call of it: and how many charges there are, are asked for, are paid and credited by
# then; two are claimed at a time, of which one may be the victim's last.
STEPS: Final[list[tuple[str, str, Any, Any, int, int, int, int, int]]] = [
    (SCAN, "found", policies.due, "after", 1, 0, 0, 0, 0),
    (SCAN, "look decided", decide, "after", 2, 0, 0, 0, 0),
    (SCAN, "charges written", charges.save, "after", 1, 0, 0, 0, 0),
    (SCAN, "before the commit", _COMMIT, "before", 1, 0, 0, 0, 0),
    (SCAN, "after the commit", _COMMIT, "after", 1, 3, 0, 0, 0),
    (ASK, "claimed", asking.claim, "after", 1, 3, 0, 0, 0),
    (ASK, "before the claim's commit", _COMMIT, "before", 1, 3, 0, 0, 0),
    (ASK, "after the claim's commit", _COMMIT, "after", 1, 3, 2, 0, 0),
    (ASK, "before the provider is asked", HttpProvider.charge, "before", 1, 3, 2, 0, 0),
    (ASK, "after the provider has charged", HttpProvider.charge, "after", 1, 3, 2, 1, 0),
    (ASK, "settlement decided", decide, "after", 1, 3, 2, 1, 0),
    (ASK, "entry written", written.insert, "after", 1, 3, 2, 1, 0),
    (ASK, "before the settlement's commit", _COMMIT, "before", 2, 3, 2, 1, 0),
    (ASK, "after the settlement's commit", _COMMIT, "after", 2, 3, 2, 1, 1),
]


@pytest.fixture(scope="module")
def running_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentService]:
    with payment_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def service(running_service: PaymentService, scheduled: Scheduled) -> PaymentService:
    """Where the workers of this test charge."""
    running_service.forget()
    scheduled.system.environment |= running_service.settings(BALANCE_CHARGE_CONCURRENCY="1")
    return running_service


@pytest.mark.parametrize(
    ("tick", "step", "function", "when", "call", "made", "asked", "paid", "credited"),
    STEPS,
    ids=[f"{each[0]}, {each[1]}" for each in STEPS],
)
def test_charging_killed_at_a_step_charges_once(
    scheduled: Scheduled,
    engine: Engine,
    service: PaymentService,
    tick: str,
    step: str,
    function: Any,
    when: Any,
    call: int,
    made: int,
    asked: int,
    paid: int,
    credited: int,
) -> None:
    fall_due(engine, ACCOUNTS)
    if tick == ASK:
        assert autotopup.scan(applier(engine), 100) == 3
    point = KillPoint(function, when, call, OF_EVENTS)
    scheduled.tick(tick)
    with scheduled.io_worker("victim", point) as victim:
        assert_killed(victim, point, scheduled.log("victim"))
    assert sum(statuses(engine).values()) == made, step
    claimed = rows(engine, _CLAIMED)
    assert len(claimed) == asked
    assert all(each["for_long"] for each in claimed), "as long as several requests may take, ten seconds each"
    assert len(service.charged()) in {paid, min(2 * paid, asked)}
    assert statuses(engine)["succeeded"] in {credited, 2 * credited}
    with scheduled.io_worker("rescuer"):
        _claims_run_out(engine)
        _both_ticks(scheduled, 1)
        assert statuses(engine) == {"succeeded": 3}
        _both_ticks(scheduled, 2)
    assert_charged_once(engine, service, Counter(ACCOUNTS))


def test_what_a_dead_worker_has_claimed_is_asked_for_when_its_claim_runs_out(
    scheduled: Scheduled, engine: Engine, service: PaymentService
) -> None:
    scheduled.system.environment |= {"BALANCE_CHARGE_TIMEOUT_S": "0.2"}
    fall_due(engine, ACCOUNTS[:1])
    assert autotopup.scan(applier(engine), 100) == 1
    point = KillPoint(HttpProvider.charge, "before")
    scheduled.tick(ASK)
    with scheduled.io_worker("victim", point) as victim:
        assert_killed(victim, point, scheduled.log("victim"))
    [claimed] = rows(engine, "select ask_at, attempts from charges")
    assert claimed["attempts"] == 1

    def settled() -> bool:
        scheduled.tick(ASK)
        return statuses(engine) == {"succeeded": 1}

    with scheduled.io_worker("rescuer"):
        wait_until("the charge", settled)
    [asked] = service.asked()
    assert datetime.fromtimestamp(asked["at"], UTC) >= claimed["ask_at"], "nobody asks for what another has claimed"
    assert_charged_once(engine, service, Counter(ACCOUNTS[:1]))


def _claims_run_out(engine: Engine) -> None:
    """No test waits for that, but for the one of it."""
    execute(engine, "update charges set ask_at = clock_timestamp() where status = 'pending'")


def _both_ticks(scheduled: Scheduled, times: int) -> None:
    for name in (SCAN, ASK):
        scheduled.tick(name)
    wait_until("both ticks", lambda: scheduled.ticks("rescuer") == 2 * times)
