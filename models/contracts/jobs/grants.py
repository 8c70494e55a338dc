"""grants.void: takes what is left of one grant, by an operator's decision."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from models.contracts.jobs.wallet_contract import WalletContract
from models.contracts.wire.fields import Description, Identifier, JobId
from models.domain.deciding import commands
from models.domain.ids import second_id


class GrantsVoid(WalletContract):
    NAME: ClassVar[str] = "grants.void"
    SUMMARY: ClassVar[str] = "Take what is left of one grant, and end it"

    job_id: Annotated[JobId, Field(description="job_id in the outcome of the wallets.top_up that made the grant")]
    bonus: Annotated[bool, Field(description="The grant that its bonus made, instead")] = False
    reason: Annotated[Description, Field(min_length=1, description="Why; it stands on the entry")]
    operator: Annotated[Identifier, Field(description="Who decided it; it stands on the entry")]

    def to_command(self) -> commands.GrantVoid:
        grant_id = second_id(self.job_id) if self.bonus else self.job_id
        return commands.GrantVoid(self.account, grant_id, self.reason, self.operator)
