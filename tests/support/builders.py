"""Jobs, accounts and grants as tests need them: everything has a default, so that a test names what it is about."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine, text

from balance_client.testing import FakeWorker
from models.batch import system_jobs
from models.contracts.message import parse
from models.domain.accounts import (
    Account,
    AccountKey,
    Kind,
    Profile,
    User,
    UserStatus,
    Wallet,
    WalletStatus,
    WalletType,
)
from models.domain.charging.policies import Policy, TopUpTrigger
from models.domain.credits import balance as credits
from models.domain.credits.grants import Grant
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Limits
from models.domain.retry import RetryPolicy
from models.domain.webhooks.secrets import SecretKeys
from models.store.connection.session import transaction
from models.store.read import accounts as history
from models.store.write.events.messages import COLUMNS, JOINS, message
from tasks.apply.retries import RetryingApplier
from tasks.auto_topup.scan import scan
from tasks.scheduled import expiry
from tests.support.ledgers import (
    Ledger,
    entries_in_memory,
    events_in_memory,
    kept,
    let_time,
    looks_in_memory,
    outcomes,
    sweep_in_memory,
)

NOW: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
WEBHOOK_KEYS: Final = SecretKeys((b"a key of the tests, of some length",))
LIMITS: Final = Limits(
    webhook_key=WEBHOOK_KEYS.newest, expiry_grace=timedelta(0), currency_digits={"USD": 2, "RUB": 2, "JPY": 0, "KWD": 3}
)
"""As a deployment has them, but for the grace: what expires is written off by the next sweep."""
Document = dict[str, Any]

_POLICY: Final = {field.name for field in fields(Policy)} - {"timezone"}
_numbers = itertools.count(1)


# --- jobs through the path


def job(name: str, /, **fields: Any) -> Job:
    """A job as a publisher sends it, under a key of its own unless one is given."""
    return parse(name, {"idempotency_key": f"key-{next(_numbers)}", **fields})


def settle(ledger: Ledger, *jobs: Job) -> list[Document]:
    """The outcome documents of jobs applied in one transaction."""
    return [outcome.document() for outcome in outcomes(ledger, jobs, LIMITS)]


def ask(ledger: Ledger, name: str, /, **fields: Any) -> Document:
    """The outcome document of one job."""
    return settle(ledger, job(name, **fields))[0]


def done(ledger: Ledger, name: str, /, **fields: Any) -> Document:
    """As `ask`, for a job that a test needs to have been applied."""
    document = ask(ledger, name, **fields)
    assert document["status"] == "applied", document
    return document


def refused(document: Document, code: str, status: int, body: Document) -> None:
    """Asserts the whole answer of a refusal, word for word."""
    assert document["error"] == {"status": status, "body": body}
    assert (document["status"], document["code"]) == ("rejected", code)
    assert document["entry"] is None
    assert document["response"] is None


# --- what the database holds


def rows(engine: Engine, query: str, /, **parameters: Any) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(query), parameters).mappings()]


def execute(engine: Engine, statement: str, /, **parameters: Any) -> int:
    """Runs a statement behind the ledger's back; returns how many rows it changed."""
    with engine.begin() as connection:
        return connection.execute(text(statement), parameters).rowcount


def entries(ledger: Ledger, account: str) -> list[dict[str, Any]]:
    """The entries of an account named like wallet:w_1, in their order."""
    if isinstance(ledger, FakeWorker):
        return entries_in_memory(ledger, account)
    return rows(
        ledger,
        "select e.* from entries e join accounts a on a.id = e.account_id"
        " where a.kind || ':' || a.ref = :account order by e.seq",
        account=account,
    )


def balance(ledger: Ledger, account: str) -> int:
    if isinstance(ledger, FakeWorker):
        return next(each.balance for key, each in ledger.ledger.accounts.items() if str(key) == account)
    found = rows(ledger, "select balance from accounts where kind || ':' || ref = :account", account=account)
    return int(found[0]["balance"])


def shown(ledger: Ledger, wallet: str = "w") -> tuple[int, int, int]:
    """(credit, held, spendable) of a wallet, in units, as of now."""
    account: Account | None
    if isinstance(ledger, FakeWorker):
        account, now = ledger.ledger.loaded(AccountKey(Kind.WALLET, wallet)), ledger.now
    else:
        with ledger.connect() as connection:
            account = history.account(connection, AccountKey(Kind.WALLET, wallet))
            now = history.now(connection)
    assert account is not None
    return credits.credit(account, now), credits.held(account, now), credits.spendable(account, now)


def sweep(ledger: Ledger, limits: Limits = LIMITS, notice: timedelta = timedelta(0), batch: int = 100) -> int:
    """Does what time has brought, as the beat's tick does."""
    if isinstance(ledger, FakeWorker):
        return sweep_in_memory(ledger, limits, notice)
    return expiry.expire(applier(ledger, limits), batch, notice)


def take_looks(ledger: Ledger) -> None:
    """Looks at the accounts that are due, as the beat's tick does."""
    if isinstance(ledger, FakeWorker):
        looks_in_memory(ledger)
    else:
        scan(applier(ledger), 100)


def applier(engine: Engine, limits: Limits = LIMITS) -> RetryingApplier:
    """One that never has to wait."""

    def never(seconds: float) -> None:
        raise AssertionError(f"nothing is to be waited for, not even {seconds} s")

    return RetryingApplier(engine, limits, RetryPolicy(), never, lambda: 0.5)


def events(ledger: Ledger) -> list[tuple[str, Document]]:
    """(type, payload) of the outbox, in its order."""
    if isinstance(ledger, FakeWorker):
        return events_in_memory(ledger)
    with ledger.connect() as connection:
        found = connection.execute(text(f"select {COLUMNS} from outbox o {JOINS} order by o.id")).all()
        return [(row.type, json.loads(message(row).body)) for row in found]


def grants_left(ledger: Ledger) -> dict[UUID, int]:
    """What is left of each grant."""
    return {row["id"]: row["remaining"] for row in kept(ledger, "grants", "id", "remaining")}


def let_expire(ledger: Ledger, grant_id: str, ago: timedelta = timedelta(0)) -> None:
    """Makes a grant's time be over. No test waits for that."""
    let_time(ledger, "grants", "expires_at", ago=ago, only=grant_id)


def expire_job(account: AccountKey, grant_id: str, seq: int = 0) -> Job:
    """The sweep's job for one grant."""
    return system_jobs.expire_job(account, UUID(grant_id), seq)


def reset(engine: Engine) -> None:
    """Empties the ledger: for tests that need many clean ones."""
    with transaction(engine) as connection:
        for table in (
            "stream_backlog",
            "webhook_deliveries",
            "webhook_queues",
            "webhook_endpoints",
            "outbox",
            "records",
            "entries",
            "grants",
            "holds",
            "policies",
            "charges",
            "jobs",
            "job_bodies",
            "switches",
            "users",
            "wallets",
            "apps",
            "accounts",
            "dead_letters",
            "anchors",
            "keys",
            "telegram_ids",
            "telegram_terms",
        ):
            connection.execute(text(f"delete from {table}"))
        connection.execute(text("update journals set seq = 0, head = '' where seq > 0"))


# --- the pure domain


def wallet_account(*, balance: int = 0, grants: tuple[Grant, ...] = (), floor: int = 0, **profile: Any) -> Account:
    """A wallet of scale 0 and rate 1, so that a unit is a credit. What is a policy's by its name is of its policy."""
    granted = sum(grant.remaining for grant in grants)
    agreed = {name: profile.pop(name) for name in _POLICY & set(profile)}
    policy = Policy(**{"trigger": TopUpTrigger.DISABLED, **agreed}) if agreed else None
    return account_of(
        AccountKey(Kind.WALLET, "w"),
        wallet_face(**profile),
        balance=balance,
        floor=floor,
        grants=grants,
        granted=granted,
        policy=policy,
    )


def user_account(*, balance: int = 0, floor: int = 0, **profile: Any) -> Account:
    user = User(7, None, None, None, None, "ru", UserStatus.ACTIVE, None, None, False, False, None, None, None)
    return account_of(AccountKey(Kind.USER, "7"), replace(user, **profile), balance=balance, floor=floor, scale=2)


def wallet_face(**changes: Any) -> Wallet:
    plain = Wallet(
        customer_id=None,
        name="",
        description="",
        currency="USD",
        wallet_type=WalletType.PRE_PAID,
        status=WalletStatus.ACTIVE,
        conversion_rate=Decimal(1),
        config={"allowed_price_types": ["ALL"]},
        metadata={},
    )
    return replace(plain, **changes)


def account_of(key: AccountKey, profile: Profile, **changes: Any) -> Account:
    plain = Account(1, key, "unit", 0, 0, 0, 0, b"", None, NOW, NOW, profile)
    return replace(plain, **changes)


def grant(number: int, remaining: int, *, priority: int | None = None, days: int | None = None, age: int = 0) -> Grant:
    """Grant `number` of 100 units, expiring `days` from NOW (negative: expired), made `age` days before it."""
    expires_at = None if days is None else NOW + timedelta(days=days)
    made = NOW - timedelta(days=age)
    return Grant(UUID(int=number), 100, remaining, priority, expires_at, made)


def remaining(found: Sequence[Grant]) -> Mapping[int, int]:
    """What is left, by the grant's number."""
    return {item.id.int: item.remaining for item in found}
