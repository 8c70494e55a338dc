"""entries.reverse: takes the entry of a job back, in whole or in part. Answered with the body of the account."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from models.contracts.jobs.apps import app_body
from models.contracts.jobs.users import user_body
from models.contracts.jobs.wallet_contract import wallet_body, wallet_error
from models.contracts.wire.envelope import Contract
from models.contracts.wire.fields import JobId, Number, OptionalDescription
from models.domain.accounts import Account, Kind
from models.domain.charging.charges import Charge
from models.domain.deciding import commands
from models.domain.deciding.decision import DecisionContext
from models.domain.outcome import Refusal


class EntriesReverse(Contract):
    NAME: ClassVar[str] = "entries.reverse"
    SUMMARY: ClassVar[str] = "Take the entry of a job back, in whole or in part"

    job_id: Annotated[JobId, Field(description="job_id in the outcome of the job to take back")]
    force: Annotated[bool, Field(description="Reverse even when the funds are gone")] = False
    credits: Annotated[Annotated[Number, Field(gt=0)] | None, Field(description="A part, in credits of the wallet")] = (
        None
    )
    amount: Annotated[
        Annotated[Number, Field(gt=0)] | None,
        Field(description="A part, in the wallet's currency, kopeks of the user or units of the app"),
    ] = None
    description: OptionalDescription = None

    def to_command(self) -> commands.EntryReverse:
        return commands.EntryReverse(
            commands.EntryOfJob(self.job_id),
            self.force,
            self.description or f"Reversal of job {self.job_id}",
            self.credits,
            self.amount,
        )

    @classmethod
    def response(cls, account: Account, context: DecisionContext, charge: Charge | None = None) -> dict[str, Any]:
        return account_body(account, context)

    @classmethod
    def error(cls, refusal: Refusal) -> dict[str, Any]:
        return wallet_error(refusal)


def account_body(account: Account, context: DecisionContext) -> dict[str, Any]:
    """The body that the account's own API shows it with."""
    match account.key.kind:
        case Kind.USER:
            return user_body(account, context)
        case Kind.WALLET:
            return wallet_body(account, context)
        case Kind.APP:
            return app_body(account, context)
