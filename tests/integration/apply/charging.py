"""Wallets with policies, and what is asked and told of their charges: for tests of charges through the path."""

from typing import Any

from sqlalchemy import Engine

from models.domain.deciding.commands import Job
from models.domain.outcome import Refusal
from models.store.connection.session import transaction
from models.store.write.top_ups import switches
from tasks.auto_topup import scan as autotopup
from tasks.scheduled.sweep import system_job
from tests.support.builders import Document, applier, done, job, rows

LEVEL: dict[str, Any] = {"trigger": "balance_below_threshold", "threshold": 10, "amount": 50, "cooldown_s": 0}
ASKED = {**LEVEL, "provider": "http", "payer": "p"}


def wallet(engine: Engine, name: str = "w", /, **policy: Any) -> None:
    done(engine, "wallets.create", wallet_id=name, scale=0)
    if policy:
        agree(engine, name, **policy)


def agree(engine: Engine, name: str = "w", /, **policy: Any) -> Document:
    return done(engine, "auto_topup.set_policy", account=f"wallet:{name}", **policy)


def agreeing(**policy: Any) -> Job:
    return job("auto_topup.set_policy", account="wallet:w", **policy)


def now(name: str = "w", **fields: Any) -> Job:
    return job("auto_topup.run_now", account=f"wallet:{name}", **fields)


def told(charge_id: str, status: str, **fields: Any) -> Job:
    return job("charges.settle", charge_id=charge_id, status=status, **fields)


def codes(documents: list[Document]) -> list[str]:
    return [document["code"] for document in documents]


def scan(engine: Engine) -> None:
    autotopup.scan(applier(engine), 100)


def charges(engine: Engine, columns: str = "status, units") -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows(engine, f"select {columns} from charges order by created_at, id")]


def policy(engine: Engine) -> dict[str, Any]:
    [found] = rows(engine, "select * from policies")
    return found


def switched(engine: Engine, *, on: bool) -> None:
    with transaction(engine) as connection:
        switches.switch(connection, switches.CHARGING, on=on, by="me", reason=None)


def settled_by_us(charge_id: str) -> Job:
    """As whoever asked the provider settles it."""
    body, command = {"charge_id": charge_id, "status": "succeeded"}, told(charge_id, "succeeded").command
    assert not isinstance(command, Refusal)
    return system_job("charges.settle", charge_id, body, command, key=f"charge:{charge_id}")
