"""Entries: whole for programs, a line each for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.contracts.replies import outcome
from models.domain.credits.grants import Draw
from models.domain.credits.holds import HoldChange
from models.domain.ledger import Entry
from models.store.read.page import Page
from worker.cli.terminal.output import remark
from worker.cli.terminal.tables import Column, heading, table
from worker.encoding.shown import decimal, signed, when


def entry_document(entry: Entry, scale: int) -> dict[str, Any]:
    """All that an entry says: what it moved, and what it did to grants and holds."""
    note = entry.details
    return {
        **outcome.entry_document(entry, scale),
        "kind": note.kind.value,
        "reason": note.reason,
        "description": note.description,
        "job_id": note.job_id,
        "part": note.part,
        "metadata": note.metadata,
        "listed": note.listed,
        "reverses": note.reverses,
        "grant": note.grant_id,
        "draws": _draws(note.draws),
        "paid": _draws(note.paid),
        "held": note.held,
        "holds": [_change(change) for change in note.holds],
    }


def _draws(draws: Sequence[Draw]) -> list[dict[str, Any]]:
    return [{"grant": grant_id, "amount": units} for grant_id, units in draws]


def _change(change: HoldChange) -> dict[str, Any]:
    parts = [{"grant": part.grant_id, "held": part.held, "remaining": part.remaining} for part in change.parts]
    return {"hold": change.hold_id, "verb": change.verb.value, "amount": change.units, "parts": parts}


def tell_entries(entries: Page[Entry], scale: int) -> None:
    """The newest first, with the way to those before them."""
    heading("Entries")
    table(
        [
            Column("number", right=True),
            Column("created", whole=True),
            Column("amount", right=True),
            Column("held", right=True, optional=True),
            Column("balance", right=True),
            Column("kind"),
            Column("reason"),
            Column("job", whole=True),
        ],
        [
            (
                str(entry.seq),
                when(entry.details.at),
                signed(entry.amount, scale),
                signed(entry.details.held, scale) if entry.details.held else "",
                decimal(entry.balance_after, scale),
                entry.details.kind.value,
                entry.details.reason or entry.details.description or "",
                str(entry.details.job_id),
            )
            for entry in entries.rows
        ],
    )
    if entries.last is not None:
        remark(f"for the entries before these: --before {entries.last.seq}")
