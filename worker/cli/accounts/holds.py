"""A wallet's holds: the open ones, or every one that there ever was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.domain.credits.holds import Hold
from models.store.read.explained import ExplainedHold
from worker.cli.terminal.tables import Column, heading, table
from worker.encoding.shown import decimal, when


@dataclass(frozen=True, slots=True)
class OpenHolds:
    """Those that reserve something now."""

    holds: Sequence[Hold]
    scale: int

    def document(self) -> list[dict[str, Any]]:
        return [_document(hold) for hold in self.holds]

    def tell(self) -> None:
        _tell("Open holds", [_row(hold, self.scale) for hold in self.holds])


@dataclass(frozen=True, slots=True)
class EveryHold:
    """All that there ever were, the oldest first."""

    holds: Sequence[ExplainedHold]
    scale: int

    def document(self) -> list[dict[str, Any]]:
        return [{**_document(item.hold), "row_is_wrong": item.row_is_wrong} for item in self.holds]

    def tell(self) -> None:
        _tell("Every hold", [_row(item.hold, self.scale, wrong=item.row_is_wrong) for item in self.holds])


def _document(hold: Hold) -> dict[str, Any]:
    backing = [{"grant": grant_id, "amount": units} for grant_id, units in hold.backing]
    return {**asdict(hold), "released": hold.released, "backing": backing}


def _tell(title: str, rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        return
    heading(title)
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
        rows,
    )


def _row(hold: Hold, scale: int, *, wrong: bool = False) -> list[str]:
    return [
        str(hold.id),
        *(decimal(units, scale) for units in (hold.amount, hold.remaining, hold.captured, hold.released)),
        when(hold.created_at),
        when(hold.expires_at),
        "" if hold.ended is None else hold.ended.value,
        "yes" if wrong else "",
    ]
