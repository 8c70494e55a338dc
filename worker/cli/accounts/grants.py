"""A wallet's grants: the open ones as they are now, or every one that there ever was, as its entries make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from models.domain.credits.grants import Grant, GrantState
from models.store.read.explained import ExplainedGrant
from worker.cli.terminal.tables import Column, heading, table
from worker.encoding.shown import decimal, when


@dataclass(frozen=True, slots=True)
class OpenGrants:
    """Those with something left or held, in the order in which they are to be shown."""

    grants: Sequence[Grant]
    at: datetime
    scale: int

    def document(self) -> list[dict[str, Any]]:
        return [_document(grant, grant.state(self.at)) for grant in self.grants]

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
            grant.state(self.at).value,
        ]


@dataclass(frozen=True, slots=True)
class EveryGrant:
    """All that there ever were, the oldest first."""

    grants: Sequence[ExplainedGrant]
    scale: int

    def document(self) -> list[dict[str, Any]]:
        return [
            {
                **_document(item.grant, item.state),
                "row": {wrong.name: wrong.row for wrong in item.wrong} or None,
                "origin": item.origin,
                "job_id": item.job_id,
                "bonus": item.bonus,
            }
            for item in self.grants
        ]

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
                *(
                    Column(name, right=True, optional=True)
                    for name in ("held", "spent", "expired", "voided", "reversed")
                ),
                Column("priority", right=True, optional=True),
                Column("begins", whole=True, optional=True),
                Column("expires", whole=True, optional=True),
                Column("state"),
                Column("bonus of", whole=True, optional=True),
                Column("its row is wrong", optional=True),
            ],
            [self._row(item) for item in self.grants],
        )

    def _row(self, item: ExplainedGrant) -> list[str]:
        grant = item.grant
        gone = (grant.held, grant.consumed, grant.expired, grant.voided, grant.reversed)
        return [
            str(grant.id),
            item.origin or "",
            decimal(grant.amount, self.scale),
            decimal(grant.remaining, self.scale),
            *(_if_any(units, self.scale) for units in gone),
            _priority(grant),
            when(grant.effective_at),
            when(grant.expires_at),
            item.state.value,
            str(item.job_id) if item.bonus else "",
            ", ".join(f"{wrong.name} {decimal(wrong.row, self.scale)}" for wrong in item.wrong),
        ]


def _document(grant: Grant, state: GrantState) -> dict[str, Any]:
    told = {name: value for name, value in asdict(grant).items() if name != "pending"}
    return {**told, "spent": grant.consumed, "state": state}


def _priority(grant: Grant) -> str:
    return "" if grant.priority is None else str(grant.priority)


def _if_any(units: int, scale: int) -> str:
    return decimal(units, scale) if units else ""
