"""wallets.create, wallets.update, wallets.terminate: what a wallet is."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from models.contracts.jobs.wallet_contract import Trigger, WalletConfig, WalletContract, WalletTerms
from models.contracts.wire.fields import (
    Description,
    Identifier,
    Int64,
    Metadata,
    Name,
    Number,
    OptionalDescription,
    Timezone,
)
from models.domain import accounts, money
from models.domain.charging.policies import TopUpTrigger
from models.domain.deciding import commands

Currency = Annotated[str, Field(pattern="^[A-Za-z]{3}$", max_length=3), AfterValidator(str.upper)]


class WalletsCreate(WalletTerms):
    NAME: ClassVar[str] = "wallets.create"
    SUMMARY: ClassVar[str] = "Open a wallet"

    customer_id: Identifier | None = None
    name: Name = ""
    description: Description = ""
    currency: Currency = "USD"
    wallet_type: Literal["PROMOTIONAL", "PRE_PAID"] = "PRE_PAID"
    conversion_rate: Annotated[Number, Field(gt=0)] = money.ONE
    scale: Annotated[Int64, Field(ge=0, le=money.SCALE_MAX, description="Decimals of a credit")] = accounts.WALLET_SCALE
    floor: Annotated[Number, Field(le=0, description="Credits; the lowest balance a job may leave")] = money.ZERO
    overdraft_allowed: Annotated[bool, Field(description="Whether a debit may ask to go below the floor")] = False
    timezone: Annotated[Timezone | None, Field(description="Where a day ends for its credits; absent: UTC")] = None
    config: WalletConfig = WalletConfig()
    auto_topup_trigger: Trigger = "disabled"
    auto_topup_min_balance: Annotated[Number, Field(gt=0)] | None = None
    auto_topup_amount: Annotated[Number, Field(gt=0)] | None = None

    def to_command(self) -> commands.WalletCreate:
        return commands.WalletCreate(
            target=self.account,
            terms=self.terms(),
            trigger=TopUpTrigger(self.auto_topup_trigger),
            min_balance=self.auto_topup_min_balance,
            top_up_amount=self.auto_topup_amount,
            scale=self.scale,
            floor=self.floor,
        )


class WalletsUpdate(WalletTerms):
    NAME: ClassVar[str] = "wallets.update"
    SUMMARY: ClassVar[str] = "Change a wallet's terms, auto top-up policy or status; what is absent stays as it is"

    metadata: Annotated[Metadata | None, Field(description="The wallet's own; empty clears it")] = None
    name: Name | None = None
    description: Description | None = None
    floor: Annotated[
        Annotated[Number, Field(le=0)] | None, Field(description="Credits; the lowest balance a job may leave")
    ] = None
    overdraft_allowed: bool | None = None
    timezone: Timezone | None = None
    config: WalletConfig | None = None
    wallet_status: Annotated[
        Literal["active", "frozen"] | None, Field(description="To close a wallet use wallets.terminate")
    ] = None
    auto_topup_trigger: Trigger | None = None
    auto_topup_min_balance: Annotated[Number, Field(gt=0)] | None = None
    auto_topup_amount: Annotated[Number, Field(gt=0)] | None = None

    def to_command(self) -> commands.WalletUpdate:
        given = {"metadata": self.metadata, **self.terms()}
        return commands.WalletUpdate(
            target=self.account,
            changes={name: value for name, value in given.items() if value is not None},
            trigger=None if self.auto_topup_trigger is None else TopUpTrigger(self.auto_topup_trigger),
            min_balance=self.auto_topup_min_balance,
            top_up_amount=self.auto_topup_amount,
            floor=self.floor,
        )


class WalletsTerminate(WalletContract):
    NAME: ClassVar[str] = "wallets.terminate"
    SUMMARY: ClassVar[str] = "Take what is left in a wallet and close it"

    description: OptionalDescription = None

    def to_command(self) -> commands.WalletTerminate:
        return commands.WalletTerminate(self.account, self.description or "Wallet terminated")
