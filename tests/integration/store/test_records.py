"""Journals: transactions do not wait for each other while there is one left, and what they record is one chain each."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from models.store.connection.session import transaction
from models.store.write import journals as records
from tests.integration.store.racing import engine_of_its_own, wait_until_blocked
from tests.support.builders import ask, done, rows
from tests.support.coherence import assert_ledger_is_coherent


@pytest.fixture
def engine(emptied: Engine) -> Engine:
    return emptied


def test_a_move_is_an_entry_and_no_record_and_all_else_is_one(engine: Engine) -> None:
    done(engine, "users.upsert", user_id=1)
    assert len(rows(engine, "select 1 from records")) == 1
    done(engine, "users.update_balance", user_id=1, amount_kopeks=5)
    assert len(rows(engine, "select 1 from records")) == 1, "a row more for each job is what this must not cost"
    ask(engine, "users.update_balance", user_id=1, amount_kopeks=-500)
    ask(engine, "users.update_balance", user_id=404, amount_kopeks=5)
    done(engine, "users.upsert", user_id=1, floor_kopeks=-5)
    found = rows(engine, "select number, after, content from records where seq > 1 order by seq")
    assert [(row["number"], row["after"]) for row in found] == [(None, 1), (None, None), (2, 1)]
    assert found[0]["content"] == {}
    assert found[2]["content"]["floor"] == [0, -5]


def test_names_of_people_are_in_no_record(engine: Engine) -> None:
    done(engine, "users.upsert", user_id=1, username="olga_17", first_name="Olga", last_name="Petrova")
    done(engine, "wallets.create", wallet_id="w", name="Olga's", description="for Olga", metadata={"of": "Olga"})
    [text] = rows(engine, "select string_agg(cast(content as text), '') as said from records")
    assert "olga" not in text["said"].lower()


def test_who_finds_one_journal_taken_takes_the_next(engine: Engine) -> None:
    with transaction(engine) as first, transaction(engine) as second:
        assert records.take(first).id == 1
        assert records.take(second).id == 2


def test_who_finds_every_journal_taken_waits_for_one(shared_engine: Engine, emptied: Engine) -> None:
    url = shared_engine.url.render_as_string(hide_password=False)
    with engine_of_its_own(url) as other, ThreadPoolExecutor(1) as pool, emptied.connect() as holder:
        holder.exec_driver_sql("select 1 from journals for update")
        waiting = pool.submit(done, other, "users.upsert", user_id=1)
        wait_until_blocked(emptied)
        holder.rollback()
        assert waiting.result(30)["code"] == "applied"
    assert_ledger_is_coherent(emptied)
    assert [row["seq"] for row in rows(emptied, "select seq from journals where seq > 0")] == [1]
