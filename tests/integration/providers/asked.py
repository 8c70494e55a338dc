"""Charges as charging asks for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from tasks.auto_topup.provider import ChargeRequest


def request(payer: str | None = "somebody", **changes: Any) -> ChargeRequest:
    """A charge of its own, of USD 20.00 unless said otherwise."""
    made = ChargeRequest(
        id=uuid4(),
        account="wallet:w_1",
        payer=payer,
        payment_method=None,
        amount=2_000,
        currency="USD",
        credits="50",
        policy_version=3,
    )
    return replace(made, **changes)
