"""What every test that has a ledger ends with."""

from __future__ import annotations

from sqlalchemy import Engine, text

from models.domain.sharding.buckets import bucket_of, bucket_of_id
from models.store.audit.ledger import audit

_MADE = text("""
    select a.kind || ':' || a.ref as account, made.what, made.id
    from (
        select account_id, 'job' as what, job_id as id from entries
        union all select account_id, 'job', id from jobs where account_id is not null
        union all select account_id, 'grant', id from grants
        union all select account_id, 'hold', id from holds
        union all select account_id, 'charge', id from charges
    ) as made join accounts a on a.id = made.account_id
""")


def assert_ledger_is_coherent(engine: Engine) -> None:
    """Raises AssertionError with the first findings when the ledger does not add up."""
    findings = audit(engine).findings
    shown = "\n".join(str(finding) for finding in findings[:10])
    assert not findings, f"the ledger does not add up, {len(findings)} findings:\n{shown}"


def assert_ids_carry_their_bucket(engine: Engine) -> None:
    """Raises AssertionError for a job, grant, hold or charge whose id does not say where its account is. Not of a
    ledger that a version before has written: none of its ids does."""
    with engine.connect() as connection:
        made = connection.execute(_MADE).all()
    wrong = [str(row) for row in made if bucket_of_id(row.id) != bucket_of(row.account)]
    assert not wrong, f"{len(wrong)} of {len(made)} ids carry another bucket:\n" + "\n".join(wrong[:10])
