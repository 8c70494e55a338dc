"""The short form of `make chaos`: everything around the worker fails for twenty seconds, and nothing is lost.

Always from the same seed: what looks for the unknown is `make chaos`, which draws one."""

from __future__ import annotations

import os
from typing import get_args

import pytest

from tests.chaos.plan import Plan
from tests.chaos.run import run_alone
from tests.chaos.site import Kind
from tests.support.servers.rabbitmq_node import need_rabbitmq_programs

SECONDS = int(os.environ.get("BALANCE_TEST_CHAOS_S", "20"))
SEED = os.environ.get("BALANCE_TEST_CHAOS_SEED", "44")


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 400)
@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_accepted_job_is_answered_once_whatever_fails(kind: Kind) -> None:
    if kind == "rabbitmq":
        need_rabbitmq_programs()
    said: list[str] = []
    plan = Plan(SECONDS, SEED, rate=30)
    report = run_alone(kind, plan, said.append)
    shown = "\n".join([*report.findings, *said])
    assert report.green, f"{plan.again([kind])}\n{shown}"
    assert len(report.faults) >= 2, f"too little went wrong to say anything: {report.faults}"
    assert report.applied > 200, report.document()
    assert report.duplicates > 0
    assert report.refused > 0
