"""Dead letters in the database: parked together, counted, closed; and nothing in a message that cannot be kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import IntegrityError

from models.contracts.wire.dead_letter import LETTER_MARK, DeadLetter
from models.domain.letters import GARBAGE, LetterStatus, NextStep
from models.domain.outcome import Code, Status
from models.store.connection.session import snapshot, transaction
from models.store.read import dead_letters as letter_history
from models.store.read.dead_letters import LetterCount, LetterFilter, LetterJob
from models.store.write import dead_letters
from models.store.write.dead_letters import SentLetter
from tests.support.builders import done, execute, rows
from tests.support.ledgers import time_before


@pytest.fixture
def engine(emptied: Engine) -> Engine:
    return emptied


def letter(number: int = 0, **changes: Any) -> DeadLetter:
    plain = DeadLetter(
        "failed", "boom", "wallets.top_up", f"id-{number}", "balance", {"lang": "py"}, b"%d" % number,
        sending=f"id-{number}",
    )  # fmt: skip
    return replace(plain, **changes)


def park(engine: Engine, *letters: DeadLetter) -> list[UUID]:
    with transaction(engine) as connection:
        return dead_letters.park(connection, letters)


def replayed(engine: Engine, *sent: tuple[UUID, int]) -> int:
    with transaction(engine) as connection:
        return dead_letters.mark_replayed(connection, [SentLetter(*each) for each in sent])


def found(engine: Engine, **wanted: Any) -> list[UUID]:
    with snapshot(engine) as connection:
        return [each.id for each in letter_history.find(connection, LetterFilter(**wanted), 100).rows]


@contextmanager
def statements_of(engine: Engine) -> Iterator[list[str]]:
    """What is executed while the block runs."""
    statements: list[str] = []

    def note(*given: Any) -> None:
        statements.append(given[2])

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_a_batch_is_one_statement_beside_the_clock_and_its_events_and_keeps_its_order(engine: Engine) -> None:
    with statements_of(engine) as statements:
        ids = park(engine, *(letter(number) for number in range(300)))
    assert len(statements) == 3
    assert len(set(ids)) == 300
    assert found(engine, since=None)[:100] == ids[:-101:-1]


def test_the_same_message_in_one_batch_and_in_later_ones_is_one_letter_that_counts(engine: Engine) -> None:
    ids = park(engine, letter(1), letter(2), letter(1, attempts=3, task_id="later"), letter(1, reason="expired"))
    assert ids[0] == ids[2] == ids[3] != ids[1]
    again = park(engine, letter(1, error="again", headers={"lang": "py", "id": "other", "expires": "soon"}))
    assert again == ids[:1]
    [row] = rows(engine, "select * from dead_letters where id = :id", id=ids[0])
    assert (row["attempts"], row["error"], row["reason"]) == (6, "again", "failed")
    assert row["headers"]["id"] == "other", "the message that came last is the one that would be sent again"
    assert row["first_seen"] < row["last_seen"]


KEYED: dict[str, Any] = {"producer": "shop", "key": "k"}
MARK = {"headers": {LETTER_MARK: "0f" * 16}}
OF_NO_NAME: dict[str, Any] = {"sending": None}  # it came before, and nothing tells it from those that are equal
# Messages one after the other, by what is not as usual about each, and the attempts of the letters that they become.
MESSAGES: dict[str, tuple[list[dict[str, Any]], list[int]]] = {
    "one, three times": ([{}, {}, {}], [3]),
    "equal ones": ([{"sending": str(number)} for number in range(16)], [1] * 16),
    "one sending, two bodies": ([{}, {"body": b"other"}], [1, 1]),
    "one job by its key, sent twice": ([{**KEYED, "sending": "1"}, {**KEYED, "sending": "2"}], [2]),
    "one job by its key, come again": ([{**KEYED, "sending": "1"}, {**KEYED, **OF_NO_NAME}], [2]),
    "two keys": ([KEYED, {**KEYED, "key": "other", "body": b"other"}], [1, 1]),
    "one key, two bodies": ([KEYED, {**KEYED, "body": b"other"}], [1, 1]),
    "equal ones, and one of them again": ([{"sending": "1"}, {"sending": "2"}, OF_NO_NAME, OF_NO_NAME], [1, 3]),
    "one of no name, again": ([OF_NO_NAME, OF_NO_NAME], [2]),
    "one of no name and an equal one": ([OF_NO_NAME, {"sending": "1"}], [1, 1]),
    "two of no name": ([OF_NO_NAME, {**OF_NO_NAME, "body": b"other"}], [1, 1]),
    "one that is marked, whatever its id": ([{**MARK, "sending": "1"}, {**MARK, "sending": "2"}], [2]),
    "one mark, two bodies": ([MARK, {**MARK, "body": b"other"}], [1, 1]),
    "no mark of ours": ([{"headers": {LETTER_MARK: mark}} for mark in ("0F" * 16, "0f", " " * 32, 1)], [4]),
}


IN_ONE_BATCH = [case for case in MESSAGES if "again" not in case]  # what comes again came before


@pytest.mark.parametrize(
    ("case", "together"), [*((case, False) for case in MESSAGES), *((case, True) for case in IN_ONE_BATCH)]
)
def test_a_message_is_a_letter_however_often_it_comes(engine: Engine, case: str, together: bool) -> None:
    changes, expected = MESSAGES[case]
    letters = [letter(0, **each) for each in changes]
    ids = park(engine, *letters) if together else [park(engine, each)[0] for each in letters]
    assert sorted(row["attempts"] for row in rows(engine, "select attempts from dead_letters")) == expected
    assert len(set(ids)) == len(expected)


def test_what_was_discarded_is_another_than_what_comes_again(engine: Engine) -> None:
    ids = park(engine, letter())
    with transaction(engine) as connection:
        dead_letters.discard(connection, ids, "not wanted")
    again = park(engine, letter(sending=None))
    assert again != ids
    assert park(engine, letter(sending=None)) == again


@pytest.mark.parametrize(
    "other",
    [
        {"body": b"other"},
        {"task": "other"},
        {"properties": {"content_type": "text/plain"}},
        {"headers": {"lang": "go"}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_message_is_another_letter(engine: Engine, other: dict[str, Any]) -> None:
    assert len(set(park(engine, letter(), letter(**other)))) == 2


def test_large_bodies_are_parked_in_several_statements_of_one_transaction(engine: Engine) -> None:
    with statements_of(engine) as statements:
        ids = park(engine, *(letter(body=b"%d" % number * 2_000_000) for number in range(5)))
    assert len(set(ids)) == 5
    assert 2 < len(statements) < 6


STRANGE = "\x00 \ud800 …" * 1_000


def test_whatever_a_message_says_can_be_kept(engine: Engine) -> None:
    strange = letter(
        error=STRANGE, task=STRANGE, task_id=STRANGE, queue=STRANGE, body=bytes(range(256)),
        headers={STRANGE: STRANGE, "deep": [[{"a": STRANGE}]]}, properties={"reply_to": STRANGE},
    )  # fmt: skip
    [letter_id] = park(engine, strange)
    with snapshot(engine) as connection:
        [kept] = letter_history.whole(connection, [letter_id])
    assert kept.body == bytes(range(256))
    assert (kept.task or "").startswith("\\0 ? …")
    assert park(engine, strange) == [letter_id]


def test_a_letter_that_came_back_before_it_was_marked_stays_parked(engine: Engine) -> None:
    [letter_id] = park(engine, letter())
    park(engine, letter())
    assert replayed(engine, (letter_id, 1)) == 0
    assert found(engine, status=LetterStatus.PARKED) == [letter_id]


def test_a_replayed_letter_that_comes_back_is_parked_again_and_counts(engine: Engine) -> None:
    [letter_id] = park(engine, letter())
    assert replayed(engine, (letter_id, 1)) == 1
    assert found(engine, status=LetterStatus.REPLAYED) == [letter_id]
    assert park(engine, letter(reason="expired")) == [letter_id]
    [row] = rows(engine, "select * from dead_letters")
    assert (row["status"], row["attempts"], row["reason"], row["closed_at"]) == ("parked", 2, "expired", None)


def test_what_is_closed_is_not_discarded(engine: Engine) -> None:
    ids = park(engine, letter(1), letter(2))
    replayed(engine, (ids[0], 1))
    with transaction(engine) as connection:
        assert dead_letters.discard(connection, ids, "not wanted") == 1
        assert dead_letters.discard(connection, ids, "nor twice") == 0
    assert found(engine, status=LetterStatus.DISCARDED) == ids[1:]
    assert replayed(engine, (ids[1], 1)) == 0


def test_parked_letters_are_read_oldest_first_and_those_seen_later_are_left_out(engine: Engine) -> None:
    ids = park(engine, *(letter(number) for number in range(5)))
    with snapshot(engine) as connection:
        wanted = letter_history.at_once(connection, LetterFilter(task="wallets.top_up"))
    park(engine, letter(0), letter(9))  # 0 is seen again
    with snapshot(engine) as connection:
        first = letter_history.next_parked(connection, wanted, 3, None)
        rest = letter_history.next_parked(connection, wanted, 3, first[-1])
        assert letter_history.count(connection, wanted) == LetterCount(replayable=4, garbage=0)
    assert [each.id for each in first + rest] == ids[1:]


def test_garbage_is_counted_and_is_not_replayed(engine: Engine) -> None:
    ids = park(engine, letter(0), letter(1, reason=GARBAGE, task=None), letter(2))
    with snapshot(engine) as connection:
        parked = letter_history.at_once(connection, LetterFilter(status=LetterStatus.PARKED))
        assert letter_history.count(connection, parked) == LetterCount(replayable=2, garbage=1)
        read = letter_history.next_parked(connection, replace(parked, replayable=True), 100, None)
    assert [each.id for each in read] == [ids[0], ids[2]]


def test_a_letter_is_read_as_it_was_parked_with_the_job_of_its_key(engine: Engine) -> None:
    parked = letter(0, headers={"number": 1.10}, **KEYED)
    [letter_id] = park(engine, parked)
    outcome = done(engine, "users.upsert", user_id=1, producer="shop", idempotency_key="k")
    with snapshot(engine) as connection:
        [read] = letter_history.whole(connection, [letter_id])
        [listed] = letter_history.find(connection, LetterFilter(), 1).rows
    assert (read.digest, read.body, read.headers) == (parked.digest, parked.body, '{"number": 1.1}')
    assert (listed.status, listed.attempts, listed.closed_at) == (LetterStatus.PARKED, 1, None)
    assert listed.job == read.job == LetterJob(UUID(outcome["job_id"]), Status.APPLIED, Code.APPLIED)
    assert listed.next_step is NextStep.SEE_JOB


@pytest.mark.parametrize(("limit", "more"), [(1, True), (2, False), (3, False)])
def test_a_page_says_whether_others_follow(engine: Engine, limit: int, more: bool) -> None:
    older, newer = park(engine, letter(0), letter(1))
    with snapshot(engine) as connection:
        page = letter_history.find(connection, LetterFilter(), limit)
    assert [each.id for each in page.rows] == [newer, older][:limit]
    assert page.more is more


@pytest.mark.parametrize("column", ["status", "reason", "task", None])
def test_a_page_is_read_through_an_index(engine: Engine, column: str | None) -> None:
    # One in a hundred is wanted: too few to find by walking every letter, too many to fetch and sort.
    execute(
        engine,
        "insert into dead_letters (id, digest, status, reason, task, error, headers, properties, body, attempts,"
        " first_seen, last_seen, closed_at) select gen_random_uuid(), sha256(cast(cast(n as text) as bytea)),"
        " case when n % 100 = 0 then 'replayed' else 'parked' end, 'r' || n % 100, 't' || n % 100, 'e', '{}', '{}',"
        " '', 1, now() - interval '1 day', now() - n * interval '1 second', case when n % 100 = 0 then now() end"
        " from generate_series(1, 20000) as n",
    )
    execute(engine, "analyze dead_letters")
    where = {"status": "status = 'replayed'", "reason": "reason = 'r1'", "task": "task = 't1'", None: "true"}[column]
    query = f"select * from dead_letters where {where} order by last_seen desc, id desc limit 20"
    plan = "\n".join(row["QUERY PLAN"] for row in rows(engine, f"explain {query}"))
    assert "Sort" not in plan
    assert f"ix_dead_letters_{column or 'last_seen'}" in plan


CASES = {
    "ck_dead_letters_status": "status = 'gone', closed_at = now()",
    "ck_dead_letters_closed_when_no_longer_parked": "status = 'replayed'",
    "ck_dead_letters_discarded_for_a_reason": "status = 'discarded', closed_at = now()",
    "ck_dead_letters_discard_reason_says_something": "status = 'discarded', closed_at = now(), discard_reason = ''",
    "ck_dead_letters_closed_by_somebody": "closed_by = 'olga'",
    "ck_dead_letters_whole_identity": "producer = 'p'",
    "ck_dead_letters_attempts": "attempts = 0",
    "ck_dead_letters_seen_in_order": f"last_seen = {time_before('first_seen', '1 s')}",
    "ck_dead_letters_digest_length": r"digest = '\x00'",
    "uq_dead_letters_digest": "digest = (select digest from dead_letters where task_id = 'id-2')",
}


@pytest.mark.parametrize("constraint", CASES)
def test_cannot_be_written(engine: Engine, constraint: str) -> None:
    park(engine, letter(1), letter(2))
    with pytest.raises(IntegrityError, match=constraint):
        execute(engine, f"update dead_letters set {CASES[constraint]} where task_id = 'id-1'")


def test_every_check_has_a_case(engine: Engine) -> None:
    checks = rows(
        engine, "select conname from pg_constraint where conrelid = 'dead_letters'::regclass and contype = 'c'"
    )
    assert {row["conname"] for row in checks} == {name for name in CASES if name.startswith("ck_")}
