"""Anchors against whoever owns the database, or the file that they are in: each thing done to either is named."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import Engine, create_engine, text

from models.store.audit import anchors as store
from models.store.audit.ledger import audit
from models.store.connection.session import transaction
from tasks.apply.path import apply
from tests.support.anchored import Anchored, cut, forge_job, forget, lines, put_entry, rehash
from tests.support.builders import LIMITS, done, execute, job, rows, settle
from worker.anchors.faults import AnchorFault

pytestmark = pytest.mark.tampered_ledger


def test_a_ledger_that_only_grows_is_as_it_was(workers: Engine, anchored: Anchored, story: dict[str, str]) -> None:
    first = anchored.anchor()
    assert (first.sequence, first.accounts, first.entries, first.jobs.count) == (1, 4, 9, len(story))
    assert first.sums == (("RUB", 2, 1_800), ("credit", 9, 0))
    assert anchored.problems() == {}
    for number in range(5):
        done(workers, "users.update_balance", user_id=1, amount_kopeks=7)
        done(workers, "users.upsert", user_id=10 + number)
        anchored.anchor()
        assert anchored.problems() == {}
    assert anchored.anchor().jobs.count == 0
    execute_pruning(workers)
    found = anchored.comparison()
    assert (found.anchors, found.problems, found.without) == (7, [], [])
    assert found.last is not None
    assert found.last.accounts == 9


def execute_pruning(workers: Engine) -> None:
    with transaction(workers) as connection:
        connection.execute(text("select prune_jobs(1, 1000)"))


Tampering = Callable[[Engine, dict[str, str]], object]


def put_account(engine: Engine, _story: dict[str, str]) -> None:
    execute(
        engine,
        "insert into accounts"
        " (kind, ref, unit, scale, balance, seq, head, created_at, updated_at, granted, held, changes,"
        " has_policy)"
        " select kind, '77', unit, scale, 0, 0, '', created_at, updated_at, 0, 0, 1, false from accounts"
        " where ref = '1'",
    )


def put_payment(engine: Engine, story: dict[str, str]) -> None:
    put_entry(engine, "user:1", forge_job(engine, story["user 1 1"], earlier_ms=1))


def remove_account(engine: Engine, story: dict[str, str]) -> None:
    cut(engine, "user:2", 0)
    execute(engine, "delete from users where user_id = 2")
    execute(engine, "update jobs set account_id = null where account_id = (select id from accounts where ref = '2')")
    execute(engine, "delete from records where account_id = (select id from accounts where ref = '2')")
    execute(engine, "delete from accounts where ref = '2'")


def multiply(engine: Engine, _story: dict[str, str]) -> None:
    execute(
        engine, "update entries set amount = amount * 10 where account_id = (select id from accounts where ref = '1')"
    )
    rehash(engine, "user:1")


def change_job(column: str, value: str) -> Tampering:
    statement = f"update jobs set {column} = {value} where id = cast(:id as uuid)"
    return lambda engine, story: execute(engine, statement, id=story["refused"])


TAMPERINGS: dict[str, tuple[Tampering, list[tuple[str, str]]]] = {
    "the tail of a history is cut": (
        lambda engine, _: cut(engine, "user:1", 1),
        [("user:1", "its history was cut: entry 3 was there, the last one is 1"), ("user 1 3", "vanished")],
    ),
    "a whole history is cut": (
        lambda engine, _: cut(engine, "user:1", 0),
        [("user:1", "its history was cut"), ("user 1 1", "vanished")],
    ),
    "an account is removed": (remove_account, [("user:2", "vanished: it was there with 3 entries")]),
    "a history is multiplied and hashed anew": (multiply, [("user:1", "its history was rewritten: entry 3 is not")]),
    "a refused job is removed": (
        lambda engine, story: forget(engine, story["refused"]),
        [("refused", "vanished: it was settled (insufficient_funds)")],
    ),
    "a job that opened an account is removed": (
        lambda engine, story: forget(engine, story["open 3"]), [("open 3", "vanished: it was settled (applied)")],
    ),
    "a job, its entry and the balance are put in": (put_payment, [("user:1", "its history was rewritten: entry 3")]),
    "a refused job is put in": (
        lambda engine, story: forge_job(engine, story["refused"]),
        [("forged", "was put in: it says that it was settled")],
    ),
    "an account is put in": (put_account, [("user:77", "was put in: it says that it was created before anchor 1")]),
    "an account is renamed": (
        lambda engine, _: execute(engine, "update accounts set ref = '99' where ref = '1'"),
        [("user:1", "is another account now: user:99")],
    ),
    "an account's scale is changed": (
        lambda engine, _: execute(engine, "update accounts set scale = 0 where ref = '1'"),
        [("user:1", "is another account now: user:1 in RUB at scale 0")],
    ),
    **{
        f"a job's {column} is changed": (
            change_job(column, value),
            [("refused", "is not the one that was settled under this id: its row was changed")],
        )
        for column, value in {
            "idempotency_key": "'another'",
            "producer": "'another'",
            "name": "'wallets.debit'",
            "fingerprint": "sha256('another')",
            "code": "'invalid_request'",
            "account_id": "null",
            "outcome": """'{"code": "applied"}'""",
            "settled_at": "settled_at - interval '1 second'",
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERINGS)
def test_what_was_done_before_an_anchored_point_is_named(
    engine: Engine, anchored: Anchored, story: dict[str, str], what: str
) -> None:
    """Also when it was anchored again after that."""
    tamper, wanted = TAMPERINGS[what]
    anchored.anchor()
    done(engine, "users.upsert", user_id=5)
    jobs = {row["id"] for row in rows(engine, "select id from jobs")}
    tamper(engine, story)
    forged = {row["id"] for row in rows(engine, "select id from jobs")} - jobs
    at_once = anchored.problems()
    anchored.anchor()
    found = anchored.problems()
    assert at_once == found
    for about, said in wanted:
        job_id = story.get(about) or next((str(each) for each in forged if about == "forged"), None)
        named = about if job_id is None else next((name for name in found if f"job {job_id} " in name), "")
        assert said in found.get(named, ""), (about, found)


def test_what_is_damaged_and_does_not_fit_is_named_by_verify_itself(
    engine: Engine, anchored: Anchored, story: dict[str, str]
) -> None:
    anchored.anchor()
    execute(engine, "update entries set amount = amount + 1 where job_id = cast(:id as uuid)", id=story["user 1 1"])
    assert anchored.problems() == {}, "the hash that was anchored is still there"
    assert [finding.account for finding in audit(engine).findings if finding.seq == 1] == ["user:1", "user:1"]


def test_without_the_files_counts_and_windows_are_named(
    engine: Engine, anchored: Anchored, story: dict[str, str]
) -> None:
    anchored.anchor(files=False)
    forget(engine, story["refused"])
    cut(engine, "user:1", 1)
    found = anchored.comparison()
    assert found.without == [1]
    problems = dict(found.problems)
    assert "there were 14 settled from 1970-01-01" in problems["jobs of anchor 1"]
    assert problems["jobs of anchor 1"].endswith("there are 11 now")
    assert problems["ledger"] == "there were 9 entries at anchor 1, 7 are left"


# --- how they are written


def test_one_that_was_written_and_not_remembered_is_gone_on_with(engine: Engine, three: Anchored) -> None:
    execute(engine, "delete from anchors where sequence = 3")  # as when the process ends in between
    assert three.problems() == {}
    assert three.anchor().sequence == 4
    assert three.problems() == {}
    assert [row["sequence"] for row in rows(engine, "select sequence from anchors order by 1")] == [1, 2, 3, 4]


def test_half_a_line_is_none(three: Anchored) -> None:
    with three.path.open("a") as file:
        file.write("half of")
    assert three.anchor().sequence == 4
    assert three.problems() == {}
    assert len(lines(three.path)) == 4


def test_of_two_at_once_one_is_written(workers: Engine, three: Anchored, monkeypatch: pytest.MonkeyPatch) -> None:
    met, go = Event(), Event()
    read = store.horizon

    def slowly(engine: Engine) -> int:
        at = read(engine)
        if not met.is_set():
            met.set()
            assert go.wait(30)
        return at

    monkeypatch.setattr(store, "horizon", slowly)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(three.anchor)
        assert met.wait(30)
        assert three.anchor().sequence == 4
        go.set()
        with pytest.raises(AnchorFault, match="somebody else wrote an anchor meanwhile"):
            slow.result(30)
    assert three.problems() == {}
    assert len(lines(three.path)) == 4


def test_jobs_that_are_being_settled_are_left_to_the_next_anchor(
    workers: Engine, engine: Engine, anchored: Anchored
) -> None:
    done(workers, "users.upsert", user_id=1)
    with workers.connect() as connection:
        # As the path does: its clock is read with its keys, and what it writes comes later.
        connection.execute(text("select clock_timestamp() from jobs limit 1"))
        done(workers, "users.upsert", user_id=2)  # begun after it, so it counts for the next one too
        assert anchored.anchor().jobs.count == 1
    assert anchored.anchor().jobs.count == 1
    assert anchored.problems() == {}
    # What was settled before a known time and is committed only now would look as if it had been put in.
    settle(workers, job("users.upsert", user_id=3), job("users.upsert", user_id=4))
    assert anchored.anchor().jobs.count == 2


def test_a_session_that_may_not_be_looked_at_is_waited_for(workers: Engine, engine: Engine, anchored: Anchored) -> None:
    with engine.connect() as connection:
        connection.execute(text("select 1 from jobs limit 1"))  # the owner's: the workers' role does not see it
        with pytest.raises(store.HorizonUnknown, match="is at work on the jobs"):
            anchored.anchor()
    assert anchored.anchor().sequence == 1


def test_nothing_is_missed_while_jobs_come_in(workers: Engine, anchored: Anchored) -> None:
    """Batches settle all the time; anchors are written in between; each job is in one window."""
    stop = Event()
    own = create_engine(workers.url)

    def work() -> int:
        count = 0
        while not stop.is_set():
            count += len(apply(own, [job("users.upsert", user_id=100 + number) for number in range(5)], LIMITS))
        return count

    with ThreadPoolExecutor(2) as pool:
        working = pool.submit(work)
        counted = sum(anchored.anchor().jobs.count for _ in range(8))
        stop.set()
        batches = working.result(60)
    counted += anchored.anchor().jobs.count
    own.dispose()
    assert counted == batches
    assert anchored.problems() == {}
