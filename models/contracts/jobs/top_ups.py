"""auto_topup.*: what an account's owner agrees to, and asks for. charges.settle: what became of a charge."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from models.contracts.jobs.top_up_bodies import top_up_body
from models.contracts.jobs.wallet_contract import wallet_error
from models.contracts.wire.account_names import PayingAccountName
from models.contracts.wire.envelope import Contract
from models.contracts.wire.fields import Identifier, Int64, JobId, Number, Time, Timezone
from models.contracts.wire.schemas import Patterned, ended
from models.domain.accounts import Account, AccountKey, Kind
from models.domain.charging.charges import Charge, ChargeStatus
from models.domain.charging.policies import DECLINES_MAX, Interval, Policy, ProviderName, TopUpTrigger
from models.domain.deciding import commands, top_up_commands
from models.domain.deciding.decision import DecisionContext
from models.domain.outcome import Refusal

COOLDOWN_MAX_S = 30 * 86_400
Amount = Annotated[Number, Field(gt=0)]
_LINK = r"^https://[!-~]+$"


class _TopUpAnswer(Contract):
    """A job that is answered with the account, its policy, and a charge."""

    ACCOUNT_IS_A_PART: ClassVar[bool] = True

    @classmethod
    def response(cls, account: Account, context: DecisionContext, charge: Charge | None = None) -> dict[str, Any]:
        return top_up_body(account, context, charge)

    @classmethod
    def error(cls, refusal: Refusal) -> dict[str, Any]:
        return wallet_error(refusal)


class TopUpContract(_TopUpAnswer):
    """A job about an account's auto top-up, answered with the account, the policy, and the charge that it made."""

    account: PayingAccountName

    @property
    def key(self) -> AccountKey:
        kind, _, ref = self.account.partition(":")
        return AccountKey(Kind(kind), ref)


class AutoTopupSetPolicy(TopUpContract):
    NAME: ClassVar[str] = "auto_topup.set_policy"
    SUMMARY: ClassVar[str] = "Agree to auto top-up: the whole policy; it is in force from now on"

    trigger: Literal["disabled", "balance_below_threshold", "interval"]
    threshold: Annotated[Amount | None, Field(description="Top up when less than this can be spent")] = None
    amount: Annotated[Amount | None, Field(description="What a top-up adds; or target_balance")] = None
    target_balance: Annotated[Amount | None, Field(description="What the balance is brought to; or amount")] = None
    interval: Literal["daily", "weekly", "monthly", "quarterly", "yearly"] | None = None
    anchor: Annotated[
        Time | None,
        Field(description="A time of the interval, from which the others follow; absent: as it was, or now"),
    ] = None
    timezone: Annotated[
        Timezone | None, Field(description="Where its months and times are; absent: the wallet's, or UTC")
    ] = None
    min_charge: Annotated[Amount | None, Field(description="A top-up to the target adds no less than this")] = None
    max_charge: Annotated[Amount | None, Field(description="A top-up adds no more than this")] = None
    monthly_cap: Annotated[
        Amount | None, Field(description="No more than this in a calendar month, open charges included")
    ] = None
    cooldown_s: Annotated[
        Annotated[Int64, Field(ge=0, le=COOLDOWN_MAX_S)] | None,
        Field(description="Seconds between two; absent: BALANCE_TOPUP_COOLDOWN_S"),
    ] = None
    max_declines: Annotated[
        Annotated[Int64, Field(ge=1, le=100)] | None,
        Field(description=f"Declines in a row that suspend it; absent: {DECLINES_MAX}"),
    ] = None
    provider: Annotated[
        Literal["none", "http", "stripe"], Field(description="Who charges; none: somebody else invoices")
    ] = "none"
    payer: Annotated[Identifier | None, Field(description="Whom the provider charges: a Stripe customer")] = None
    payment_method: Annotated[Identifier | None, Field(description="Absent: the payer's usual one")] = None

    def to_command(self) -> top_up_commands.PolicySet:
        terms = Policy(
            TopUpTrigger(self.trigger),
            interval=None if self.interval is None else Interval(self.interval),
            anchor=self.anchor,
            timezone=self.timezone,
            cooldown_s=self.cooldown_s,
            max_declines=self.max_declines,
            provider=ProviderName(self.provider),
            payer=self.payer,
            payment_method=self.payment_method,
        )
        given = {
            "threshold": self.threshold,
            "amount": self.amount,
            "target": self.target_balance,
            "charge_min": self.min_charge,
            "charge_max": self.max_charge,
            "monthly_cap": self.monthly_cap,
        }
        amounts = {name: amount for name, amount in given.items() if amount is not None}
        return top_up_commands.PolicySet(self.key, terms, amounts)


class AutoTopupResume(TopUpContract):
    NAME: ClassVar[str] = "auto_topup.resume"
    SUMMARY: ClassVar[str] = "Put a suspended policy in force again"

    def to_command(self) -> top_up_commands.TopUpResume:
        return top_up_commands.TopUpResume(self.key)


class AutoTopupRunNow(TopUpContract):
    NAME: ClassVar[str] = commands.RUN_NOW
    SUMMARY: ClassVar[str] = "Top up by the policy now, whatever the balance"

    def to_command(self) -> top_up_commands.TopUpNow:
        return top_up_commands.TopUpNow(self.key)


class AutoTopupCancel(TopUpContract):
    NAME: ClassVar[str] = "auto_topup.cancel"
    SUMMARY: ClassVar[str] = "Switch the policy off and give up a charge that has not been made"

    def to_command(self) -> top_up_commands.TopUpCancel:
        return top_up_commands.TopUpCancel(self.key)


class ChargesSettle(_TopUpAnswer):
    NAME: ClassVar[str] = commands.SETTLE_CHARGE
    SUMMARY: ClassVar[str] = "Tell what became of a charge, as the payment provider says it"

    charge_id: Annotated[JobId, Field(description="The id that the provider was given as its idempotency key")]
    status: Literal["succeeded", "declined", "needs_action", "void", "refunded"]
    reference: Annotated[Identifier | None, Field(description="The provider's own id of it")] = None
    code: Annotated[Identifier | None, Field(description="Why, in the provider's word: card_declined")] = None
    link: Annotated[
        Annotated[str, Field(max_length=2_000, pattern=_LINK), Patterned(ended(_LINK))] | None,
        Field(description="Where the payer confirms it"),
    ] = None

    def to_command(self) -> top_up_commands.ChargeSettle:
        status = ChargeStatus(self.status)
        return top_up_commands.ChargeSettle(
            top_up_commands.ChargeOf(self.charge_id), status, self.reference, self.code, self.link
        )


class TopUpLookAnswer(TopUpContract):
    """How the looks that we take ourselves are answered: nobody can publish one."""

    NAME: ClassVar[str] = commands.AUTO_TOP_UP
    SUMMARY: ClassVar[str] = "Look whether a top-up is due"
