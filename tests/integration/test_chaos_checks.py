"""The checks of a chaos run find what they are for: here nothing fails, and then one thing is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from models.contracts.catalogue import CATALOGUE
from models.contracts.message import parse
from models.contracts.wire.dead_letter import DeadLetter
from models.domain.letters import FOLLOW_UP_FAILED
from models.store.write.dead_letters import park
from tasks.apply.path import apply
from tests.acceptance.system import wait_until
from tests.chaos.checks import answered, findings, late, settled_jobs
from tests.chaos.endpoints import MAIN
from tests.chaos.fleet import Child
from tests.chaos.jobs import PRODUCER, How, Job, Then
from tests.chaos.known import Accepted, Known
from tests.chaos.workload import Workload, opening
from tests.support.builders import LIMITS

Read = Callable[..., list[Any]]


@pytest.fixture
def read(engine: Engine) -> Read:
    def rows(query: str, **parameters: Any) -> list[Any]:
        with engine.connect() as connection:
            return list(connection.execute(text(query), parameters))

    return rows


@pytest.fixture
def known(engine: Engine, read: Read) -> dict[str, Accepted]:
    """A run's jobs, applied in an order of its own, each of them twice."""
    known = Known()

    def settle(jobs: list[Job]) -> None:
        for job in jobs:
            known.accept(job)
        apply(engine, [parse(job.name, dict(job.arguments)) for job in (*jobs, *jobs)], LIMITS)

    settle(opening())
    [(main,)] = read("select cast(id as text) from jobs where idempotency_key = :key", key=MAIN)
    workload = Workload("one", "seed", main=main)
    settle([*islice(workload, 400), *workload.endpoints.jobs()][::-1])
    jobs = [each.job for each in known.snapshot().values() if each.job.key != MAIN]
    moved = next(job for job in jobs if job.effect and job.codes == {"applied"})
    ids = dict(map(tuple, read("select idempotency_key, cast(id as text) from jobs")))
    settle([workload.sequel(job, ids[job.key]) for job in (moved, *filter(workload.leads_on, jobs)) if job.key in ids])
    settle([job for _ in range(20) for job in workload.endpoints.jobs()])
    return known.snapshot()


def test_a_run_without_faults_comes_to_what_was_sent(read: Read, known: dict[str, Accepted]) -> None:
    assert findings(read, known) == []
    assert {each.job.name for each in known.values()} == set(CATALOGUE)
    assert {"applied", "insufficient_funds", "amount_zero", "user_not_found"} <= {
        each.code for each in settled_jobs(read).values()
    }


def test_the_same_seed_is_the_same_jobs() -> None:
    def names(seed: str) -> list[tuple[str, int | None]]:
        return [(job.name, job.effect) for job in islice(Workload("one", seed), 200)]

    assert names("seed") == names("seed") != names("other")


def test_a_lost_job_is_found(read: Read, known: dict[str, Accepted]) -> None:
    lost = Job("users.update_balance", {"idempotency_key": "lost"}, "user:1", effect=5)
    some = next(iter(known.values()))
    found = findings(read, {**known, "lost": Accepted(lost, some.at)})
    assert [line.partition(":")[0] for line in found] == ["accepted, and without an answer", "balance"]


def test_a_job_that_nobody_sent_is_found(read: Read, known: dict[str, Accepted]) -> None:
    key = next(key for key, each in known.items() if each.job.account == "user:1" and each.job.effect)
    found = findings(read, {each: known[each] for each in known if each != key})
    assert [line.partition(":")[0] for line in found] == ["answered, and never accepted", "balance"]


def test_a_wrong_amount_and_a_wrong_answer_are_found(read: Read, known: dict[str, Accepted]) -> None:
    key, right = next((key, each) for key, each in known.items() if each.job.account == "user:1" and each.job.effect)
    job = right.job
    doubled = Job(job.name, job.arguments, job.account, job.codes, 2 * (job.effect or 0))
    found = findings(read, {**known, key: Accepted(doubled, right.at)})
    assert [line.partition(":")[0] for line in found] == ["wrong", "balance"]
    refused = Job(job.name, job.arguments, job.account, frozenset({"amount_zero"}), job.effect)
    assert findings(read, {**known, key: Accepted(refused, right.at)})[0].startswith("wrong: ")


@pytest.mark.tampered_ledger
def test_a_balance_and_a_dead_letter_are_found(engine: Engine, read: Read, known: dict[str, Accepted]) -> None:
    letter = DeadLetter("failed", "why", task=None, task_id=None, queue=None, headers={}, body=b"{}")
    with engine.begin() as connection:
        connection.execute(text("update accounts set balance = balance + 1 where ref = 'hot'"))
        park(connection, [letter])
    assert [line.partition(":")[0] for line in findings(read, known)] == ["balance", "dead letter"]


def followed(known: dict[str, Accepted], how: How) -> tuple[str, dict[str, Accepted]]:
    """A key, and what is known when that job had been asked to be followed by the task "next"."""
    key, right = next((key, each) for key, each in known.items() if each.job.account == "user:1" and each.job.effect)
    return key, {**known, key: Accepted(replace(right.job, then=Then(how, ("next",))), right.at)}


def letter(reason: str, task_id: str, key: str | None = None, body: bytes = b"[[], {}, {}]") -> DeadLetter:
    return DeadLetter(
        reason, "why", task="any", task_id=task_id, queue=None, headers={}, body=body,
        producer=PRODUCER if key else None, key=key,
    )  # fmt: skip


def test_a_follow_up_comes_or_is_missed(read: Read, known: dict[str, Accepted]) -> None:
    key, asked = followed(known, "link")
    assert findings(read, asked, {"next"}) == []
    assert findings(read, asked) == [f"follow-ups: next never came after {key}"]


@pytest.mark.parametrize(("how", "found"), [("nowhere", []), ("link", ["follow-ups: more were given up than came"])])
def test_a_follow_up_that_is_given_up_is_a_letter_and_not_the_rule(
    engine: Engine, read: Read, known: dict[str, Accepted], how: How, found: list[str]
) -> None:
    with engine.begin() as connection:
        park(connection, [letter(FOLLOW_UP_FAILED, "next")])
    assert [line.partition(",")[0] for line in findings(read, followed(known, how)[1])] == found


@pytest.mark.parametrize("reason", ["chord", FOLLOW_UP_FAILED])
@pytest.mark.parametrize("may_be", [True, False])
def test_only_some_jobs_may_be_letters(
    engine: Engine, read: Read, known: dict[str, Accepted], reason: str, may_be: bool
) -> None:
    job = Job("users.update_balance", {"idempotency_key": "refused"}, "user:1", effect=5, follows=may_be)
    by_itself = letter(FOLLOW_UP_FAILED, "its", body=b'[[], {"idempotency_key": "refused"}, {}]')
    before = answered(read)
    with engine.begin() as connection:
        park(connection, [by_itself if reason == FOLLOW_UP_FAILED else letter(reason, "its", job.key)])
    assert answered(read) == before + 1
    found = findings(read, {**known, job.key: Accepted(job, next(iter(known.values())).at)})
    assert bool(found) is not may_be, found


def test_what_waits_while_nothing_is_wrong_with_money_is_found(read: Read, known: dict[str, Accepted]) -> None:
    settled = settled_jobs(read)
    key, at = next((key, settled[key].at) for key in known)
    slow = {key: Accepted(known[key].job, at - timedelta(seconds=5))}
    minute = timedelta(minutes=1)
    assert late([("frozen", at - minute, at + minute)], slow, settled) == [
        "1 of 1 jobs waited, the longest 5.0 s: frozen"
    ]
    assert late([("frozen", at - minute, at - timedelta(seconds=2))], slow, settled) == [], "it came when that was over"


CATCHES = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit({code})); print('up', flush=True)"
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say who catches a signal")
@pytest.mark.parametrize(
    ("program", "wrong"),
    [("print('up', flush=True)", False), (CATCHES.format(code=0), False), (CATCHES.format(code=3), True)],
    ids=["still starting", "stopped in order", "stopped with an error"],
)
def test_a_process_that_does_not_stop_in_order_is_found(tmp_path: Path, program: str, wrong: bool) -> None:
    child = Child("child", ["-c", f"{program}; import signal; signal.pause()"], {}, tmp_path)
    child.start()
    try:
        wait_until("it to be up", lambda: child.said() == "up")
        child.stop()
        assert bool(child.farewell()) is wrong
    finally:
        child.close()


def test_a_process_may_take_its_time_to_stop_while_other_faults_come_and_go(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    waits = f"signal.signal(signal.SIGTERM, lambda *_: sys.exit(len(open({str(gate)!r}).read())))"
    child = Child(
        "child", ["-c", f"import signal, sys; {waits}; print('up', flush=True); signal.pause()"], {}, tmp_path
    )
    child.start()
    try:
        wait_until("it to be up", lambda: child.said() == "up")
        child.stop()
        assert child.stopping
        gate.write_text("")
        assert child.farewell() is None
        assert not child.stopping
    finally:
        child.close()
