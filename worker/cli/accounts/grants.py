"""A wallet's grants: the open ones as they are now, or every one that there ever was, as its entries make it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from models.domain.credits.grants import Grant, consumption_order
from worker.cli.terminal.output import Column, decimal, heading, table, when

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from models.domain.accounts import Account
    from models.domain.ledger import Entry
    from models.store.read.credits import Credits

_GONE: Final = ("held", "spent", "expired", "voided", "reversed")


@dataclass(frozen=True, slots=True)
class OpenGrants:
    """Those with something left or held: in the order in which a debit uses them up, then what cannot be used."""

    grants: Sequence[Grant]
    at: datetime
    scale: int

    @classmethod
    def of(cls, account: Account, at: datetime) -> OpenGrants:
        usable = consumption_order(grant for grant in account.grants if grant.open(at))
        rest = [grant for grant in account.grants if grant not in usable and grant.remaining + grant.held]
        return cls(usable + rest, at, account.scale)

    def document(self) -> list[dict[str, Any]]:
        return [_document(grant, self.at) for grant in self.grants]

    def tell(self) -> None:
        if not self.grants:
            return
        heading("Open grants, in the order of use")
        table(
            [
                Column("grant", whole=True),
                Column("left", right=True),
                Column("held", right=True, optional=True),
                Column("of", right=True),
                Column("priority", right=True),
                Column("begins", whole=True, optional=True),
                Column("expires", whole=True),
                Column("state"),
            ],
            [self._row(grant) for grant in self.grants],
        )

    def _row(self, grant: Grant) -> list[str]:
        return [
            str(grant.id),
            decimal(grant.remaining, self.scale),
            _if_any(grant.held, self.scale),
            decimal(grant.amount, self.scale),
            _priority(grant),
            when(grant.effective_at),
            when(grant.expires_at),
            _state(grant, self.at),
        ]


@dataclass(frozen=True, slots=True)
class Explained:
    """A grant as its entries make it, by the rules."""

    grant: Grant
    made: Entry | None  # the entry that made it; None when that is gone
    row: Mapping[str, int]  # what its row says, where that is something else


@dataclass(frozen=True, slots=True)
class EveryGrant:
    """All that there ever were, the oldest first."""

    grants: Sequence[Explained]
    at: datetime
    scale: int

    @classmethod
    def of(cls, connection: Connection, account: Account, credits: Credits, at: datetime) -> EveryGrant:
        from models.store.read import accounts as history
        from models.store.read.credits import told

        made, found = history.grants_made(connection, account.id), []
        for grant_id, row in credits.grants.items():
            right, says = credits.replay.grants.get(grant_id, row), told(row)
            wrong = {name: says[name] for name, units in told(right).items() if units != says[name]}
            found.append(Explained(right, made.get(grant_id), wrong))
        return cls(found, at, account.scale)

    def document(self) -> list[dict[str, Any]]:
        return [self._document(item) for item in self.grants]

    def _document(self, item: Explained) -> dict[str, Any]:
        from models.domain.jobs.wallets import origin

        told = {**_document(item.grant, self.at), "row": item.row or None}
        if item.made is None:
            return {**told, "origin": None, "job_id": None, "bonus": False}
        return {
            **told,
            "origin": origin(item.made.details),
            "job_id": item.made.details.job_id,
            "bonus": bool(item.made.details.part),
        }

    def tell(self) -> None:
        if not self.grants:
            return
        heading("Every grant, as its entries make it")
        table(
            [
                Column("grant", whole=True),
                Column("origin"),
                Column("amount", right=True),
                Column("left", right=True),
                *(Column(name, right=True, optional=True) for name in _GONE),
                Column("priority", right=True, optional=True),
                Column("begins", whole=True, optional=True),
                Column("expires", whole=True, optional=True),
                Column("state"),
                Column("bonus of", whole=True, optional=True),
                Column("its row is wrong", optional=True),
            ],
            [self._row(item) for item in self.grants],
        )

    def _row(self, item: Explained) -> list[str]:
        grant, document = item.grant, self._document(item)
        return [
            str(grant.id),
            document["origin"] or "",
            decimal(grant.amount, self.scale),
            decimal(grant.remaining, self.scale),
            *(_if_any(document[name], self.scale) for name in _GONE),
            _priority(grant),
            when(grant.effective_at),
            when(grant.expires_at),
            document["state"],
            str(document["job_id"]) if document["bonus"] else "",
            ", ".join(f"{name} {decimal(units, self.scale)}" for name, units in item.row.items()),
        ]


def _document(grant: Grant, at: datetime) -> dict[str, Any]:
    told = {name: value for name, value in asdict(grant).items() if name != "pending"}
    return {**told, "spent": _spent(grant), "state": _state(grant, at)}


def _spent(grant: Grant) -> int:
    """What is gone from it and nobody took back. A reversal counts what it took for the grant, wherever that was."""
    return max(0, grant.amount - grant.remaining - grant.held - grant.expired - grant.voided - grant.reversed)


def _state(grant: Grant, at: datetime) -> str:
    if grant.voided_at is not None:
        return "voided"
    if not grant.remaining + grant.held + grant.expired:
        return "used up"
    if grant.lapsed(at):
        return "expired"
    return "open" if grant.begun(at) else "begins later"


def _priority(grant: Grant) -> str:
    return "" if grant.priority is None else str(grant.priority)


def _if_any(units: int, scale: int) -> str:
    return decimal(units, scale) if units else ""
