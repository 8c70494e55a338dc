"""Taking an entry back: what it does to balance, floor and grants, and when it is refused."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from models.domain.accounts import Account, WalletStatus
from models.domain.commands import Job
from models.domain.decide import decide
from models.domain.decision import Decision, Facts
from models.domain.events import EventType
from models.domain.grants import Draw
from models.domain.ledger import Entry, EntryKind, Note, post
from models.domain.outcome import Code, Refusal
from tests.builders import NOW, grant, job, remaining, user_account, wallet_account

ORIGINAL = UUID(int=5)


def written(account: Account, amount: int, kind: EntryKind, **note: Any) -> tuple[Account, Entry]:
    """The account after the job ORIGINAL wrote an entry on it."""
    return post(account, amount, Note(kind, ORIGINAL, NOW, **note))


def reverse(account: Account | None, entry: Entry | None, **fields: Any) -> Decision | Refusal:
    asked: Job = job("entries.reverse", job_id=str(ORIGINAL), **fields)
    return decide(replace(asked, id=UUID(int=6)), account, Facts(NOW, originals={ORIGINAL: entry} if entry else {}))


def decided(account: Account, entry: Entry, **fields: Any) -> Decision:
    decision = reverse(account, entry, **fields)
    assert isinstance(decision, Decision), decision
    return decision


@pytest.mark.parametrize(("amount", "kind"), [(30, EntryKind.DEPOSIT), (-30, EntryKind.WITHDRAWAL)])
def test_posts_the_opposite_amount_naming_the_entry(amount: int, kind: EntryKind) -> None:
    account, entry = written(user_account(balance=100), amount, kind, reason="R")
    decision = decided(account, entry)
    assert decision.account.balance == 100
    assert decision.entry is not None
    note = decision.entry.note
    assert (decision.entry.amount, note.kind, note.reverses, note.reason) == (-amount, EntryKind.REVERSAL, 1, "R")
    assert note.description == f"Reversal of job {ORIGINAL}"
    assert decision.events == (EventType.USER_BALANCE_UPDATED,)


def test_of_an_unlisted_entry_is_unlisted_and_silent() -> None:
    account, entry = written(user_account(), 30, EntryKind.DEPOSIT, listed=False)
    decision = decided(account, entry)
    assert decision.entry is not None
    assert (decision.entry.note.listed, decision.events) == (False, ())


def test_is_refused_when_no_job_of_that_id_wrote_an_entry() -> None:
    refusal = reverse(None, None)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.JOB_NOT_FOUND
    assert refusal.details == {"job_id": str(ORIGINAL)}


def test_is_refused_the_second_time() -> None:
    account, entry = written(user_account(), 30, EntryKind.DEPOSIT)
    facts = Facts(NOW, originals={ORIGINAL: entry}, reversed={(account.id, entry.seq)})
    assert decide(job("entries.reverse", job_id=str(ORIGINAL)), account, facts).code is Code.ALREADY_REVERSED


@pytest.mark.parametrize("kind", [EntryKind.REVERSAL, EntryKind.EXPIRY, EntryKind.TERMINATION])
def test_is_refused_for_what_is_final(kind: EntryKind) -> None:
    account, entry = written(wallet_account(balance=30), -30, kind)
    assert reverse(account, entry).code is Code.NOT_REVERSIBLE


def test_is_refused_on_a_closed_wallet() -> None:
    account, entry = written(wallet_account(balance=30, status=WalletStatus.CLOSED), -30, EntryKind.DEBIT)
    assert reverse(account, entry).code is Code.WALLET_CLOSED


def test_on_a_frozen_wallet_a_mistake_may_be_corrected() -> None:
    account, entry = written(wallet_account(balance=30, status=WalletStatus.FROZEN), -30, EntryKind.DEBIT)
    assert decided(account, entry).account.balance == 30


def test_is_refused_when_the_funds_are_gone_unless_forced() -> None:
    account, entry = written(user_account(), 30, EntryKind.DEPOSIT)
    spent, _ = post(account, -1, Note(EntryKind.WITHDRAWAL, UUID(int=7), NOW))
    refusal = reverse(spent, entry)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.details["balance"], refusal.details["amount"]) == (Code.INSUFFICIENT_FUNDS, 29, -30)
    assert decided(spent, entry, force=True).account.balance == -1


def test_of_plain_credits_leaves_grants_alone_and_may_not_live_off_them() -> None:
    held = (grant(1, 10, priority=1),)
    account, entry = written(wallet_account(balance=10, grants=held), 30, EntryKind.CREDIT)
    assert remaining(decided(account, entry).account.grants) == {1: 10}
    spent, _ = post(account, -1, Note(EntryKind.DEBIT, UUID(int=7), NOW))
    assert reverse(spent, entry).code is Code.INSUFFICIENT_FUNDS
    assert decided(spent, entry, force=True).account.balance == 9


@pytest.mark.parametrize(
    ("left", "force", "balance", "taken"),
    [(10, False, 0, 10), (4, False, None, None), (4, True, -6, 4), (0, True, -10, 0)],
    ids=["whole", "partly spent", "partly spent, forced", "spent, forced"],
)
def test_of_a_grant_takes_the_grant(left: int, force: bool, balance: int | None, taken: int | None) -> None:
    empty = wallet_account(grants=(grant(1, 10, priority=1),))
    account, entry = written(empty, 10, EntryKind.CREDIT, grant_id=UUID(int=1))
    used = replace(account, balance=left, grants=(replace(account.grants[0], remaining=left),))
    decision = reverse(used, entry, force=force)
    if balance is None:
        assert decision.code is Code.INSUFFICIENT_FUNDS
        return
    assert isinstance(decision, Decision)
    assert decision.entry is not None
    assert (decision.account.balance, remaining(decision.account.grants)) == (balance, {1: 0})
    assert sum(units for _, units in decision.entry.note.draws) == taken


@pytest.mark.parametrize("days", [-1, 0, 1])
def test_of_a_debit_restores_grants_that_have_not_expired(days: int) -> None:
    draws: tuple[Draw, ...] = ((UUID(int=1), 10), (UUID(int=2), 5))
    held = (grant(1, 0, days=days), grant(2, 3, priority=1))
    account, entry = written(wallet_account(balance=20, grants=held), -17, EntryKind.DEBIT, draws=draws)
    decision = decided(account, entry)
    back = 10 if days > 0 else 0  # what came from an expired grant returns as plain credits
    assert (decision.account.balance, remaining(decision.account.grants)) == (20, {1: back, 2: 8})
    assert decision.entry is not None
    assert {item.int: units for item, units in decision.entry.note.draws} == ({1: -10, 2: -5} if back else {2: -5})


def test_of_a_grant_that_has_expired_but_is_not_swept_takes_it() -> None:
    empty = wallet_account(grants=(grant(1, 10, days=-1),))
    account, entry = written(empty, 10, EntryKind.CREDIT, grant_id=UUID(int=1))
    assert decided(account, entry).account.balance == 0
