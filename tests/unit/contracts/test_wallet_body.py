"""A wallet as it is asked for and as it is answered: no field is said and then forgotten."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from models.contracts.jobs.wallet_contract import WalletBody, wallet_body
from models.contracts.jobs.wallets import WalletsCreate, WalletsUpdate
from models.domain.accounts import Account, AccountKey, Kind, Wallet, WalletStatus, WalletType
from models.domain.charging.policies import Policy, TopUpTrigger
from models.domain.deciding.decision import Decision, DecisionContext
from models.domain.jobs.decide import decide
from tests.support.builders import NOW, job

CONTEXT = DecisionContext(NOW, new_ids={AccountKey(Kind.WALLET, "w"): 1})
TERMS: dict[str, Any] = {
    "customer_id": "c1", "name": "Main", "description": "Rides", "currency": "EUR", "wallet_type": "PROMOTIONAL",
    "conversion_rate": "0.01", "overdraft_allowed": True, "timezone": "Europe/Riga",
    "config": {"allowed_price_types": ["USAGE"]}, "metadata": {"a": "b"},
    "auto_topup_trigger": "balance_below_threshold", "auto_topup_min_balance": 5, "auto_topup_amount": 40,
}  # fmt: skip
OTHERS: dict[str, Any] = {
    "name": "Other", "description": "Food", "overdraft_allowed": False, "timezone": "Asia/Tokyo",
    "config": {"allowed_price_types": ["FIXED"]}, "metadata": {"c": "d"}, "wallet_status": "frozen",
    "auto_topup_trigger": "disabled", "auto_topup_min_balance": 6, "auto_topup_amount": 41,
}  # fmt: skip


def created(**terms: Any) -> Account:
    return done("wallets.create", None, scale=0, **terms)


def done(name: str, account: Account | None, /, **terms: Any) -> Account:
    asked = replace(job(name, wallet_id="w", **terms), id=UUID(int=1))
    decision = decide(asked, account, CONTEXT)
    assert isinstance(decision, Decision), decision
    assert decision.account is not None
    return decision.account


def wallet(account: Account) -> Wallet:
    assert isinstance(account.profile, Wallet)
    return account.profile


def policy(account: Account) -> Policy:
    assert account.policy is not None
    return account.policy


def test_every_term_can_be_given_at_once() -> None:
    ours = {"wallet_id", "idempotency_key", "producer", "occurred_at", "scale", "floor"}
    assert {*TERMS} == {*WalletsCreate.model_fields} - ours
    assert {*OTHERS} == {*WalletsUpdate.model_fields} - ours


def test_what_is_asked_for_is_what_the_wallet_is() -> None:
    before = created(**TERMS)
    made, agreed = wallet(before), policy(before)
    assert (made.wallet_type, agreed.trigger) == (WalletType.PROMOTIONAL, TopUpTrigger.BALANCE_BELOW_THRESHOLD)
    assert (made.customer_id, made.name, made.currency, made.timezone) == ("c1", "Main", "EUR", "Europe/Riga")
    assert (agreed.threshold, agreed.amount, made.metadata) == (5, 40, {"a": "b"})
    after = done("wallets.update", before, **OTHERS)
    other, new = wallet(after), policy(after)
    assert (other.status, new.trigger, other.metadata) == (WalletStatus.FROZEN, TopUpTrigger.DISABLED, {"c": "d"})
    assert (other.name, other.timezone, new.threshold, new.amount) == ("Other", "Asia/Tokyo", 6, 41)
    changed = {field.name for field in fields(Wallet) if getattr(made, field.name) != getattr(other, field.name)}
    names = {"wallet_status": "status"}
    assert changed == {names.get(name, name) for name in OTHERS if not name.startswith("auto_topup")}


def test_what_is_not_given_stays_as_it_is() -> None:
    before = created(**TERMS)
    after = done("wallets.update", before)
    assert (wallet(after), after.policy) == (wallet(before), before.policy)


def test_every_field_of_the_body_is_told_in_its_order() -> None:
    body = wallet_body(created(**TERMS), CONTEXT)
    assert [*body] == [*WalletBody.model_fields]
    assert None not in body.values()
    assert {name: body[name] for name in ("auto_topup_trigger", "wallet_status", "wallet_type", "name")} == {
        "auto_topup_trigger": "balance_below_threshold",
        "wallet_status": "active",
        "wallet_type": "PROMOTIONAL",
        "name": "Main",
    }
    WalletBody.model_validate(body)
