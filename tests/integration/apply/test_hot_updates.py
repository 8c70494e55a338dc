"""A change of a balance stays on the page of its account: no index of the accounts has to hear of it."""

import pytest
from sqlalchemy import Engine, text

from tasks.apply.path import decide_jobs
from tests.support.builders import LIMITS, job, settle
from tests.support.servers import citus

ACCOUNTS = 300  # several pages, each filled as far as the table lets them be filled
EVERY = 15

_COUNTS = text("""
    select pg_stat_get_xact_tuples_updated(cast('accounts' as regclass)) as updated,
           pg_stat_get_xact_tuples_hot_updated(cast('accounts' as regclass)) as hot
""")


@pytest.mark.skipif(citus.URL is not None, reason="what is counted is of the tables of a node")
def test_balances_change_without_a_word_to_the_indexes(engine: Engine) -> None:
    settle(engine, *(job("users.upsert", user_id=number) for number in range(1, ACCOUNTS + 1)))
    changes = [job("users.update_balance", user_id=number, amount_kopeks=5) for number in range(1, ACCOUNTS, EVERY)]
    with engine.connect() as connection:
        before = connection.execute(_COUNTS).one()  # of transactions before, when they have not been handed in yet
        decide_jobs(connection, changes, LIMITS).write(connection)
        after = connection.execute(_COUNTS).one()
        connection.commit()
    assert (after.updated - before.updated, after.hot - before.hot) == (len(changes), len(changes))
