"""A wallet as earlier versions wrote it: chain, sums and answers are right, and a rule of today is broken.

It is written behind the path's back, with the path's own ways of posting and storing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine

from models.batch.records import SettledJob
from models.contracts.replies.outcome import encode, entry_document, outcome_document
from models.domain.accounts import AccountKey, Kind
from models.domain.credits.grants import Draw, Grant
from models.domain.idempotency import fingerprint
from models.domain.ids import uuid7
from models.domain.ledger import Entry, EntryDetails, EntryKind, entry_hash, post
from models.domain.outcome import Code, Status
from models.store.connection.session import transaction
from models.store.read import accounts as history
from models.store.write import accounts, entries, grants, jobs
from tests.support.builders import done, job
from tests.support.resealed import reseal

_JOBS: Mapping[EntryKind, str] = {
    EntryKind.CREDIT: "wallets.top_up",
    EntryKind.DEBIT: "wallets.debit",
    EntryKind.EXPIRY: "credits.expire_grant",
    EntryKind.REVERSAL: "entries.reverse",
}


class OldWallet:
    """The wallet `ref`, with units as credits. Its entries are a minute apart, up to a minute ago."""

    def __init__(self, engine: Engine, ref: str = "w", floor: int = 0, count: int = 10) -> None:
        self._engine = engine
        self.key = AccountKey(Kind.WALLET, ref)
        done(engine, "wallets.create", wallet_id=ref, scale=0, floor=floor)
        with engine.connect() as connection:
            self._at = history.now(connection) - timedelta(minutes=count)
        self._grants: dict[UUID, Grant] = {}
        self._made: dict[int, UUID] = {}

    def top_up(self, units: int, *, expires_in: timedelta) -> UUID:
        """Adds a grant, whatever is owed; it expires so long after that."""
        at = self._at + timedelta(minutes=1)
        entry = self._write(EntryKind.CREDIT, units, grant=(units, at + expires_in))
        assert entry.details.grant_id is not None
        self._made[entry.seq] = entry.details.grant_id
        return entry.details.grant_id

    def debit(self, units: int, *draws: Draw) -> Entry:
        return self._write(EntryKind.DEBIT, -units, draws)

    def expire(self, grant_id: UUID) -> Entry:
        """Takes all that is left of the grant, paid for a debt or not."""
        left = self._grants[grant_id].remaining
        return self._write(EntryKind.EXPIRY, -left, ((grant_id, left),), grant_id=grant_id)

    def reverse(self, seq: int, amount: int, *draws: Draw) -> Entry:
        return self._write(EntryKind.REVERSAL, amount, draws, reverses=seq)

    def _write(
        self,
        kind: EntryKind,
        amount: int,
        draws: tuple[Draw, ...] = (),
        *,
        grant: tuple[int, datetime] | None = None,
        grant_id: UUID | None = None,
        reverses: int | None = None,
    ) -> Entry:
        self._at += timedelta(minutes=1)
        asked = job("wallets.terminate", wallet_id=self.key.ref).numbered(uuid7(self._at, 0, 0))
        asked = replace(asked, name=_JOBS[kind], fingerprint=fingerprint(_JOBS[kind], asked.meaning))
        if grant is not None:
            grant_id = asked.id
            self._grants[grant_id] = Grant(grant_id, grant[0], grant[0], None, grant[1], self._at)
        with transaction(self._engine) as connection:
            [account] = accounts.read(connection, accounts.lock(connection, [self.key]))
            text = EntryDetails(kind, asked.id, self._at, "R", grant_id=grant_id, draws=draws, reverses=reverses)
            after, entry = post(account, amount, text)
            digest = entry_hash(account.head, entry.account, entry.seq, amount, entry.balance_after, text)
            entry = replace(entry, prev_hash=account.head, hash=digest)
            written = entry_document(entry, account.scale)
            answer = encode(outcome_document(asked, Status.APPLIED, Code.APPLIED, written, None, None))
            jobs.insert(connection, [SettledJob(asked, None, Status.APPLIED, Code.APPLIED, answer, self._at, None)])
            self._take(entry)
            grants.save(connection, [(account.id, each) for each in self._grants.values()])
            entries.insert(connection, [entry])
            left = sum(each.remaining for each in self._grants.values())
            accounts.save(connection, [replace(after, granted=left)], {account.id: digest})
            reseal(connection)
        return entry

    def _take(self, entry: Entry) -> None:
        """What the migration to the rules of today writes into the rows of grants."""
        details = entry.details
        for grant_id, units in details.draws:
            self._grants[grant_id] = self._grants[grant_id].less(units)
        if details.kind is EntryKind.EXPIRY and details.grant_id is not None:
            grant = self._grants[details.grant_id]
            self._grants[details.grant_id] = replace(grant, expired=grant.expired - entry.amount)
        if details.reverses in self._made:
            grant = self._grants[self._made[details.reverses]]
            room = grant.amount - grant.remaining - grant.expired
            self._grants[grant.id] = replace(grant, reversed=min(grant.reversed - entry.amount, room))
        for grant_id, grant in self._grants.items():
            room = grant.amount - grant.remaining - grant.expired
            self._grants[grant_id] = replace(grant, reversed=min(grant.reversed, room))
