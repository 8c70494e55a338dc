"""Which charges providers are to be asked for: claimed for a while, noted when the answer settles nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.accounts import AccountKey, Kind
from models.domain.charging.charges import Charge
from models.domain.charging.policies import ProviderName
from models.domain.value import value
from models.store.write.top_ups import charges, switches

# Whoever takes one locks its row alone, and the account never: a worker that settles locks first that and then this.
_CLAIM: Final = text(f"""
    with taken as (
        select id from charges
        where ask_at <= statement_timestamp() and provider = any(:providers) and status in ('pending', 'needs_action')
        order by ask_at limit :most for update skip locked
    ), claimed as (
        update charges c set attempts = attempts + 1, ask_at = statement_timestamp() + make_interval(secs => :claim_s)
        from taken where c.id = taken.id returning c.*
    )
    select {charges.COLUMNS}, a.kind, a.ref, a.scale, c.attempts, statement_timestamp() as at
    from claimed c join accounts a on a.id = c.account_id
""")  # noqa: S608 - our own column list
_NOTE: Final = text("""
    update charges c
    set ask_at = noted.again, answer = noted.answer, reference = coalesce(noted.reference, c.reference)
    from unnest(cast(:ids as uuid[]), cast(:attempts as bigint[]), cast(:answers as text[]),
                cast(:references as text[]), cast(:again as timestamptz[]))
        as noted (id, attempts, answer, reference, again)
    where c.id = noted.id and c.status in ('pending', 'needs_action') and c.attempts = noted.attempts
""")
_WITHOUT: Final = text("""
    select provider, count(*) as charges from charges
    where ask_at <= statement_timestamp() and status in ('pending', 'needs_action') and provider <> all(:providers)
    group by provider
""")


@value(frozen=True, slots=True)
class Claimed:
    """A charge that is this process's to ask for, as long as its claim lasts."""

    charge: Charge
    account: AccountKey
    scale: int
    attempts: int  # this one included
    at: datetime  # when it was claimed, by the database's clock


@value(frozen=True, slots=True)
class Noted:
    """An answer that settled nothing."""

    id: UUID
    attempts: int  # the claim that it is of
    answer: str
    reference: str | None
    again: datetime | None  # when to ask again; None: an operator decides, or its payer


def claim(connection: Connection, providers: Sequence[ProviderName], most: int, claim_s: int) -> list[Claimed]:
    """Claims up to `most` charges of these providers, those that wait longest first; none while charging is paused."""
    if not providers or not switches.is_on(connection, switches.CHARGING):
        return []
    named = {"providers": [name.value for name in providers], "most": most, "claim_s": claim_s}
    return [
        Claimed(charges.from_row(row), AccountKey(Kind(row.kind), row.ref), row.scale, row.attempts, row.at)
        for row in connection.execute(_CLAIM, named)
    ]


def without_provider(connection: Connection, providers: Sequence[ProviderName]) -> dict[str, int]:
    """How many charges are to be asked for whose provider is none of these, by provider."""
    found = connection.execute(_WITHOUT, {"providers": [name.value for name in providers]})
    return {row.provider: row.charges for row in found}


def note(connection: Connection, noted: Sequence[Noted]) -> None:
    """Notes answers that settle nothing, of claims that nobody else has taken since."""
    connection.execute(
        _NOTE,
        {
            "ids": [each.id for each in noted],
            "attempts": [each.attempts for each in noted],
            "answers": [each.answer for each in noted],
            "references": [each.reference for each in noted],
            "again": [each.again for each in noted],
        },
    )
