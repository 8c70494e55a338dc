"""Wallets with policies, and what is asked and told of their charges: for tests of charges through the path."""

from typing import Any

from models.batch.system_jobs import system_job
from models.domain.deciding.commands import Job
from models.domain.outcome import Refusal
from tests.support.builders import Document, done, job, take_looks
from tests.support.ledgers import Ledger, kept, switch_charging

LEVEL: dict[str, Any] = {"trigger": "balance_below_threshold", "threshold": 10, "amount": 50, "cooldown_s": 0}
ASKED = {**LEVEL, "provider": "http", "payer": "p"}


def wallet(ledger: Ledger, name: str = "w", /, **policy: Any) -> None:
    done(ledger, "wallets.create", wallet_id=name, scale=0)
    if policy:
        agree(ledger, name, **policy)


def agree(ledger: Ledger, name: str = "w", /, **policy: Any) -> Document:
    return done(ledger, "auto_topup.set_policy", account=f"wallet:{name}", **policy)


def agreeing(**policy: Any) -> Job:
    return job("auto_topup.set_policy", account="wallet:w", **policy)


def now(name: str = "w", **fields: Any) -> Job:
    return job("auto_topup.run_now", account=f"wallet:{name}", **fields)


def told(charge_id: str, status: str, **fields: Any) -> Job:
    return job("charges.settle", charge_id=charge_id, status=status, **fields)


def codes(documents: list[Document]) -> list[str]:
    return [document["code"] for document in documents]


def scan(ledger: Ledger) -> None:
    take_looks(ledger)


def charges(ledger: Ledger, *columns: str) -> list[tuple[Any, ...]]:
    """Status and units of each, unless columns are named, the oldest first."""
    found = sorted(kept(ledger, "charges"), key=lambda row: (row["created_at"], row["id"]))
    found = [{**row, "id": str(row["id"])} for row in found]
    return [tuple(row[name] for name in columns or ("status", "units")) for row in found]


def policy(ledger: Ledger) -> dict[str, Any]:
    [found] = kept(ledger, "policies")
    return found


def switched(ledger: Ledger, *, on: bool) -> None:
    switch_charging(ledger, on=on)


def settled_by_us(charge_id: str) -> Job:
    """As whoever asked the provider settles it."""
    body, command = {"charge_id": charge_id, "status": "succeeded"}, told(charge_id, "succeeded").command
    assert not isinstance(command, Refusal)
    return system_job("charges.settle", charge_id, body, command, key=f"charge:{charge_id}")
