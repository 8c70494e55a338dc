"""No column that decides can be changed without `verify` noticing it.

By one statement of the owner, whom no foreign key holds up, in each row as far as the constraints let it be changed.
"""

from typing import Final

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from models.store.audit.ledger import audit_in
from models.tables.every import METADATA
from tests.support.builders import rows

DECIDES_NOTHING: Final = {
    "users": {
        "username", "first_name", "last_name", "language", "referral_code", "referred_by_id", "last_activity",
        "has_had_paid_subscription", "has_made_first_topup", "promo_group", "subscription",
    },
    "wallets": {"name", "description", "metadata"},
    "charges": {"attempts", "ask_at", "answer", "reference"},  # the asking's own
    "policies": {"dropped"},  # whether it was told that the level fell: what is told next, and nothing about money
    "grants": {"warned"},  # whether it was told that it will expire
    # On its way, and gone when it has arrived. What an event tells is made of the answer, which is covered.
    "outbox": {"lane", "id", "letter_id", "account_id", "seq", "data"},
}  # fmt: skip
OTHERS: Final = {  # values that the constraints of a column allow, where they are not any
    "kind": "case {0} when 'user' then 'app' when 'job' then 'job' when 'pruned' then 'before' when 'deposit' then"
    " 'withdrawal' when 'wallet' then 'app' when 'app' then 'user' when 'set' then 'debit' when 'reversal' then"
    " 'reversal' else 'credit' end",
    "status": "case {0} when 'active' then 'deleted' else 'active' end",
    "type": "case {0} when 'wallet.updated' then 'job.rejected' else 'wallet.updated' end",
    "trigger": "case {0} when 'disabled' then {0} else 'disabled' end",
    "wallet_type": "case {0} when 'PRE_PAID' then 'PROMOTIONAL' else 'PRE_PAID' end",
    "ended": "case {0} when 'captured' then 'released' when 'released' then 'captured' end",
    "config": """cast('{{"allowed_price_types": ["FIXED"]}}' as jsonb)""",
    "draws": "null",
    "backing": "'[]'",
    "paid": """'[["00000000-0000-0000-0000-000000000001", 1]]'""",
    "holds.remaining": "{0} - 1",
    "policies.target": "{0} + 1",
    "charges.status": "case {0} when 'declined' then 'void' when 'void' then 'declined' when 'pending' then"
    " 'needs_action' when 'needs_action' then 'pending' when 'refunded' then 'succeeded' else 'refunded' end",
    "cause": "case {0} when 'run_now' then 'interval' else 'run_now' end",
    "provider": "case {0} when 'http' then 'stripe' else 'http' end",
    "reason": "case {0} when 'fired' then 'cooldown' else 'fired' end",
    "interval": "case {0} when 'monthly' then 'daily' else 'monthly' end",
    "entries.reason": "coalesce({0}, '') || 'x'",
    "reverses": "{0} - 1",
    "journals.id": "{0} + 100",
    "wallets.status": "case {0} when 'active' then 'frozen' else 'active' end",
    "holds": "null",
    "metadata": """'{{"a":"2"}}'""",
    "body": """'{{"user_id":3}}'""",
    "outcome": """cast(replace(cast({0} as text), '"replayed":false', '"replayed":true') as json)""",
    "content": """'{{"floor":[null,-1000]}}'""",
    "code": "case {0} when 'applied' then 'unchanged' when 'unchanged' then 'applied' else 'amount_zero' end",
}
BY_TYPE: Final = {
    "bigint": "coalesce({0}, 0) + 1",
    "smallint": "coalesce({0}, 0) + 1",
    "numeric": "{0} * 1.01",
    "text": "coalesce({0}, '') || 'x'",
    "bytea": "sha256({0})",
    "uuid": "gen_random_uuid()",
    "ARRAY": "coalesce({0}, '{{}}') || cast(1 as bigint)",
    "boolean": "not {0}",
    "timestamp with time zone": "coalesce({0}, '2000-01-01') + interval '1 microsecond'",
}
TABLES: Final = ("accounts", "users", "wallets", "apps", "grants", "holds", "policies", "jobs", "job_bodies", "charges",
                 "entries", "outbox", "records", "journals")  # fmt: skip
TRIED_MAX: Final = 2  # rows of each column
COLUMNS: Final = [
    (table, column.name)
    for table in TABLES
    for column in METADATA.tables[table].columns
    if column.name not in DECIDES_NOTHING.get(table, ()) and f"{table}.{column.name}" != "jobs.status"  # HARMFUL
]


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[".".join(names) for names in COLUMNS])
def test_each_column_that_decides_is_covered(kept: Engine, table: str, column: str) -> None:
    """In each row, as far as the constraints of the row let it be changed."""
    [found] = rows(
        kept, "select data_type from information_schema.columns where table_name = :t and column_name = :c"
        " and table_schema = current_schema()", t=table, c=column,
    )  # fmt: skip
    other = OTHERS.get(f"{table}.{column}") or OTHERS.get(column) or BY_TYPE[found["data_type"]]
    other = other.format(f'"{column}"')
    tried = 0
    places = "where seq > 0" if table == "journals" else ""  # an empty one says nothing
    for place in rows(kept, f"select ctid::text from {table} {places} order by random() limit 100"):
        with kept.connect() as connection:
            connection.exec_driver_sql("set local session_replication_role = replica")
            try:
                changed = connection.exec_driver_sql(
                    f"update {table} set \"{column}\" = {other} where ctid = '{place['ctid']}'"
                    f' and cast("{column}" as text) is distinct from cast({other} as text)'
                ).rowcount
            except IntegrityError:
                continue  # nobody can write that
            if changed:
                tried += 1
                assert audit_in(connection).findings, rows(
                    kept, f"select * from {table} where ctid = '{place['ctid']}'"
                )
        if tried == TRIED_MAX:
            break
    assert tried, "no row of the ledger lets it be changed: nothing was tried"
