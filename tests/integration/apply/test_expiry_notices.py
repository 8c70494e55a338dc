"""grant.will_expire: told once, so long before that it expires, of what is left then."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from models.batch import system_jobs
from models.domain.accounts import AccountKey, Kind
from tests.support import builders
from tests.support.builders import done, entries, events, let_expire, settle
from tests.support.ledgers import Ledger, kept

NOTICE = timedelta(days=7)


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    done(ledger, "wallets.create", wallet_id="w")
    return ledger


def grant(ledger: Ledger, expires_in: timedelta | None = timedelta(days=6), **fields: Any) -> str:
    made = done(
        ledger, "wallets.top_up", wallet_id="w", credits_to_add=5, transaction_reason="FREE_CREDIT_GRANT",
        expiry_date_utc="2999-01-01", **fields,
    )["job_id"]  # fmt: skip
    if expires_in is not None:
        let_expire(ledger, made, -expires_in)
    return str(made)


def sweep(ledger: Ledger, notice: timedelta = NOTICE, batch: int = 100) -> int:
    return builders.sweep(ledger, notice=notice, batch=batch)


def told(ledger: Ledger) -> list[str]:
    found = [payload["data"]["grant"] for kind, payload in events(ledger) if kind == "grant.will_expire"]
    return [each["id"] for each in found]


def test_each_is_told_once_the_first_to_expire_first(ledger: Ledger) -> None:
    later, sooner, _ = grant(ledger), grant(ledger, timedelta(days=1)), grant(ledger, timedelta(days=8))
    assert (sweep(ledger, batch=1), sweep(ledger)) == (2, 0)
    assert told(ledger) == [sooner, later]
    assert sweep(ledger, timedelta(days=9)) == 1, "a longer notice finds the third"


def test_nothing_moves_and_the_wallet_is_as_it_was(ledger: Ledger) -> None:
    grant(ledger)

    def there() -> list[Any]:
        grants = kept(ledger, "grants", "id", "amount", "remaining", "expires_at")
        return [kept(ledger, "accounts"), grants, entries(ledger, "wallet:w")]

    before = there()
    assert sweep(ledger) == 1
    assert there() == before
    [(kind, payload)] = events(ledger)[-1:]
    assert (kind, payload["producer"], payload["account"]) == ("grant.will_expire", "balance-worker", "wallet:w")


def test_zero_is_never(ledger: Ledger) -> None:
    grant(ledger)
    assert (sweep(ledger, timedelta(0)), told(ledger)) == (0, [])


def test_what_is_gone_is_not_told(ledger: Ledger) -> None:
    grant(ledger, timedelta(0))  # expired, and not told before
    voided = grant(ledger)
    done(ledger, "grants.void", wallet_id="w", job_id=voided, reason="r", operator="o")
    grant(ledger)
    done(ledger, "wallets.debit", wallet_id="w", credits=5)
    grant(ledger, None)
    sweep(ledger)
    assert told(ledger) == []


def test_what_comes_back_is_told_later(ledger: Ledger) -> None:
    made = grant(ledger)
    held = done(ledger, "wallets.hold", wallet_id="w", credits=5)["job_id"]
    [early] = settle(ledger, system_jobs.warn_job(AccountKey(Kind.WALLET, "w"), UUID(made), 2))
    assert early["code"] == "unchanged", "all of it is held"
    done(ledger, "holds.release", job_id=held)
    assert (sweep(ledger), told(ledger)) == (1, [made])


def test_a_grant_that_was_told_is_not_told_again_when_something_comes_back(ledger: Ledger) -> None:
    made = grant(ledger)
    sweep(ledger)
    spent = done(ledger, "wallets.debit", wallet_id="w", credits=5)["job_id"]
    done(ledger, "entries.reverse", job_id=spent)
    assert (sweep(ledger), told(ledger)) == (0, [made])
