"""What is told to the outside, by the names under which it is published."""

from __future__ import annotations

from enum import StrEnum


class EventType(StrEnum):
    USER_BALANCE_UPDATED = "user.balance.updated"
    WALLET_UPDATED = "wallet.updated"
    WALLET_TRANSACTION_CREATED = "wallet.transaction.created"
    WALLET_BALANCE_DROPPED = "wallet.credit_balance.dropped"
    WALLET_BALANCE_RECOVERED = "wallet.credit_balance.recovered"
    APP_BALANCE_UPDATED = "app.balance.updated"
    JOB_REJECTED = "job.rejected"
