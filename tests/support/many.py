"""A ledger of some size, written at once behind the path's back: for plans and for memory, not for audits."""

from typing import Final

from sqlalchemy import Engine, text

_JOBS: Final = """
    insert into jobs (id, producer, idempotency_key, name, fingerprint, account_id, status, code, body, outcome,
                      settled_at, events)
    select cast(lpad(to_hex(n), 12, '0') || '7000800000000000' || lpad(to_hex(a.id), 4, '0') as uuid), 'p',
           a.ref || ' ' || n, 'wallets.top_up',
           decode(repeat('00', 32), 'hex'), null, 'applied', 'applied', null, '{}', to_timestamp(n), 0
    from accounts a cross join generate_series(1, :count) as n where a.ref like :ref
"""
_ENTRIES: Final = """
    insert into entries (account_id, seq, amount, balance_after, kind, reason, description, job_id, part, listed,
                         prev_hash, hash, created_at)
    select a.id, n, 1, n, 'credit', 'INVOICE_REFUND', 'number ' || n,
           cast(lpad(to_hex(n), 12, '0') || '7000800000000000' || lpad(to_hex(a.id), 4, '0') as uuid), 0, true,
           decode(repeat('00', case n when 1 then 0 else 32 end), 'hex'), decode(repeat('00', 32), 'hex'),
           to_timestamp(n)
    from accounts a cross join generate_series(1, :count) as n where a.ref like :ref
"""
_ACCOUNTS: Final = """
    update accounts set seq = :count, balance = :count, head = decode(repeat('00', 32), 'hex'),
        created_at = to_timestamp(0) where ref like :ref
"""
_HOURLY: Final = """
    with hours as (
        select n, now() - make_interval(hours => :count - cast(n as integer) + 1) as at
        from generate_series(1, :count) as n),
    moves as (
        select n, at, lpad(to_hex(cast(extract(epoch from at) * 1000 as bigint)), 12, '0') as time,
            cast(case n % 24 when 1 then 2400 else -(60 + n * 37 % 60) end as bigint) as amount
        from hours),
    made as (
        insert into jobs (id, producer, idempotency_key, name, fingerprint, account_id, status, code, body, outcome,
                          settled_at, events)
        select cast(time || '70008000' || lpad(to_hex(a.id), 12, '0') as uuid), 'meter',
               a.ref || ' ' || n, 'wallets.debit', sha256(''), null, 'applied', 'applied', null, '{}', at, 0
        from moves, accounts a where a.ref = :ref),
    moved as (
        insert into entries (account_id, seq, amount, balance_after, kind, reason, description, job_id, part, listed,
                             prev_hash, hash, created_at)
        select a.id, n, amount, sum(amount) over (order by n), case n % 24 when 1 then 'credit' else 'debit' end,
               case n % 24 when 1 then 'PURCHASED_CREDIT_DIRECT' else 'MANUAL_BALANCE_DEBIT' end, 'Hour ' || n,
               cast(time || '70008000' || lpad(to_hex(a.id), 12, '0') as uuid), 0, true,
               case n when 1 then cast('' as bytea) else sha256('') end, sha256(''), at
        from moves, accounts a where a.ref = :ref)
    update accounts set seq = :count, head = sha256(''), created_at = now() - make_interval(hours => :count + 1),
        updated_at = now() - interval '1 hour', balance = (select sum(amount) from moves) where ref = :ref
"""


def hourly_entries(engine: Engine, ref: str, count: int) -> None:
    """Gives an account without entries one for each of so many hours until now: a credit a day, and debits."""
    with engine.begin() as connection:
        connection.execute(text(_HOURLY), {"ref": ref, "count": count})


def many_entries(engine: Engine, ref: str, count: int) -> None:
    """Gives accounts without entries, those with such names, so many of one unit each: number n at second n of 1970."""
    with engine.begin() as connection:
        for statement in (_JOBS, _ENTRIES, _ACCOUNTS):
            connection.execute(text(statement), {"ref": ref, "count": count})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))
