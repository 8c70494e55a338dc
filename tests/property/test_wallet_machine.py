"""A wallet lives through top-ups, debits, expiries, reversals and the passing of time; a slow model lives along.

The model keeps each credit by itself, as a coin: the grant that it came with, or none. It knows nothing of sums, order
keys or draws, and takes one coin at a time. After every step:

1. The balance is the number of coins (less what is owed), and the sum of the entries.
2. Each grant has as many units left as it has coins; never more than it was granted, never less than none.
3. What is left of a grant is what it gave less what entries drew from it.
4. A debit is carried out exactly when as many coins can be spent as it asks for; an expired coin never can.
5. The chain of hashes holds, and entries are numbered without a gap.
6. The wallet is due for a top-up only below its minimum; crossings are numbered upwards.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from models.domain.accounts import AccountKey, Kind, TopUpTrigger, Wallet
from models.domain.autotopup import below
from models.domain.commands import Job, WalletAutoTopUp
from models.domain.decide import decide
from models.domain.decision import Decision, Facts
from models.domain.ledger import Entry, EntryKind, entry_hash
from models.domain.outcome import Code, Refusal
from tasks.sweep import system_job
from tests.builders import NOW, expire_job, job, wallet_account

WALLET = AccountKey(Kind.WALLET, "w")
MINIMUM, TOP_UP = 5, 7
units = st.integers(1, 12)


@dataclass(frozen=True)
class Coin:
    """One credit. `grant` is None for a plain one."""

    grant: UUID | None
    priority: int | None = None
    expires_at: datetime | None = None
    made_at: datetime = NOW

    def expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


class WalletMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        policy: dict[str, Any] = {"min_balance": MINIMUM, "top_up_amount": TOP_UP}
        self.account = wallet_account(trigger=TopUpTrigger.BALANCE_BELOW_THRESHOLD, **policy)
        self.now = NOW
        self.jobs = 0
        self.entries: dict[UUID, Entry] = {}
        self.reversed: set[tuple[int, int]] = set()
        self.coins: list[Coin] = []
        self.owed = 0  # plain credits below zero, by reversals that were forced
        self.spent: dict[UUID, list[Coin]] = {}  # the coins that a debit took, by its job
        self.sizes: Counter[UUID | None] = Counter()  # of the grants, as a debit finds them
        self.crossing = 0

    # --- the product

    def do(self, asked: Job) -> Decision | Refusal:
        self.jobs += 1
        self.now += timedelta(microseconds=1)
        asked = replace(asked, id=UUID(int=self.jobs))
        decision = decide(asked, self.account, Facts(self.now, originals=self.entries, reversed=self.reversed))
        if isinstance(decision, Decision):
            self.account = decision.account
            if decision.entry is not None:
                self.entries[asked.id] = decision.entry
        return decision

    @property
    def last(self) -> UUID:
        return UUID(int=self.jobs)

    # --- the model

    def add(self, coin: Coin, number: int) -> None:
        settled = min(number, self.owed) if coin.grant is None else 0
        self.owed -= settled
        self.coins += [coin] * (number - settled)

    def take_plain(self, number: int) -> None:
        for _ in range(number):
            plain = next((coin for coin in self.coins if coin.grant is None), None)
            if plain is None:
                self.owed += 1
            else:
                self.coins.remove(plain)

    def spendable(self) -> list[Coin]:
        return [coin for coin in self.coins if not coin.expired(self.now)]

    def next_coin(self) -> Coin:
        """By one comparison after the other: priority, expiry, larger grant, older grant."""
        found = self.spendable()
        if priorities := [coin.priority for coin in found if coin.priority is not None]:
            found = [coin for coin in found if coin.priority == min(priorities)]
        if expiries := [coin.expires_at for coin in found if coin.expires_at is not None]:
            found = [coin for coin in found if coin.expires_at == min(expiries)]
        largest = max(self.sizes[coin.grant] for coin in found)
        return min((coin for coin in found if self.sizes[coin.grant] == largest), key=lambda coin: coin.made_at)

    # --- what happens

    @rule(credits=units, priority=st.none() | st.integers(0, 2), days=st.none() | st.integers(1, 3))
    def top_up(self, credits: int, priority: int | None, days: int | None) -> None:
        expires_at = None if days is None else NOW + timedelta(days=(self.now - NOW).days + days)
        terms = {"priority": priority, "expiry_date_utc": expires_at}
        common = {"wallet_id": "w", "credits_to_add": credits, "transaction_reason": "INVOICE_REFUND"}
        decision = self.do(job("wallets.top_up", **common, **terms))
        if expires_at is not None and expires_at <= self.now:
            assert decision.code is Code.EXPIRY_NOT_IN_FUTURE
            return
        assert decision.code is Code.APPLIED
        plain = priority is None and days is None
        self.add(Coin(None if plain else self.last, priority, expires_at, self.now), credits)

    @rule(credits=units)
    def debit(self, credits: int) -> None:
        decision = self.do(job("wallets.debit", wallet_id="w", credits=credits))
        if len(self.spendable()) - self.owed < credits:
            assert decision.code is Code.INSUFFICIENT_FUNDS
            return
        assert decision.code is Code.APPLIED
        self.sizes = Counter(coin.grant for coin in self.coins)
        self.spent[self.last] = []
        for _ in range(credits):
            coin = self.next_coin()
            self.coins.remove(coin)
            self.spent[self.last].append(coin)

    @rule(hours=st.integers(1, 40))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @precondition(lambda self: any(coin.expired(self.now) for coin in self.coins))
    @rule()
    def sweep(self) -> None:
        for grant in sorted({coin.grant for coin in self.coins if coin.grant and coin.expired(self.now)}, key=str):
            number = sum(coin.grant == grant for coin in self.coins)
            decision = self.do(expire_job(WALLET, str(grant)))
            assert isinstance(decision, Decision)
            assert decision.entry is not None
            assert decision.entry.amount == -number
            self.coins = [coin for coin in self.coins if coin.grant != grant]
            assert self.do(expire_job(WALLET, str(grant))).code is Code.UNCHANGED

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), force=st.booleans())
    def reverse(self, data: st.DataObject, force: bool) -> None:
        written = sorted(self.entries, key=str)
        open_ones = [of for of in written if self.may_be_reversed(self.entries[of])]
        job_id = data.draw(st.sampled_from(open_ones or written) | st.sampled_from(written))
        original = self.entries[job_id]
        decision = self.do(job("entries.reverse", job_id=str(job_id), force=force))
        if original.note.kind in (EntryKind.REVERSAL, EntryKind.EXPIRY):
            assert decision.code is Code.NOT_REVERSIBLE
        elif (self.account.id, original.seq) in self.reversed:
            assert decision.code is Code.ALREADY_REVERSED
        elif original.note.kind is EntryKind.DEBIT:
            assert decision.code is Code.APPLIED
            self.reversed.add((self.account.id, original.seq))
            for coin in self.spent[job_id]:
                self.add(Coin(None) if coin.expired(self.now) else coin, 1)
        else:
            self.reverse_credit(job_id, original, force, decision)

    def may_be_reversed(self, entry: Entry) -> bool:
        final = entry.note.kind in (EntryKind.REVERSAL, EntryKind.EXPIRY)
        return not final and (entry.account_id, entry.seq) not in self.reversed

    def reverse_credit(self, job_id: UUID, original: Entry, force: bool, decision: Decision | Refusal) -> None:
        held = [coin for coin in self.coins if coin.grant == original.note.grant_id]
        enough = len(held) - (self.owed if original.note.grant_id is None else 0) >= original.amount
        assert (decision.code is Code.APPLIED) is (enough or force)
        if decision.code is not Code.APPLIED:
            assert decision.code is Code.INSUFFICIENT_FUNDS
            return
        self.reversed.add((self.account.id, original.seq))
        if original.note.grant_id is not None:
            self.coins = [coin for coin in self.coins if coin.grant != original.note.grant_id]
            self.take_plain(original.amount - len(held))
        else:
            self.take_plain(original.amount)

    @rule()
    def auto_top_up(self) -> None:
        wallet = self.account.face
        assert isinstance(wallet, Wallet)
        due = wallet.due_at is not None
        decision = self.do(system_job("autotopup.top_up", "x", {}, WalletAutoTopUp(WALLET, wallet.crossing)))
        assert decision.code is (Code.APPLIED if due else Code.TOP_UP_NOT_DUE)
        if due:
            self.add(Coin(None), TOP_UP)

    # --- what must hold

    @invariant()
    def balance_is_coins_and_entries(self) -> None:
        assert self.account.balance == len(self.coins) - self.owed
        assert self.account.balance == sum(entry.amount for entry in self.entries.values())

    @invariant()
    def grants_have_their_coins(self) -> None:
        for grant in self.account.grants:
            drawn = sum(n for entry in self.entries.values() for of, n in entry.note.draws if of == grant.id)
            assert grant.remaining == sum(coin.grant == grant.id for coin in self.coins)
            assert grant.remaining == grant.amount - drawn
            assert 0 <= grant.remaining <= grant.amount

    @invariant()
    def the_chain_holds(self) -> None:
        previous, balance = b"", 0
        for seq, entry in enumerate(sorted(self.entries.values(), key=lambda entry: entry.seq), start=1):
            balance += entry.amount
            assert (entry.seq, entry.balance_after, entry.prev_hash) == (seq, balance, previous)
            assert entry.hash == entry_hash(previous, WALLET, seq, entry.amount, balance, entry.note)
            previous = entry.hash
        assert (self.account.seq, self.account.head) == (len(self.entries), previous)

    @invariant()
    def due_only_below_the_minimum(self) -> None:
        wallet = self.account.face
        assert isinstance(wallet, Wallet)
        assert wallet.due_at is None or below(self.account)
        assert wallet.crossing >= self.crossing
        self.crossing = wallet.crossing


TestWallet = WalletMachine.TestCase
TestWallet.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
