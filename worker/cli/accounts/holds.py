"""A wallet's holds: the open ones, or every one that there ever was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from models.domain.credits.holds import Hold, HoldEnd
from worker.cli.terminal.output import Column, decimal, heading, table, when

if TYPE_CHECKING:
    from models.domain.accounts import Account
    from models.store.read.credits import Credits


@dataclass(frozen=True, slots=True)
class Holds:
    """Holds as time has made them: one that has run out reserves nothing, whether or not the sweep has run."""

    title: str
    holds: Sequence[Hold]
    scale: int
    wrong: Collection[UUID] | None = None  # those whose rows are not what the entries make of them, where looked at

    @classmethod
    def open(cls, account: Account, at: datetime) -> Holds:
        return cls("Open holds", [hold for hold in account.holds if not hold.lapsed(at)], account.scale)

    @classmethod
    def every(cls, account: Account, credits: Credits, at: datetime) -> Holds:
        found = [_at(hold, at) for hold in credits.holds.values()]
        return cls("Every hold", found, account.scale, credits.wrong_holds())

    def document(self) -> list[dict[str, Any]]:
        return [self._document(hold) for hold in self.holds]

    def _document(self, hold: Hold) -> dict[str, Any]:
        backing = [{"grant": grant_id, "amount": units} for grant_id, units in hold.backing]
        told = {**asdict(hold), "released": _released(hold), "backing": backing}
        return told if self.wrong is None else {**told, "row_is_wrong": hold.id in self.wrong}

    def tell(self) -> None:
        if not self.holds:
            return
        heading(self.title)
        table(
            [
                Column("hold", whole=True),
                Column("amount", right=True),
                Column("left", right=True),
                Column("captured", right=True),
                Column("released", right=True),
                Column("made", whole=True),
                Column("expires", whole=True),
                Column("ended", optional=True),
                Column("its row is wrong", optional=True),
            ],
            [self._row(hold) for hold in self.holds],
        )

    def _row(self, hold: Hold) -> list[str]:
        return [
            str(hold.id),
            *(decimal(units, self.scale) for units in (hold.amount, hold.remaining, hold.captured, _released(hold))),
            when(hold.created_at),
            when(hold.expires_at),
            "" if hold.ended is None else hold.ended.value,
            "yes" if hold.id in (self.wrong or ()) else "",
        ]


def _at(hold: Hold, at: datetime) -> Hold:
    if not hold.remaining or not hold.lapsed(at):
        return hold
    return replace(hold, remaining=0, backing=(), ended=HoldEnd.EXPIRED)


def _released(hold: Hold) -> int:
    return hold.amount - hold.captured - hold.remaining
