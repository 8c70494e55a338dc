"""Everything that jobs make says by its id which bucket its account is in: by any kind of job, named in any way."""

from sqlalchemy import Engine

from tests.support.builders import ask, done, rows
from tests.support.coherence import assert_ids_carry_their_bucket


def test_ids_of_all_there_is_carry_the_bucket_of_their_account(kept: Engine) -> None:
    for what in ("entries", "jobs where account_id is not null", "grants", "holds", "charges"):
        assert rows(kept, f"select 1 from {what} limit 1"), f"this ledger has no {what}"
    assert_ids_carry_their_bucket(kept)


def test_also_of_an_account_that_is_named_by_something_else(engine: Engine) -> None:
    done(engine, "users.upsert", user_id=7, telegram_id=70_001)
    moved = done(engine, "users.update_balance", telegram_id=70_001, amount_kopeks=500)
    ask(engine, "users.update_balance", telegram_id=70_001, amount_kopeks=-900)
    done(engine, "entries.reverse", job_id=moved["job_id"])
    assert_ids_carry_their_bucket(engine)
    assert len(rows(engine, "select 1 from jobs")) == 4
