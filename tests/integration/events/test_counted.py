"""What our own work comes to is counted where it happens: looks, charges, deliveries of webhooks."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from tasks.apply.faults import FaultLog
from tasks.auto_topup.scan import scan
from tests.integration.apply.charging import ASKED, LEVEL, charges, settled_by_us, wallet
from tests.integration.events.doubles import FAILED, OK, Sender
from tests.integration.events.endpoints import add
from tests.integration.events.test_delivering import deliverer, make_due, tell
from tests.support.builders import LIMITS, applier, done
from worker.metrics.counting import Counting


def samples(counting: Counting, name: str) -> dict[tuple[str, ...], float]:
    """By the values of the labels, in the order of the labels' names."""
    families = text_string_to_metric_families(counting.metrics.text().decode())
    return {
        tuple(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def test_looks_and_charges(engine: Engine) -> None:
    counting = Counting(FaultLog(), None)
    ours = replace(applier(engine, LIMITS), faults=counting.work)
    wallet(engine, "fires", **ASKED)
    scan(ours, 10)
    [(charge,)] = charges(engine, "id")
    wallet(engine, "holds", **LEVEL, monthly_cap=60)
    scan(ours, 10)
    done(engine, "wallets.debit", wallet_id="holds", credits=45)
    scan(ours, 10)
    assert samples(counting, "balance_top_up_evaluations_total") == {("fired",): 2, ("cap_reached",): 1}
    assert sum(samples(counting, "balance_system_jobs_total").values()) == 3
    for _ in range(2):
        ours.apply([settled_by_us(charge)])
    assert samples(counting, "balance_charges_total") == {("succeeded",): 1}, "once, however often it is asked for"
    assert samples(counting, "balance_system_jobs_total")["applied", "charges.settle", "true"] == 1


def test_attempts_to_deliver(engine: Engine) -> None:
    counting, answers = Counting(FaultLog(), None), [FAILED, OK, OK]
    add(engine)
    tell(engine, 1, times=2)
    ours = deliverer(engine, Sender(lambda _request: answers.pop(0)))
    ours.attempted = counting.work.attempted
    while answers:
        ours.run()
        make_due(engine)
    assert samples(counting, "balance_webhook_deliveries_total") == {("waiting",): 1, ("delivered",): 2}
