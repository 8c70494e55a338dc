"""What no foreign key refuses, `verify` names: rows that name an account, a job or a journal that is not there.

A key on these columns would be looked up for each job. Each case is one statement of the owner's that no constraint
holds up any more, on a full ledger, and what is said of it.
"""

from typing import Final

import pytest
from sqlalchemy import Engine

from models.store.audit.ledger import audit_in
from models.store.schema.revision import COLUMNS
from tests.support.builders import rows

NOBODY: Final = "ffffffff-ffff-7fff-bfff-ffffffffff00"
OF_USER: Final = "(select id from accounts where kind = 'user' and ref = '1')"
OF_AN_ENTRY: Final = f"(select job_id from entries where account_id = {OF_USER} and seq = 2)"
NO_REVERSAL: Final = (
    "(select job_id from entries e where e.reverses is null and not exists (select from entries b"
    " where b.account_id = e.account_id and b.reverses = e.seq) order by job_id limit 1)"
)
REFUSED: Final = "(select id from jobs where status = 'rejected' order by id limit 1)"
UNKNOWN: Final = "which does not exist"


def another(table: str, where: str, **changes: str) -> str:
    """A copy of one row, but for these columns."""
    record = "".join(f" || jsonb_build_object('{column}', {value})" for column, value in changes.items())
    return (
        f"insert into {table} select (jsonb_populate_record(null::{table}, to_jsonb(t){record})).*"
        f" from {table} t where {where} limit 1"
    )


# {what: (the column without a key, the damage, the finding's account, its words)}
DAMAGES: Final[dict[str, tuple[str, list[str], str, str]]] = {
    "an entry put in for an account that is not there": (
        "entries.account_id",
        [another("entries", "seq = 1", account_id="999", job_id=f"'{NOBODY}'")], "account:999", "has 1 entries",
    ),
    "an entry given to an account that is not there": (
        "entries.account_id",
        [f"update entries set account_id = 999 where job_id = {NO_REVERSAL}"], "account:999", "has 1 entries",
    ),
    "an account deleted whose entries stay": (
        "entries.account_id",
        [f"delete from users where account_id = {OF_USER}", f"delete from accounts where id = {OF_USER}"],
        "account:", "entries",
    ),
    "an entry put in for a job that is not there": (
        "entries.job_id",
        [another("entries", f"account_id = {OF_USER} and seq = 2", seq="3", job_id=f"'{NOBODY}'", prev_hash="t.hash",
                 balance_after="t.balance_after + t.amount")],
        "user:1", f"job {NOBODY}, {UNKNOWN}",
    ),
    "an entry said to be of a job that is not there": (
        "entries.job_id", [f"update entries set job_id = '{NOBODY}' where job_id = {OF_AN_ENTRY}"], "user:1", UNKNOWN,
    ),
    "a job deleted whose entry stays": (
        "entries.job_id", [f"delete from jobs where id = {OF_AN_ENTRY}"], "user:1", UNKNOWN,
    ),
    "a job put in about an account that is not there": (
        "jobs.account_id",
        [another("jobs", f"id = {REFUSED}", id=f"'{NOBODY}'", account_id="999", idempotency_key="'put-in'")],
        "account:999", f"job {NOBODY} is about it",
    ),
    "a job said to be about an account that is not there": (
        "jobs.account_id", [f"update jobs set account_id = 999 where id = {REFUSED}"], "account:999", "is about it",
    ),
    "a job of before there were records, said to be about an account that is not there": (
        "jobs.account_id",
        [f"update jobs set account_id = 999, events = null where id = {REFUSED}"], "account:999", "is about it",
    ),
    "an event put in of a job that is not there": (
        "outbox.job_id",
        [f"insert into outbox (lane, type, job_id) values (0, 'job.rejected', '{NOBODY}')"],
        f"job:{NOBODY}", "not told",
    ),
    "a refused job deleted whose event stays": (
        "outbox.job_id", [f"delete from jobs where id = {REFUSED}"], "job:", "has not told job.rejected",
    ),
    "a record said to be of a job that is not there": (
        "records.job_id", [f"update records set job_id = '{NOBODY}' where job_id = {REFUSED}"], "", UNKNOWN,
    ),
    "a refused job deleted whose record stays": (
        "records.job_id", [f"delete from jobs where id = {REFUSED}"], "", UNKNOWN,
    ),
    "a record said to be of an account that is not there": (
        "records.account_id",
        [f"update records set account_id = 999 where account_id = {OF_USER} and number = 1"],
        "journal:1", f"account number 999, {UNKNOWN}",
    ),
    "an account deleted whose records stay": (
        "records.account_id",
        [f"delete from users where account_id = {OF_USER}", f"delete from accounts where id = {OF_USER}"],
        "journal:1", UNKNOWN,
    ),
    "a record put in a journal that is not there": (
        "records.journal", [another("records", "number is null", journal="99")], "journal:99", "does not exist",
    ),
    "a journal deleted whose records stay": (
        "records.journal", ["delete from journals where id = 1"], "journal:1", "does not exist",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGES)
def test_it_is_named(kept: Engine, what: str) -> None:
    _, statements, account, words = DAMAGES[what]
    with kept.connect() as connection:
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount > 0, statement
        findings = audit_in(connection).findings
    named = [finding for finding in findings if finding.account.startswith(account) and words in finding.problem]
    assert named, findings


def test_a_whole_ledger_names_nothing(kept: Engine) -> None:
    with kept.connect() as connection:
        assert audit_in(connection).findings == []


def test_every_column_without_a_key_has_a_case(kept: Engine) -> None:
    """Of the tables that the audit reads whole. `grants` and the like have their keys: few jobs write them."""
    keyed = rows(
        kept, "select conrelid::regclass::text || '.' || attname as name from pg_constraint c"
        " join pg_attribute a on attrelid = conrelid and attnum = any(conkey) where contype = 'f'"
    )  # fmt: skip
    names = {"account_id", "job_id", "journal"}
    columns = {
        f"{table}.{name}" for table in ("entries", "jobs", "outbox", "records") for name in COLUMNS[table] & names
    }
    # An event's account is its job's: it says in which lane it leaves, and no key has ever been on it.
    missing = columns - {row["name"] for row in keyed if "reverses" not in row["name"]} - {"outbox.account_id"}
    # `entries.account_id` is in the key of reversals, which holds for these alone.
    assert missing | {"entries.account_id"} == {column for column, *_ in DAMAGES.values()}
