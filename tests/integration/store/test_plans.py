"""Plans that do not grow with what is there: neither with the accounts of a batch nor with a ledger that was young."""

from sqlalchemy import Engine, text

from models.store.connection.session import make_engine
from models.store.write import accounts
from tests.support.builders import job, rows, settle

ACCOUNTS = 200


def test_locking_compares_no_account_with_each_other_one(engine: Engine) -> None:
    settle(engine, *(job("users.upsert", user_id=number) for number in range(1, ACCOUNTS + 1)))
    wanted = {"kinds": ["user"] * ACCOUNTS, "refs": [str(number) for number in range(1, ACCOUNTS + 1)]}
    statement = text("explain (analyze, format json) " + accounts._LOCK_FREE.text)
    with engine.connect() as connection:
        # As for a worker that has run it a few times: the plan is made for whatever comes.
        connection.execute(text("set local plan_cache_mode = force_generic_plan"))
        [plan] = connection.execute(statement, wanted).scalar_one()
        connection.rollback()
    assert _most_removed(plan["Plan"]) <= ACCOUNTS


def _most_removed(node: dict) -> int:  # type: ignore[type-arg]  # as PostgreSQL tells it
    """The most rows that a step looked at in vain."""
    own = max((int(value) * int(node["Actual Loops"]) for name, value in node.items() if "Removed" in name), default=0)
    return max([own, *(_most_removed(child) for child in node.get("Plans", ()))])


def test_a_connection_that_knew_the_ledger_when_it_was_young_reads_no_table_for_each_job(
    engine: Engine, database_url: str
) -> None:
    worker = make_engine(database_url, pool_size=1, indexes_only=True)
    try:
        settle(worker, job("users.upsert", user_id=1))
        settle(worker, job("users.update_balance", user_id=1, amount_kopeks=1))
        for _ in range(8):
            settle(worker, *(job("users.update_balance", user_id=1, amount_kopeks=1) for _ in range(ACCOUNTS)))
    finally:
        worker.dispose()  # it hands in what it counted
    read = "select relname, seq_tup_read from pg_stat_user_tables where relname in ('jobs', 'accounts')"
    assert all(row["seq_tup_read"] <= 10 for row in rows(engine, read)), rows(engine, read)
