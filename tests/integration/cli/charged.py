"""A ledger with auto top-up: policies, and charges that were asked for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from models.domain.charging.policies import ProviderName
from models.store.connection.session import transaction
from models.store.write.top_ups import switches
from tasks.auto_topup.charging import Asker
from tasks.auto_topup.provider import ProviderStatus
from tasks.auto_topup.scan import scan
from tests.support.answering import Answering
from tests.support.builders import applier, done, rows

POLICY: dict[str, Any] = {
    "trigger": "balance_below_threshold",
    "threshold": 10,
    "amount": 50,
    "provider": "http",
    "cooldown_s": 0,
}


def wallet(engine: Engine, name: str = "w1", credits: int = 0, **policy: Any) -> str:
    """A wallet with a policy, by its account's name."""
    done(engine, "wallets.create", wallet_id=name, scale=2)
    if credits:
        done(engine, "wallets.top_up", wallet_id=name, credits_to_add=credits, transaction_reason="INVOICE_REFUND")
    done(engine, "auto_topup.set_policy", account=f"wallet:{name}", **{**POLICY, **policy})
    return f"wallet:{name}"


def look(engine: Engine) -> int:
    """Takes the looks that are due, as a tick does."""
    return scan(applier(engine), 100)


def charge(engine: Engine, status: ProviderStatus, *said: Any) -> str:
    """Has what is due charged, and the provider answer so. Returns the newest charge."""
    look(engine)
    Asker(applier(engine), {ProviderName.HTTP: Answering(status, *said)}).ask_due()
    return newest(engine)


def newest(engine: Engine) -> str:
    return str(rows(engine, "select id from charges order by created_at desc limit 1")[0]["id"])


def switch(engine: Engine, *, on: bool) -> None:
    with transaction(engine) as connection:
        switches.switch(connection, switches.CHARGING, on=on, by="olga", reason="ticket 17")
