"""Whole workers charge at localstripe: what succeeds, what is declined, what the payer has to confirm, what is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import pytest

from tests.acceptance.charging import AMOUNT, fall_due
from tests.acceptance.system import System, wait_until
from tests.support.builders import balance, rows
from tests.support.servers.child import running
from tests.support.servers.recording_proxy import LOST
from tests.support.servers.stripe_proxy import SECRET, Account, StripeProxy, error

SERVER: Final = "tests.support.servers.localstripe_server"
# docs.stripe.com/testing
GOOD, DECLINED_LATER, WANTS_PAYER = "4242424242424242", "4000000000000341", "4000002760003184"
CENTS: Final = 100 * AMOUNT
CREDITED: Final = AMOUNT * 10**9
_CHARGES: Final = """
    select c.id, c.status, c.code, c.reference, c.amount, c.attempts
    from charges c join accounts a on a.id = c.account_id where a.kind || ':' || a.ref = :account order by c.id
"""
_POLICY: Final = """
    select p.suspended, p.declines, p.open_charge, p.due_at
    from policies p join accounts a on a.id = p.account_id where a.kind || ':' || a.ref = :account
"""


@pytest.fixture(scope="module")
def stripe_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeProxy]:
    """localstripe, behind a proxy that has Stripe's keys of idempotency."""
    with (
        running(["-m", SERVER], tmp_path_factory.mktemp("stripe") / "log") as child,
        StripeProxy(child.url) as proxy,
    ):
        yield proxy


@pytest.fixture
def account(stripe_server: StripeProxy) -> Iterator[Account]:
    with closing(Account(stripe_server.url)) as account:
        yield account


@pytest.fixture
def charging(system: System, stripe_server: StripeProxy) -> System:
    """With an I/O worker that charges there, and a beat."""
    system.environment |= {
        "BALANCE_CHARGE_STRIPE_KEY": SECRET,
        "BALANCE_CHARGE_STRIPE_URL": stripe_server.url,
        "BALANCE_CHARGE_RETRY_BASE_S": "0.05",
        "BALANCE_CHARGE_DECLINE_BACKOFF_S": "0",
        "BALANCE_TOPUP_SCAN_EVERY_S": "0.2",
    }
    system.io_worker()
    system.beat()
    return system


def test_what_becomes_of_a_charge_by_the_card(charging: System, account: Account) -> None:
    engine = charging.engine
    payers = {f"wallet:{card}": account.customer(card) for card in (GOOD, DECLINED_LATER, WANTS_PAYER)}
    good, declined, wants_payer = payers
    for name, payer in payers.items():
        fall_due(engine, [name], provider="stripe", payer=payer)
    wait_until("the good one", lambda: _statuses(charging, good) == ["succeeded"])
    wait_until("the declines", lambda: _statuses(charging, declined) == ["declined"] * 3)
    wait_until("the payer's turn", lambda: _statuses(charging, wants_payer) == ["needs_action"])
    assert (balance(engine, good), account.charged(payers[good])) == (CREDITED, [CENTS])

    refused = _charges(charging, declined)
    assert {each["code"] for each in refused} == {"card_declined"}
    suspended = {"suspended": "card_declined", "declines": 3, "open_charge": None, "due_at": None}
    assert rows(engine, _POLICY, account=declined) == [suspended]
    assert (balance(engine, declined), account.charged(payers[declined])) == (0, [])

    [waiting] = _charges(charging, wants_payer)
    assert waiting["code"] == "authentication_required"
    [policy] = rows(engine, _POLICY, account=wants_payer)
    assert (policy["suspended"], policy["open_charge"]) == ("needs_action", waiting["id"])
    assert balance(engine, wants_payer) == 0
    account.authenticates(waiting["reference"])
    wait_until("what the payer has confirmed", lambda: _statuses(charging, wants_payer) == ["succeeded"])
    charging.money_worker()
    told = {"charge_id": str(waiting["id"]), "status": "succeeded", "reference": waiting["reference"]}
    assert charging.ask("charges.settle", idempotency_key="confirmed", **told)["code"] == "unchanged", "it was noticed"
    assert (balance(engine, wants_payer), account.charged(payers[wants_payer])) == (CREDITED, [CENTS])
    [policy] = rows(engine, _POLICY, account=wants_payer)
    assert (policy["suspended"], policy["open_charge"]) == (None, None)
    assert [_statuses(charging, each) for each in payers] == [["succeeded"], ["declined"] * 3, ["succeeded"]]


@pytest.mark.parametrize(
    ("trouble", "made"),
    [(error(429, type="invalid_request_error", code="rate_limit"), 2), (LOST, 1)],
    ids=["asked too often", "answer lost"],
)
def test_a_charge_that_is_asked_for_again_is_one_payment(
    charging: System, stripe_server: StripeProxy, account: Account, trouble: Any, made: int
) -> None:
    customer = account.customer()
    card = account.card(customer, GOOD)
    stripe_server.spoil(trouble)
    fall_due(charging.engine, ["wallet:w"], provider="stripe", payer=customer, payment_method=card)
    wait_until("the charge", lambda: _statuses(charging, "wallet:w") == ["succeeded"])
    [charge] = _charges(charging, "wallet:w")
    assert charge["attempts"] == 2
    payments = [each for each in stripe_server.asked if each.headers.get("idempotency-key") == str(charge["id"])]
    assert len(payments) == made, "what was lost is found by looking for it"
    assert account.charged(customer) == [CENTS]
    assert balance(charging.engine, "wallet:w") == CREDITED


def _charges(system: System, account: str) -> list[dict[str, Any]]:
    return rows(system.engine, _CHARGES, account=account)


def _statuses(system: System, account: str) -> list[str]:
    return [each["status"] for each in _charges(system, account)]
