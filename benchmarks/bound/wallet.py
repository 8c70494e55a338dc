"""A wallet under its lock, and the answer that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec


class Wallet:
    """`row` is as it was locked; the rest as it stands after the jobs so far."""

    __slots__ = ("balance", "head", "number", "ref", "row", "scale", "seq", "shown")

    def __init__(self, row: Mapping[str, Any]) -> None:
        # A wallet with more to it than a number is not for this program.
        if row["status"] != "active" or row["conversion_rate"] != 1 or row["has_policy"] or row["low_at"] is not None:
            raise ValueError(f"wallet {row['ref']} is not a plain active one at a rate of 1")
        if row["granted"] or row["held"]:
            raise ValueError(f"wallet {row['ref']} has grants or holds")
        self.row = row
        self.number: int = row["id"]
        self.ref: str = row["ref"]
        self.scale: int = row["scale"]
        self.balance: int = row["balance"]
        self.seq: int = row["seq"]
        self.head: bytes = row["head"]
        self.shown = {
            "auto_topup_amount": None,
            "auto_topup_min_balance": None,
            "auto_topup_trigger": "disabled",
            "balance": None,
            "config": msgspec.Raw(row["config"].encode()),
            "conversion_rate": 1,
            "created_at": row["created_at"],
            "credit_balance": None,
            "currency": row["currency"],
            "customer_id": row["customer_id"],
            "description": row["description"],
            "held": 0,
            "id": self.ref,
            "metadata": msgspec.Raw(row["metadata"].encode()),
            "name": row["name"],
            "updated_at": None,
            "wallet_status": row["status"],
            "wallet_type": row["wallet_type"],
        }

    @property
    def moved(self) -> bool:
        return bool(self.seq != self.row["seq"])

    def body(self, now: datetime) -> dict[str, Any]:
        """What the answer says of it. The same dictionary each time: it is written before the next job."""
        exact = Decimal(self.balance).scaleb(-self.scale)
        whole = int(exact)
        number = whole if whole == exact else exact.normalize()
        self.shown["balance"] = self.shown["credit_balance"] = number
        self.shown["updated_at"] = now
        return self.shown
