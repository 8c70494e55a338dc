"""A wallet with a policy and its charges in memory: batches are decided as the path decides them, and kept.

Beside it stands a slow idea of the same rules, told from the wallet's own history: what a look must come to, what a
month has seen, and whether somebody must look. It knows months by what the calendar of the place shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from models.batch.caps import capped_months
from models.batch.system_jobs import system_job
from models.batch.working_set import WorkingSet, grants_named
from models.domain.accounts import Account, AccountKey, Kind, Wallet, WalletStatus
from models.domain.auto_topup.calendar import month_of
from models.domain.charging.charges import Charge, ChargeStatus
from models.domain.charging.policies import Policy, ProviderName, TopUpTrigger
from models.domain.credits.grants import Grant
from models.domain.deciding.commands import BOUGHT, Job
from models.domain.deciding.decision import Charging, Decision, DecisionContext, Original
from models.domain.deciding.top_up_commands import ChargeOf, TopUpCancel, TopUpLook
from models.domain.jobs.decide import decide
from models.domain.ledger import Entry
from models.domain.outcome import Refusal
from tests.property.agreements import Asked, Batch
from tests.property.memory import number_id
from tests.support.builders import LIMITS, NOW, job, wallet_account

WALLET: Final = AccountKey(Kind.WALLET, "w")
OPEN: Final = ("pending", "needs_action")
COUNTED: Final = ("pending", "needs_action", "succeeded", "refunded")


class Till:
    def __init__(self, zone: str | None, floor: int) -> None:
        self.now = NOW
        self.account = wallet_account(floor=floor, timezone=zone)
        self.grants: dict[UUID, Grant] = {}
        self.entries: list[tuple[str, Entry]] = []  # (name of its job, entry)
        self.originals: dict[UUID, Original] = {}
        self.reversed: dict[tuple[int, int], int] = {}
        self.charges: dict[UUID, Charge] = {}
        self.paused = False
        self.jobs = 0

    @property
    def policy(self) -> Policy:
        return self.account.policy or Policy(TopUpTrigger.DISABLED)

    def wait(self, batch: Batch) -> None:
        self.now += batch.wait
        if batch.edge is not None:
            zone, off = batch.edge
            self.now = max(self.now, month_of(self.now, zone)[1] + off)

    def settled(self, jobs: list[Job]) -> Iterator[tuple[Job, Account, Decision | Refusal]]:
        """Each job in its turn with the account as it found it; kept when the batch is over."""
        commands = [each.command for each in jobs if not isinstance(each.command, Refusal)]
        named = {command.target.charge_id for command in commands if isinstance(command.target, ChargeOf)}
        if any(isinstance(command, TopUpCancel) for command in commands):
            named |= {charge.id for charge in self.charges.values() if charge.status in OPEN}
        known = {charge_id: self.charges[charge_id] for charge_id in named}
        grants = grants_named(commands, self.originals)
        locked = replace(
            self.account,
            grants=tuple(each for each in self.grants.values() if each.remaining or each.held or each.id in grants),
        )
        working = WorkingSet([locked], self.originals, self.reversed, {}, {}, known)
        working.charged |= {
            account_id: {first: self._counted(first, end) for first, end in months}
            for account_id, months in capped_months(commands, working, self.now).items()
        }
        charging = Charging(self.paused, working.charged, working.charges)
        context = DecisionContext(
            self.now, LIMITS, originals=working.originals, reversed=working.reversed, charging=charging
        )
        for each in jobs:
            self.jobs += 1
            asked = replace(each, id=number_id(self.jobs))
            assert not isinstance(asked.command, Refusal), asked.command
            before = working.find(asked.command.target)
            decision = decide(asked, before, context)
            assert decide(asked, before, context) == decision, "the same question, the same answer"
            if isinstance(decision, Decision):
                self._accept(asked, decision, working)
            assert before is not None
            yield asked, before, decision
        self.account = replace(working.find(WALLET) or self.account, grants=())

    def _counted(self, first: datetime, end: datetime) -> int:
        made = (charge for charge in self.charges.values() if first <= charge.created_at < end)
        return sum(charge.units for charge in made if charge.status in COUNTED)

    def _accept(self, asked: Job, decision: Decision, working: WorkingSet) -> None:
        working.accept(decision)
        self.grants |= {grant.id: grant for _, grant in working.changed_grants()}
        self.reversed = working.reversed
        self.account = replace(decision.account, grants=())
        if decision.entry is not None:
            self.entries.append((asked.name, decision.entry))
            self.originals[asked.id] = Original(asked.name, asked.producer, (decision.entry,))
            working.originals[asked.id] = self.originals[asked.id]
        if decision.charge is not None:
            self.charges[decision.charge.id] = decision.charge
        policy = self.policy
        assert policy.due_at is None or (policy.open_charge is None and policy.suspended is None), "as the tables say"

    # --- what is asked, as jobs

    def job_of(self, asked: Asked) -> Job | None:
        """None where there is nothing yet that it could be about."""
        fields: dict[str, Any] = {name: said for name, said in asked.fields.items() if said is not None}
        account = {"account": str(WALLET)}
        match asked.what:
            case "look":
                return self.look()
            case "debit":
                return job("wallets.debit", wallet_id="w", **fields)
            case "top_up":
                until = {} if "days" not in fields else {"expiry_date_utc": self.now + timedelta(days=fields["days"])}
                credits = {"credits_to_add": fields["credits"], "transaction_reason": "INVOICE_REFUND"}
                return job("wallets.top_up", wallet_id="w", **credits, **until)
            case "update":
                return job("wallets.update", wallet_id="w", **fields)
            case "settle":
                made = [*self.charges]
                return job("charges.settle", charge_id=str(made[-1 - asked.of % len(made)]), **fields) if made else None
            case "reverse":
                bought = [entry.details.job_id for name, entry in self.entries if name in BOUGHT and entry.amount > 0]
                return (
                    job("entries.reverse", job_id=str(bought[-1 - asked.of % len(bought)]), force=True)
                    if bought
                    else None
                )
            case "pause":
                self.paused = fields["paused"]
                return None
            case what:
                return job(f"auto_topup.{what}", **account, **fields)

    def look(self) -> Job | None:
        """What the scan would find now."""
        due_at = self.policy.due_at
        if self.paused or due_at is None or due_at > self.now:
            return None
        crossing = self.policy.crossing
        return system_job("autotopup.top_up", str(crossing), {}, TopUpLook(WALLET, crossing))

    # --- the slow idea of it

    def spendable(self, account: Account) -> int:
        over = [
            grant for grant in self.grants.values() if grant.expires_at is not None and grant.expires_at <= self.now
        ]
        return account.balance - sum(grant.remaining for grant in over)

    def in_force(self, account: Account) -> bool:
        policy, wallet = account.policy, account.profile
        assert isinstance(wallet, Wallet)
        if policy is None or policy.trigger is TopUpTrigger.DISABLED or policy.suspended:
            return False
        return wallet.status is WalletStatus.ACTIVE

    def month(self, account: Account, but: UUID | None = None) -> int:
        """Units that this month has seen, where the policy lives."""
        wallet = account.profile
        assert account.policy is not None
        assert isinstance(wallet, Wallet)
        zone = ZoneInfo(account.policy.timezone or wallet.timezone or "UTC")
        this = self.now.astimezone(zone).strftime("%Y %m")
        return sum(
            charge.units
            for charge in self.charges.values()
            if charge.id != but
            and charge.status in COUNTED
            and charge.created_at.astimezone(zone).strftime("%Y %m") == this
        )

    def wants(self, account: Account) -> bool:
        """Whether a top-up is due, whatever holds it back."""
        policy = account.policy
        assert policy is not None
        level = self.spendable(account)
        if policy.trigger is TopUpTrigger.INTERVAL:
            return policy.next_at is not None and self.now >= policy.next_at
        worth = self.worth(account)
        wanted = policy.wanted is not None and level < policy.wanted <= level + worth
        return wanted or level < (policy.threshold or 0)

    def worth(self, account: Account) -> int:
        policy = account.policy
        assert policy is not None
        if policy.target is None:
            return policy.amount or 0
        missing = policy.target - self.spendable(account)
        if missing <= 0:
            return 0
        missing = max(missing, policy.charge_min or 0)
        for most in (policy.charge_max, policy.monthly_cap):
            missing = missing if most is None else min(missing, most)
        return missing

    def waits_until(self, policy: Policy) -> datetime:
        """When the cooldown and a decline allow the next."""
        cooldown = LIMITS.top_up_cooldown if policy.cooldown_s is None else timedelta(seconds=policy.cooldown_s)
        cooled = self.now if policy.topped_up_at is None else policy.topped_up_at + cooldown
        declined = self.now if not policy.declines or policy.not_before is None else policy.not_before
        return max(self.now, cooled, declined)

    def fires(self, account: Account, *, asked: bool) -> int:
        """The units that a look, or somebody who asks for it now, must come to; 0: it must hold."""
        policy = account.policy
        if policy is None or self.paused or not self.in_force(account):
            return 0
        if any(charge.status in OPEN for charge in self.charges.values()):
            return 0
        if policy.provider is ProviderName.STRIPE and policy.payer is None:
            return 0
        if not asked and not (self.wants(account) and self.waits_until(policy) <= self.now):
            return 0
        worth = self.worth(account)
        if policy.monthly_cap is not None and self.month(account) + worth > policy.monthly_cap:
            return 0
        return worth

    def open(self) -> list[Charge]:
        return [charge for charge in self.charges.values() if charge.status in OPEN]

    def credited(self, charge: Charge) -> int:
        """Units that entries credit for this charge."""
        original = None if charge.credited_by is None else self.originals.get(charge.credited_by)
        return 0 if original is None else sum(entry.amount for entry in original.entries)

    def succeeded(self) -> int:
        took = (ChargeStatus.SUCCEEDED, ChargeStatus.REFUNDED)
        return sum(charge.units for charge in self.charges.values() if charge.status in took)
