"""A ledger verified range by range, in parts, or with pauses: what is found is what is found of the whole at once."""

import gc
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest
from sqlalchemy import Connection, Engine

from models.domain.evidence.finding import Finding
from models.domain.evidence.progress import FINDINGS_KEPT, STEPS, Part, Progress, Report
from models.store.audit import ledger as audits
from models.store.audit.ledger import AnotherLedger, audit, audit_in, verify
from models.store.connection.session import transaction
from models.store.write import jobs
from models.store.write import rows as store_rows
from tests.integration.store.filled import fill
from tests.integration.store.test_harmful_changes import HARMFUL
from tests.support.builders import execute, job, settle
from tests.support.narrow import narrow
from tests.support.resealed import execute_resealed

pytestmark = pytest.mark.tampered_ledger
PARTS: Final = 3
NO_ACCOUNT: Final = [
    "set local session_replication_role = replica",
    "delete from accounts where ref in ('1', 'auto')",
    "update entries set account_id = account_id + 1000 where account_id = (select max(account_id) from entries)",
    "update accounts set id = -7 where ref = 'calm'",
]
DAMAGE: Final = {**{what: statements for what, (statements, _) in HARMFUL.items()}, "of no account": NO_ACCOUNT}


@pytest.fixture
def engine(emptied: Engine) -> Engine:
    return emptied


def counts(report: Report) -> tuple[int, ...]:
    return report.accounts, report.entries, report.grants, report.records, report.jobs


def alike(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Counter[Finding]:
    """What is found at once, after it was found in ranges and in parts as well."""
    whole = audit_in(connection)
    assert whole.ranges == len(STEPS) - 1, "a range of each kind"
    with monkeypatch.context() as patched:
        narrow(patched)
        ranged = audit_in(connection)
        parts = [audit_in(connection, Part(number, PARTS)) for number in range(PARTS)]
    found = Counter(whole.findings)
    assert ranged.ranges > 3 * whole.ranges
    assert (counts(ranged), Counter(ranged.findings)) == (counts(whole), found)
    together = sum((Counter(part.findings) for part in parts), Counter[Finding]())
    assert together == found, "each is found by one part"
    assert tuple(map(sum, zip(*map(counts, parts), strict=True))) == counts(whole)
    assert all(part.ranges for part in parts), "each part has something to do"
    return found


@pytest.mark.parametrize("what", DAMAGE)
def test_ranges_and_parts_find_what_the_whole_finds(kept: Engine, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    with kept.connect() as connection:
        for statement in DAMAGE[what]:
            connection.exec_driver_sql(statement)
        assert alike(connection, monkeypatch)


@pytest.mark.parametrize("seed", range(12))
def test_so_they_do_of_many_changes_at_once(kept: Engine, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    drawn = random.Random(seed)
    with kept.connect() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        for what in drawn.sample(sorted(DAMAGE), 6):
            for statement in DAMAGE[what]:
                point = connection.begin_nested()
                try:
                    connection.exec_driver_sql(statement)
                except Exception:  # noqa: BLE001 - two of them that do not go together: one is enough
                    point.rollback()
        assert alike(connection, monkeypatch)


def test_a_good_ledger_is_good_in_ranges_and_in_parts(kept: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with kept.connect() as connection:
        assert alike(connection, monkeypatch) == Counter()


class Killed(BaseException):
    """Nothing of the process is left but what it has written."""


def paused(engine: Engine, each: int, between: Callable[[], object] = lambda: None) -> tuple[Report, int]:
    """The report of a run that is killed after every so many ranges, and how often it was."""
    written, kills = Progress().text(), 0
    while True:
        progress, after = Progress.read(written), [each]

        def ranged(come: Progress, after: list[int] = after) -> None:
            nonlocal written
            written = come.text()
            after[0] -= 1
            if not after[0]:
                raise Killed

        try:
            verify(engine, progress, ranged=ranged)
            return progress.report, kills
        except Killed:
            kills += 1
            between()


@pytest.mark.parametrize("each", [1, 2, 5])
def test_a_run_that_is_killed_again_and_again_ends_with_what_one_finds(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, each: int
) -> None:
    fill(engine)
    execute(engine, "update entries set amount = amount + 1 where seq = 2")
    execute(engine, "update jobs set code = 'amount_zero' where code = 'insufficient_funds'")
    execute(engine, "update records set hash = sha256(hash) where seq = 4")
    whole = audit(engine)
    narrow(monkeypatch)
    report, kills = paused(engine, each)
    assert kills > 15 / each
    assert Counter(report.findings) == Counter(whole.findings)
    assert counts(report) == counts(whole)
    assert report.found == len(whole.findings) > 3


def test_a_ledger_that_grows_while_it_is_verified_adds_up(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each range as of a moment of its own, with jobs, accounts, refusals, new terms and pruning in between."""
    fill(engine)
    execute_resealed(engine, "update jobs set settled_at = settled_at - interval '40 days' where code = 'unchanged'")
    narrow(monkeypatch)
    monkeypatch.setattr(audits, "LOOKED_MAX_S", 0)
    before, number = counts(audit(engine)), [100]

    def grow() -> None:
        number[0] += 1
        settle(
            engine, job("users.upsert", user_id=number[0]),
            job("users.update_balance", user_id=number[0], amount_kopeks=5),
            job("users.update_balance", user_id=1, amount_kopeks=7),
            job("users.update_balance", user_id=number[0], amount_kopeks=-10**6),
            job("wallets.update", wallet_id="auto", floor=-number[0]),
            job("wallets.top_up", wallet_id="w", credits_to_add=3, priority=1, transaction_reason="INVOICE_REFUND"),
        )  # fmt: skip
        with transaction(engine) as connection:
            jobs.prune(connection, 30, 1)

    grown, told = [0], Progress()

    def ranged(_: Progress) -> None:
        if grown[0] < 10:  # it ends
            grown[0] += 1
            grow()

    verify(engine, told, ranged=ranged)
    assert told.report.findings == []
    assert grown[0] == 10
    assert all(now >= then for now, then in zip(counts(told.report), before, strict=True))
    report, kills = paused(engine, 25, grow)
    assert (report.findings, kills > 1) == ([], True)


def test_what_another_ledger_has_seen_is_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(engine)
    narrow(monkeypatch)
    come: list[str] = []
    verify(engine, Progress(), ranged=lambda progress: come.append(progress.text()))
    behind = ["set local session_replication_role = replica", "delete from records where seq > 5"]
    rewritten = ["update records set hash = sha256(hash) where seq = (select max(seq) from records)"]
    for statements in (behind, rewritten):
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
            with pytest.raises(AnotherLedger, match=r"record \d+ of journal 1"):
                audits._Look.at(connection, Progress.read(come[3]), lambda _: None)


def test_findings_beyond_measure_are_counted(engine: Engine) -> None:
    report = Report()
    report.add(Finding("user:1", None, str(number)) for number in range(FINDINGS_KEPT + 3))
    assert (report.found, len(report.findings), report.coherent) == (FINDINGS_KEPT + 3, FINDINGS_KEPT, False)
    assert Progress.read(Progress(report=report).text()).report == report


SMALL, LARGE = 100, 800


def test_memory_does_not_grow_with_the_ledger(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight times the accounts, entries, grants, records and jobs: the same memory, but for chance."""
    narrow(monkeypatch, at_once=50, bits=6)
    monkeypatch.setitem(store_rows.STREAMED, "yield_per", 20)
    peaks, made = [], 0
    tracemalloc.start()
    for size in (SMALL, LARGE):
        while made < size:
            names = [f"w{made + number}" for number in range(100)]
            settle(engine, *(job("wallets.create", wallet_id=name) for name in names))
            settle(engine, *(
                job("wallets.top_up", wallet_id=name, credits_to_add=3, priority=1, transaction_reason="INVOICE_REFUND")
                for name in names
            ))  # fmt: skip
            made += len(names)
        for _ in range(8 if size == SMALL else 1):  # the driver keeps the last 128 statements
            audit(engine)
        gc.collect()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        report = audit(engine)
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
        assert (report.accounts, report.grants, report.findings) == (size, size, [])
    tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0], peaks


def test_a_moment_is_read_for_no_longer_than_said(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(engine)
    narrow(monkeypatch)
    looks = [0]
    at = audits._Look.at.__func__  # type: ignore[attr-defined]

    def counted(*given: object) -> object:
        looks[0] += 1
        return at(audits._Look, *given)

    monkeypatch.setattr(audits._Look, "at", counted)
    ranges = audit(engine).ranges
    assert looks == [1]
    monkeypatch.setattr(audits, "LOOKED_MAX_S", 0)
    audit(engine)
    assert looks[0] > ranges
