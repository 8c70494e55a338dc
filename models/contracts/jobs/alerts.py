"""accounts.set_alerts: the levels below which an account's owner wants to be told, and the answer to it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from models.contracts.jobs.entries import account_body
from models.contracts.jobs.users import UserBody
from models.contracts.jobs.wallet_contract import WalletBody, wallet_error
from models.contracts.wire.account_names import AnyAccountName
from models.contracts.wire.envelope import Contract
from models.contracts.wire.fields import Int64, Number
from models.domain import money
from models.domain.accounts import Account, AccountKey, App, Kind
from models.domain.charging.charges import Charge
from models.domain.credits import balance as credits
from models.domain.deciding import commands
from models.domain.deciding.decision import DecisionContext
from models.domain.outcome import Refusal

THRESHOLDS_MAX = 10


def _in_order(thresholds: list[Decimal]) -> list[Decimal]:
    return sorted(set(thresholds), reverse=True)


class AccountsSetAlerts(Contract):
    NAME: ClassVar[str] = "accounts.set_alerts"
    SUMMARY: ClassVar[str] = "Say below which levels the account's owner is told that it runs low"
    ACCOUNT_IS_A_PART: ClassVar[bool] = True

    account: AnyAccountName
    thresholds: Annotated[
        list[Number],
        Field(
            max_length=THRESHOLDS_MAX,
            description="Credits of a wallet, roubles of a user, units of an app: all there are from now on; []: none",
        ),
        AfterValidator(_in_order),
    ]

    def to_command(self) -> commands.AlertsSet:
        kind, _, ref = self.account.partition(":")
        return commands.AlertsSet(AccountKey(Kind(kind), ref), tuple(self.thresholds))

    @classmethod
    def response(cls, account: Account, context: DecisionContext, charge: Charge | None = None) -> dict[str, Any]:
        def shown(units: int) -> int | Decimal:
            return money.shown(units, account.scale)

        return {
            "account": _own_body(account, context),
            "thresholds": [shown(each) for each in account.low_at or ()],
            "level": shown(credits.spendable(account, context.now)),
        }

    @classmethod
    def error(cls, refusal: Refusal) -> dict[str, Any]:
        return wallet_error(refusal)


class AppStateBody(BaseModel):
    """An app and what is left of its balance."""

    model_config = ConfigDict(extra="forbid")

    app_id: str
    store_id: str
    balance: Int64


class AlertsBody(BaseModel):
    """What accounts.set_alerts is answered with."""

    model_config = ConfigDict(extra="forbid")

    account: WalletBody | UserBody | AppStateBody
    thresholds: Annotated[list[Number], Field(description="The highest first")]
    level: Annotated[Number, Field(description="What can be spent, with which they are compared")]


def _own_body(account: Account, context: DecisionContext) -> dict[str, Any]:
    app = account.profile
    if not isinstance(app, App):
        return account_body(account, context)
    return {"app_id": app.app_id, "store_id": app.store_id, "balance": account.balance}
