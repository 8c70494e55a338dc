"""One wallet of the product in memory: jobs are decided by models/domain, and kept as the tables would keep them.

A job finds of grants and holds what the store would load for it: the open ones, and those that it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from models.batch.system_jobs import expire_job, hold_job, open_job, system_job
from models.batch.working_set import WorkingSet, grants_named, holds_named
from models.contracts.jobs.wallet_contract import wallet_body
from models.domain.accounts import Account, AccountKey, Kind, Wallet, WalletStatus
from models.domain.charging.policies import Policy, TopUpTrigger
from models.domain.credits import balance as credits
from models.domain.credits.grants import Grant
from models.domain.credits.holds import Hold
from models.domain.deciding.commands import AUTO_TOP_UP, EntryOfJob, Job
from models.domain.deciding.decision import Decision, DecisionContext, Limits, Original
from models.domain.deciding.top_up_commands import TopUpLook
from models.domain.events import EventType
from models.domain.jobs.decide import decide
from models.domain.ledger import MOVES_NOTHING, Entry, Proof, entry_hash, made_by, seal
from models.domain.outcome import Refusal
from models.store.read.credits import Credits
from tests.property.coins import GRACE
from tests.property.model import COOLDOWN
from tests.support.builders import NOW, wallet_account

WALLET: Final = AccountKey(Kind.WALLET, "w")
LIMITS: Final = Limits(expiry_grace=timedelta(minutes=GRACE), top_up_cooldown=timedelta(minutes=COOLDOWN))


def at(minute: int) -> datetime:
    return NOW + timedelta(minutes=minute)


def number_id(number: int) -> UUID:
    """The id of a job. They are even, like those of the path."""
    return UUID(int=2 * number)


def look_job(crossing: int) -> Job:
    """The scan's job for the look with this number."""
    return system_job(AUTO_TOP_UP, str(crossing), {}, TopUpLook(WALLET, crossing))


class Rows:
    """What the tables hold."""

    def __init__(self, floor: int) -> None:
        self.now = 0
        self.account = wallet_account(floor=floor)
        self.grants: dict[UUID, Grant] = {}
        self.holds: dict[UUID, Hold] = {}
        self.entries: list[Entry] = []
        self.events: list[EventType] = []
        self.levels: list[tuple[int, list[int]]] = []  # after each change: what can be spent, and what was told of it
        self.originals: dict[UUID, Original] = {}
        self.reversed: dict[tuple[int, int], int] = {}

    @property
    def profile(self) -> Wallet:
        assert isinstance(self.account.profile, Wallet)
        return self.account.profile

    @property
    def policy(self) -> Policy:
        return self.account.policy or Policy(TopUpTrigger.DISABLED)

    @property
    def context(self) -> DecisionContext:
        return DecisionContext(at(self.now), LIMITS)

    def do(self, asked: Job, number: int) -> Decision | Refusal:
        """The answer to the job with this number, with its effects kept."""
        asked = replace(asked, id=number_id(number))
        named = set() if isinstance(asked.command, Refusal) else self._named_by(asked)
        before = self.loaded(named)
        context = replace(self.context, originals=self.originals, reversed=self.reversed)
        decision = decide(asked, before, context)
        if isinstance(decision, Decision):
            self._keep(asked, before, decision)
        return decision

    def loaded(self, named: set[UUID] | frozenset[UUID] = frozenset()) -> Account:
        """The account as the store hands it over."""
        grants = (grant for grant in self.grants.values() if grant.remaining or grant.held or grant.id in named)
        holds = (hold for hold in self.holds.values() if hold.remaining or hold.id in named)
        return replace(self.account, grants=tuple(grants), holds=tuple(holds))

    def _named_by(self, asked: Job) -> set[UUID]:
        target = getattr(asked.command, "target", None)
        of = target.job_id if isinstance(target, EntryOfJob) else None
        originals = {of: self.originals[of]} if of in self.originals else {}
        return grants_named([asked.command], originals) | holds_named(originals)

    def _keep(self, asked: Job, before: Account, decision: Decision) -> None:
        working_set = WorkingSet([before], self.originals, self.reversed, {}, {})
        working_set.accept(decision)
        self.grants |= {grant.id: grant for _, grant in working_set.changed_grants()}
        self.holds |= {hold.id: hold for _, hold in working_set.changed_holds()}
        written: tuple[Entry, ...] = ()
        head = self.account.head
        for entry in (decision.entry, decision.bonus):
            if entry is not None:
                made = made_by(entry.details, decision.account.grants, decision.account.holds)
                sealed = seal(entry, head, Proof(b"", made))
                written, head = (*written, sealed), sealed.hash
        self.account = replace(decision.account, grants=(), holds=(), head=head)
        self.entries += written
        self.events += decision.events
        if self.account.updated_at == at(self.now):
            facts = (decision.facts or {}).get(EventType.BALANCE_LOW, {"thresholds": []})
            self.levels.append((credits.spendable(self.loaded(), at(self.now)), facts["thresholds"]))
        if written:
            self.originals[asked.id] = Original(asked.name, asked.producer, written)
        self.assert_constraints_hold(written)

    # --- what is shown

    def shown(self) -> dict[str, Decimal | int]:
        """By answers, and by the rows as the next job will find them."""
        account, now = self.loaded(), at(self.now)
        body = wallet_body(account, self.context)
        assert body["balance"] == body["credit_balance"], "the rate is 1"
        left = credits.Move(account, now).grants
        return {
            "credit": body["credit_balance"],
            "held": body["held"],
            "spendable": credits.spendable(account, now),
            "ledger": account.balance,
            **{f"grant {grant_id}": left[grant_id].remaining for grant_id in left if left[grant_id].remaining},
        }

    # --- sweeps, by what their queries find

    def sweep(self, kind: str) -> Iterator[tuple[Job, UUID]]:
        now, seq = at(self.now), self.account.seq
        match kind:
            case "begun":
                for grant in [*self.grants.values()]:
                    if grant.pending and grant.begun(now):
                        yield open_job(WALLET, grant.id, seq), grant.id
            case "run out":
                for hold in [*self.holds.values()]:
                    if self.holds[hold.id].remaining and hold.lapsed(now):
                        yield hold_job(WALLET, hold.id), hold.id
            case "expired":
                # Also those whose time has not come, or whose grace is not over: to ask for them does nothing.
                for grant in [*self.grants.values()]:
                    if self.grants[grant.id].remaining:
                        yield expire_job(WALLET, grant.id, seq), grant.id

    def scan(self) -> Job | None:
        """The job of a look that is to be taken now."""
        due_at = self.policy.due_at
        return None if due_at is None or due_at > at(self.now) else look_job(self.policy.crossing)

    # --- what must hold

    def assert_constraints_hold(self, written: tuple[Entry, ...]) -> None:
        """What the tables refuse (models/tables): said again, because there is no database here."""
        account, profile, policy = self.account, self.profile, self.policy
        grants, holds = self.grants.values(), self.holds.values()
        for grant in grants:
            assert grant.amount > 0
            assert min(grant.remaining, grant.held, grant.reversed, grant.expired, grant.voided) >= 0
            assert grant.remaining + grant.held <= grant.amount
            assert grant.remaining + grant.reversed + grant.expired + grant.voided <= grant.amount
            assert not grant.pending or grant.effective_at is not None
        for hold in holds:
            assert min(hold.remaining, hold.captured) >= 0
            assert hold.captured + hold.remaining <= hold.amount
            assert (hold.remaining == 0) is (hold.ended is not None)
            assert sum(units for _, units in hold.backing) <= hold.remaining
        for grant in grants:
            assert grant.held == sum(units for hold in holds for of, units in hold.backing if of == grant.id)
        assert account.granted == sum(grant.remaining for grant in grants)
        assert account.held == sum(hold.remaining for hold in holds)
        in_force = policy.trigger is not TopUpTrigger.DISABLED and profile.status is WalletStatus.ACTIVE
        assert (policy.due_at is None and policy.wanted is None) or (in_force and policy.suspended is None)
        for entry in written:
            assert entry.amount or entry.details.kind in MOVES_NOTHING

    def explained(self) -> Credits:
        """What the audit makes of the entries, and finds wrong."""
        explained = Credits("w", self.grants, self.holds)
        for entry in self.entries:
            explained.apply(entry)
        return explained

    def findings(self) -> list[str]:
        return [finding.problem for finding in self.explained().findings()]

    def assert_entries_explain_everything(self) -> None:
        """The chain holds, and from the entries alone the audit comes to the same balance, grants and holds."""
        previous, balance = b"", 0
        for seq, entry in enumerate(self.entries, start=1):
            balance += entry.amount
            assert (entry.seq, entry.balance_after, entry.prev_hash) == (seq, balance, previous)
            proof = Proof(b"", self.explained().made_by(entry))
            assert entry.hash == entry_hash(previous, WALLET, seq, entry.amount, balance, entry.details, proof)
            previous = entry.hash
        assert (self.account.seq, self.account.head, self.account.balance) == (len(self.entries), previous, balance)
        assert self.findings() == []
        assert self.explained().replay.balance == balance
        for (_, seq), units in self.reversed.items():
            assert units <= abs(self.entries[seq - 1].amount)
