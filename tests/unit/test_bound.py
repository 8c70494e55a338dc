"""What the comparison with the bound sees, and what the ratios of it are made of."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bound.same_rows import differences
from benchmarks.figures import Figures
from benchmarks.ratios import RATIOS, ratios
from benchmarks.usage import Usage, processor_us

OURS: dict[str, list[dict[str, Any]]] = {
    "jobs": [{"idempotency_key": "k1", "outcome": {"entry": {"amount": 5, "scale": 9}, "code": "applied"}}],
    "outbox": [{"lane": 5, "account_id": 21, "seq": 1}],
}


def test_the_same_rows_do_not_differ() -> None:
    assert differences(OURS, OURS) == set()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"outbox": [{"lane": 1, "account_id": 21, "seq": 1}]}, "outbox.lane: 5 by ours, 1 by the bound"),
        ({"outbox": [{"account_id": 21, "seq": 1}]}, "outbox.lane: 5 by ours, 'nothing' by the bound"),
        ({"outbox": []}, "outbox: {'lane': 5, 'account_id': 21, 'seq': 1} by ours, None by the bound"),
        (
            {"jobs": [{**OURS["jobs"][0], "outcome": {"entry": {"amount": 5, "scale": 2}, "code": "applied"}}]},
            "jobs.outcome.entry.scale: 9 by ours, 2 by the bound",
        ),
        (
            {"jobs": [{**OURS["jobs"][0], "outcome": {"code": "applied", "entry": {"amount": 5, "scale": 9}}}]},
            "order in jobs.outcome: ['entry', 'code'] by ours, ['code', 'entry'] by the bound",
        ),
    ],
)
def test_a_difference_is_named_by_its_field(changed: dict[str, list[dict[str, Any]]], said: str) -> None:
    assert differences(OURS, {**OURS, **changed}) == {said}


def test_a_table_that_one_of_them_does_not_fill_is_named() -> None:
    assert differences({**OURS, "answers": [{"job": "k1"}]}, OURS) == {
        "answers: {'job': 'k1'} by ours, None by the bound"
    }


def test_the_ratios_of_the_bound_are_made_of_its_part() -> None:
    figures = Figures()
    for part, name, value in (
        ("uniform", "redis_2", 8.0), ("uniform", "rabbitmq_2", 6.0), ("uniform", "redis_2_events", 7.0),
        ("bound", "redis_1", 5.0), ("bound", "redis_2", 9.0), ("bound", "bound_1", 20.0), ("bound", "bound_2", 36.0),
        ("bound", "peer", 6.0), ("bound", "hot_redis_1", 9.0), ("bound", "hot_bound_1", 30.0),
        ("cpu_us_per_job", "redis_1", 150.0), ("cpu_us_per_job", "bound_1", 50.0),
    ):  # fmt: skip
        figures.add(part, name, value, "")
    assert ratios(figures) == {
        "rabbitmq_2_vs_redis_2": 0.75, "redis_2_events_vs_redis_2": 0.875, "redis_1_vs_bound_1": 0.25,
        "redis_2_vs_bound_2": 0.25, "hot_1_vs_hot_bound_1": 0.3, "cpu_vs_bound": 3.0, "redis_2_vs_fastest_peer": 1.5,
    }  # fmt: skip
    assert [ratio.name for ratio in RATIOS if ratio.better == "lower" and "bound" in ratio.name] == ["cpu_vs_bound"]


def test_usage_is_that_of_a_job_since_the_beginning() -> None:
    before = Usage(100.0, 200.0, 300.0, 400.0)
    after = replace(before, worker_us=1100.0, wal_bytes=20_400.0)
    assert after.for_each(10, before) == Usage(100.0, 0.0, 0.0, 2_000.0)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux alone has /proc")
def test_processor_time_is_counted_with_what_a_process_has_started() -> None:
    before = processor_us([os.getpid()])
    busy = "sum(range(5_000_000)); print('done', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"done\n"
        of_child, of_both = processor_us([child.pid]), processor_us([os.getpid()])
        assert 0 < of_child <= of_both - before
        child.communicate(b"\n")
    assert processor_us([child.pid]) == 0
    assert processor_us([os.getpid()]) >= of_both
