"""Our worker, as a contender."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine, text

from balance_client import BalanceClient
from balance_client.publishing.job_message import JobSpec
from benchmarks import population
from benchmarks.broker import Broker
from benchmarks.coherence import audit_since
from benchmarks.contender import Incoherent, Publisher, celery
from benchmarks.movement import Kind, Movement
from models.store.audit.ledger import audit
from models.store.schema import migrations as schema

_SLICE: Final = 20_000  # messages that are held in memory at once while publishing
_UNITS: Final = {"user": 1, "wallet": 10**9}  # of one whole unit of a movement, in an account's own

_APPLIED: Final = text("select count(*) from jobs where id > :mark")
_COMMITTED: Final = text("""
    select idempotency_key, extract(epoch from pg_xact_commit_timestamp(xmin)) as at from jobs where id > :mark
""")
_TOTAL: Final = text("select kind, sum(balance) as total from accounts where kind in ('user', 'wallet') group by kind")
_OUTCOMES: Final = text("select code, count(*) as jobs from jobs where id > :mark and code <> 'applied' group by code")


class Ours:
    """Celery workers with the solo pool, one for each process, all on one queue."""

    name = "ours"

    def create(self, url: str) -> None:
        schema.upgrade(url)

    def populate(self, engine: Engine, accounts: int) -> None:
        population.add_accounts(engine, "user", accounts)
        population.add_accounts(engine, "wallet", accounts)
        population.add_accounts(engine, "app", accounts)

    def publish(self, broker: Broker, database_url: str, messages: Sequence[Movement]) -> None:
        with BalanceClient(broker.url, queue=broker.queue) as client:
            for start in range(0, len(messages), _SLICE):
                client.submit_many(map(job, messages[start : start + _SLICE]), want_result=False)

    def publisher(self, broker_url: str, queue: str) -> Publisher:
        return _Publisher(BalanceClient(broker_url, queue=queue))

    def commands(self, processes: int, *, events: bool, queue: str) -> list[list[str]]:
        app = "worker.app" if events else "benchmarks.silent_worker"
        return [celery(app, queue, f"ours{n}", "--pool", "solo") for n in range(processes)]

    def environment(self, broker_url: str, database_url: str, queue: str) -> Mapping[str, str]:
        return {
            "BALANCE_BROKER_URL": broker_url,
            "BALANCE_DATABASE_URL": database_url,
            "BALANCE_QUEUE": queue,
            "BALANCE_IO_QUEUE": f"{queue}.io",
            # All workers wait at one lock until the last of them is there; none shall give up before.
            "BALANCE_LOCK_TIMEOUT_MS": "28000",
            "BALANCE_VISIBILITY_TIMEOUT_S": "60",
        }

    def mark(self, engine: Engine) -> UUID:
        with engine.connect() as connection:
            found = connection.execute(text("select id from jobs order by id desc limit 1")).scalar()
        return found or UUID(int=0)

    def applied(self, engine: Engine, mark: Any) -> int:
        with engine.connect() as connection:
            return int(connection.execute(_APPLIED, {"mark": mark}).scalar_one())

    def unfinished(self, broker: Broker, engine: Engine) -> int:
        return broker.length()

    def committed_at(self, engine: Engine, mark: Any) -> dict[str, float]:
        with engine.connect() as connection:
            found = connection.execute(_COMMITTED, {"mark": mark})
            return {row.idempotency_key: float(row.at) for row in found}

    def total(self, engine: Engine) -> int:
        with engine.connect() as connection:
            return sum(int(row.total) // _UNITS[row.kind] for row in connection.execute(_TOTAL))

    def check(self, engine: Engine, mark: Any, *, whole: bool) -> int:
        with engine.connect() as connection:
            others = {row.code: row.jobs for row in connection.execute(_OUTCOMES, {"mark": mark})}
            parked = int(connection.execute(text("select count(*) from dead_letters")).scalar_one())
        # A set of an app's balance to what it is already moves nothing, and says so.
        if unexpected := {code: jobs for code, jobs in others.items() if code != "unchanged"}:
            raise Incoherent(f"jobs were refused: {unexpected}")
        if parked:
            raise Incoherent(f"{parked} messages were parked")
        if not whole:
            return audit_since(engine, mark)
        report = audit(engine)
        if not report.coherent:
            raise Incoherent(f"{len(report.findings)} findings, the first: {report.findings[0]}")
        return report.entries


class _Publisher:
    def __init__(self, client: BalanceClient) -> None:
        self._client = client

    def publish(self, message: Movement) -> None:
        self._client.submit(job(message), want_result=False)

    def close(self) -> None:
        self._client.close()


def job(message: Movement) -> JobSpec:
    """The job of ours that does what the movement says."""
    return _JOBS[message.kind](message)


def _user_job(message: Movement) -> JobSpec:
    return "users.update_balance", {
        "idempotency_key": message.key,
        "user_id": message.account,
        "amount_kopeks": message.amount,
    }


def _wallet_job(message: Movement) -> JobSpec:
    return "wallets.top_up", {
        "idempotency_key": message.key,
        "wallet_id": population.wallet_id(message.account),
        "credits_to_add": str(message.amount),
        "transaction_reason": "PURCHASED_CREDIT_DIRECT",
    }


def _app_job(message: Movement) -> JobSpec:
    return "apps.update_balance", {
        "idempotency_key": message.key,
        "app_id": population.APP_ID,
        "store_id": str(message.account),
        "balance": message.amount,
    }


_JOBS: Final[dict[Kind, Callable[[Movement], JobSpec]]] = {"user": _user_job, "wallet": _wallet_job, "app": _app_job}
