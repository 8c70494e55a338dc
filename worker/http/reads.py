"""What can be looked up through the door: users, wallets and their transactions, an app's balance, a job's outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine

from models.contracts.jobs.users import user_body
from models.contracts.jobs.wallet_contract import wallet_body
from models.contracts.replies.outcome import entry_document
from models.domain.accounts import Account, AccountKey, Kind
from models.domain.deciding.commands import TelegramUser
from models.domain.deciding.decision import DecisionContext
from models.domain.ledger import Entry
from models.domain.sharding.place import bucket_of_target
from models.domain.sharding.shard import Shard
from models.store.connection.session import snapshot
from models.store.read.accounts import account, now
from models.store.read.entries import GrantTerms, entries_of, terms_of
from models.store.read.jobs import job_under, keys_of
from worker.http import wallet_texts
from worker.http.faces import Refused
from worker.http.wallet_texts import Body

PAGE_MAX: Final = 500
_NO_TERMS: Final = GrantTerms(None, None)
_NOT_FOUND: Final = {Kind.USER: "User not found", Kind.WALLET: "Wallet not found", Kind.APP: "App not found"}


@dataclass(frozen=True, slots=True)
class Reads:
    """Each in a read-only transaction of its own. They block: called in threads."""

    engine: Engine
    shard: Shard | None = None  # whose accounts are here; None: all are

    def user(self, target: AccountKey | TelegramUser) -> Body:
        with snapshot(self.engine) as connection:
            found = self._found(connection, target, Kind.USER)
            return user_body(found, DecisionContext(now(connection)))

    def wallet(self, wallet_id: str) -> Body:
        with snapshot(self.engine) as connection:
            return _wallet(connection, self._found(connection, AccountKey(Kind.WALLET, wallet_id), Kind.WALLET))

    def transactions(self, wallet_id: str, limit: int, offset: int, *, oldest_first: bool) -> Body:
        """Entries are numbered from 1 without a gap: a page costs the same wherever it lies."""
        with snapshot(self.engine) as connection:
            found = self._found(connection, AccountKey(Kind.WALLET, wallet_id), Kind.WALLET)
            if oldest_first:
                last = min(found.seq, offset + limit)
                page = entries_of(connection, found.id, max(0, last - offset), last + 1).rows[::-1]
            else:
                page = entries_of(connection, found.id, limit, max(0, found.seq - offset) + 1).rows
            keys = keys_of(connection, {entry.details.job_id for entry in page})
            terms = terms_of(connection, page)
            shown = wallet_body(found, DecisionContext(now(connection)))
            items = [_transaction(shown, found, entry, keys, terms) for entry in page]
        return {"items": items, "pagination": {"limit": limit, "offset": offset, "total": found.seq}}

    def app_balance(self, app: AccountKey) -> Body:
        with snapshot(self.engine) as connection:
            found = self._found(connection, app, Kind.APP)
        return {"status": 200, "success": True, "data": {"balance": found.balance, "updated_at": found.updated_at}}

    def outcome(self, producer: str, key: str) -> Body:
        """The outcome document, as it was answered; a job that waits and a key that nobody used look alike."""
        with snapshot(self.engine) as connection:
            found = job_under(connection, producer, key)
        if found is None:
            raise Refused(404, "job_not_settled", "No job has been settled under this key, or not yet")
        document: Body = json.loads(found.outcome, parse_float=Decimal)
        return document

    def _found(self, connection: Connection, target: AccountKey | TelegramUser, kind: Kind) -> Account:
        found = account(connection, target)
        if found is None:
            self._check_shard(target)
            raise Refused(404, f"{kind.value}_not_found", _NOT_FOUND[kind])
        return found

    def _check_shard(self, target: AccountKey | TelegramUser) -> None:
        """Raises Refused for an account that cannot be here."""
        bucket = bucket_of_target(target)
        if self.shard is None or bucket is None or self.shard.has(bucket):
            return
        theirs = f"{self.shard.of(bucket)}/{self.shard.count}"
        text = f"{target} is in shard {theirs}; this door reads shard {self.shard}: ask a door of that shard"
        raise Refused(421, "misdirected", text, {"shard": theirs})


def _wallet(connection: Connection, found: Account) -> Body:
    return wallet_texts.wallet(wallet_body(found, DecisionContext(now(connection))))


def _transaction(
    shown: Body, found: Account, entry: Entry, keys: Mapping[UUID, str], terms: Mapping[UUID, GrantTerms]
) -> Body:
    details = entry.details
    granted = terms.get(details.grant_id, _NO_TERMS) if details.grant_id and entry.amount > 0 else _NO_TERMS
    note = {
        "transaction_reason": details.reason, "description": details.description, "metadata": details.metadata,
        "priority": granted.priority, "expiry_date_utc": granted.expires_at,
    }  # fmt: skip
    return wallet_texts.transaction(shown, entry_document(entry, found.scale), note, keys.get(details.job_id))
