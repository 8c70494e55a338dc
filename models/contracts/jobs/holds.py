"""wallets.hold, holds.capture, holds.release: credits reserved for something that is going on."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from models.contracts.jobs.wallet_contract import PriceType, WalletAnswer, WalletContract
from models.contracts.jobs.wallet_credits import Amount, Credits, DebitReason, amount_refused, reason_refused
from models.contracts.wire.fields import Int64, JobId, OptionalDescription, Time
from models.contracts.wire.schemas import given
from models.domain.deciding import commands
from models.domain.jobs.wallet_holds import LASTS, LASTS_MAX
from models.domain.outcome import Refusal

_LASTS_MAX_S = int(LASTS_MAX.total_seconds())
HoldId = Annotated[JobId, Field(description="job_id in the outcome of the wallets.hold")]


class WalletsHold(WalletContract):
    model_config = ConfigDict(json_schema_extra={"not": {"allOf": [given("expires_in_s"), given("expires_at")]}})

    NAME: ClassVar[str] = "wallets.hold"
    SUMMARY: ClassVar[str] = "Reserve credits of a wallet, to be captured or released"

    credits: Credits = None
    amount: Amount = None
    expires_in_s: Annotated[
        Annotated[Int64, Field(ge=1, le=_LASTS_MAX_S)] | None,
        Field(description=f"How long it lasts; absent, with no expires_at: {int(LASTS.total_seconds())}"),
    ] = None
    expires_at: Annotated[Time | None, Field(description="Until when it lasts, instead; 30 days at the most")] = None
    price_type: Annotated[
        PriceType | None, Field(description="What is paid for; the wallet's config may not allow it")
    ] = None
    description: OptionalDescription = None

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.expires_in_s is not None and self.expires_at is not None:
            raise PydanticCustomError("expiry_ambiguous", "Give expires_in_s or expires_at, not both")
        return self

    def to_command(self) -> commands.WalletHold | Refusal:
        if refusal := amount_refused(self.credits, self.amount, "credits"):
            return refusal
        lasts = None if self.expires_in_s is None else timedelta(seconds=self.expires_in_s)
        return commands.WalletHold(
            self.account, self.credits, self.amount, self.description or "", self.price_type, lasts, self.expires_at
        )


class HoldsCapture(WalletAnswer):
    NAME: ClassVar[str] = "holds.capture"
    SUMMARY: ClassVar[str] = "Spend what a hold has reserved"

    job_id: HoldId
    credits: Annotated[Credits, Field(description="How much of it; absent, with no amount: all that is left")] = None
    amount: Amount = None
    final: Annotated[bool, Field(description="Release what is left of the hold")] = True
    transaction_reason: DebitReason = "INVOICE_PAYMENT"
    description: OptionalDescription = None

    def to_command(self) -> commands.HoldCapture | Refusal:
        if refusal := reason_refused(self.transaction_reason, DebitReason):
            return refusal
        part = self.credits is not None or self.amount is not None
        if part and (refusal := amount_refused(self.credits, self.amount, "credits")):
            return refusal
        return commands.HoldCapture(
            commands.EntryOfJob(self.job_id),
            self.credits,
            self.amount,
            self.final,
            self.transaction_reason,
            self.description or "",
        )


class HoldsRelease(WalletAnswer):
    NAME: ClassVar[str] = "holds.release"
    SUMMARY: ClassVar[str] = "Give back what is left of a hold"

    job_id: HoldId
    description: OptionalDescription = None

    def to_command(self) -> commands.HoldRelease:
        return commands.HoldRelease(commands.EntryOfJob(self.job_id), self.description or "Hold released")
