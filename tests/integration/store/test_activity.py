"""What `top` reads of the ledger: true, and at a cost of what it looks at, whatever there is besides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from models.domain.ids import uuid7
from models.store.connection.session import snapshot
from models.store.read.activity import jobs as activity
from models.store.read.activity.dead_letters import ParkedLetters, parked_letters
from models.store.read.activity.jobs import jobs_lately
from tests.support.builders import execute, job, settle
from tests.support.many import many_entries

pytestmark = pytest.mark.tampered_ledger
MINUTE = timedelta(minutes=1)
LETTERS = (
    "insert into dead_letters (id, digest, status, reason, error, headers, properties, body, attempts, first_seen,"
    " last_seen, closed_at) select gen_random_uuid(), sha256((:status || :reason || n)::text::bytea), :status, :reason,"
    " 'e', '{}', '{}', '', 1, now(), now(), case :status when 'parked' then null else now() end"
    " from generate_series(1, :count) as n"
)


def test_counts_what_was_settled_in_the_window_and_by_whom(engine: Engine) -> None:
    settle(engine, job("users.upsert", user_id=1), job("users.upsert", user_id=2))
    many_entries(engine, "1", 3)  # long ago
    settle(engine, *(job("users.update_balance", user_id=1, amount_kopeks=amount) for amount in (5, 6, -700)))
    settle(engine, job("users.update_balance", user_id=2, amount_kopeks=-700))
    settle(engine, job("users.update_balance", user_id=3, amount_kopeks=1))
    with snapshot(engine) as connection:
        found = jobs_lately(connection, MINUTE, most=100, accounts=5)
        newest = jobs_lately(connection, MINUTE, most=2, accounts=1)
    assert (found.covered, found.whole) == (MINUTE, True)
    assert found.codes == {"applied": 4, "insufficient_funds": 2, "user_not_found": 1}
    assert [(str(each.account), each.jobs, each.rejected) for each in found.accounts] == [
        ("user:1", 4, 1),
        ("user:2", 2, 1),
    ]
    assert newest.codes == {"insufficient_funds": 1, "user_not_found": 1}
    assert not newest.whole
    assert timedelta(0) < newest.covered < MINUTE
    assert [str(each.account) for each in newest.accounts] == ["user:2"]


def test_counts_parked_letters_up_to_so_many(engine: Engine) -> None:
    for status, reason, count in (("parked", "failed", 3), ("parked", "eta", 2), ("replayed", "failed", 4)):
        execute(engine, LETTERS, status=status, reason=reason, count=count)
    with snapshot(engine) as connection:
        assert parked_letters(connection, 10) == ParkedLetters(5, whole=True, reasons={"failed": 3, "eta": 2})
        assert parked_letters(connection, 4).letters == 4
        assert not parked_letters(connection, 4).whole


def test_nothing_is_read_but_the_newest_jobs_and_their_accounts(engine: Engine) -> None:
    settle(engine, *(job("wallets.create", wallet_id=f"w{number}", scale=0) for number in range(20)))
    many_entries(engine, "w%", 4_000)  # one of each a second, in 1970
    bounds = {"since": uuid7(datetime.fromtimestamp(3_990, UTC), 0, 0), "most": 200}
    with snapshot(engine) as connection:
        for statement, given in ((activity._BY_CODE, {}), (activity._BY_ACCOUNT, {"accounts": 5})):
            for step in _steps(connection, statement, {**bounds, **given}):
                assert step["Actual Rows"] * step["Actual Loops"] <= 250, step


def _steps(connection: Connection, statement: Any, given: dict[str, Any]) -> list[dict[str, Any]]:
    found = connection.execute(text(f"explain (analyze, format json) {statement}"), given).scalar_one()
    steps, left = [], [found[0]["Plan"]]
    while left:
        step = left.pop()
        steps.append(step)
        left += step.get("Plans", [])
    return steps
