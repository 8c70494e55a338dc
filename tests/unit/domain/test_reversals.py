"""Taking an entry back: what it does to balance, floor and grants, and when it is refused."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from models.domain.accounts import Account, AccountKey, App, Kind, WalletStatus
from models.domain.credits import balance as credits
from models.domain.credits.grants import Draw
from models.domain.credits.holds import Hold, HoldEnd
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Decision, DecisionContext, Limits, Original
from models.domain.events import EventType
from models.domain.jobs.decide import decide
from models.domain.ledger import Entry, EntryDetails, EntryKind, post
from models.domain.outcome import Code, Refusal
from tests.support.builders import LIMITS, NOW, account_of, grant, job, remaining, user_account, wallet_account

ORIGINAL = UUID(int=5)
REVERSIBLE = {
    EntryKind.DEPOSIT,
    EntryKind.WITHDRAWAL,
    EntryKind.CREDIT,
    EntryKind.DEBIT,
    EntryKind.CAPTURE,
    EntryKind.SET,
}


def written(account: Account, amount: int, kind: EntryKind, **details: Any) -> tuple[Account, Entry]:
    """The account after the job ORIGINAL wrote an entry on it."""
    return post(account, amount, EntryDetails(kind, ORIGINAL, NOW, **details))


def reverse(
    account: Account | None, entry: Entry | None, *, already: int = 0, limits: Limits = LIMITS, **fields: Any
) -> Decision | Refusal:
    """`already`: units of the entry that have been taken back before."""
    asked: Job = job("entries.reverse", job_id=str(ORIGINAL), **fields)
    originals = {ORIGINAL: Original("wallets.top_up", "owner", (entry,))} if entry else {}
    before = {(entry.account_id, entry.seq): already} if entry else {}
    return decide(
        replace(asked, id=UUID(int=6)), account, DecisionContext(NOW, limits, originals=originals, reversed=before)
    )


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
    details = decision.entry.details
    assert (decision.entry.amount, details.kind, details.reverses, details.reason) == (
        -amount,
        EntryKind.REVERSAL,
        1,
        "R",
    )
    assert details.description == f"Reversal of job {ORIGINAL}"
    assert decision.events == (EventType.USER_BALANCE_UPDATED,)


def test_of_an_unlisted_entry_is_unlisted_and_silent() -> None:
    account, entry = written(user_account(), 30, EntryKind.DEPOSIT, listed=False)
    decision = decided(account, entry)
    assert decision.entry is not None
    assert (decision.entry.details.listed, decision.events) == (False, ())


def test_is_refused_when_no_job_of_that_id_wrote_an_entry() -> None:
    refusal = reverse(None, None)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.JOB_NOT_FOUND
    assert refusal.details == {"job_id": str(ORIGINAL)}


def test_what_has_been_taken_back_is_taken_back_no_more() -> None:
    account, entry = written(user_account(), 30, EntryKind.DEPOSIT)
    assert reverse(account, entry, already=30) == Decision(account, Code.UNCHANGED)
    assert decided(account, entry, already=12).account.balance == 12


@pytest.mark.parametrize(
    ("already", "asked", "code", "balance"),
    [
        (0, 10, Code.APPLIED, 20),
        (20, 10, Code.APPLIED, 20),
        (20, 11, Code.REVERSAL_EXCEEDS_ENTRY, None),
        (0, 31, Code.REVERSAL_EXCEEDS_ENTRY, None),
        (30, 5, Code.UNCHANGED, 30),
    ],
)
def test_in_parts(already: int, asked: int, code: Code, balance: int | None) -> None:
    account, entry = written(user_account(), 30, EntryKind.DEPOSIT)
    decision = reverse(account, entry, already=already, amount=asked)
    assert decision.code is code
    assert (decision.account.balance if isinstance(decision, Decision) else None) == balance


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"amount": "1.5"}, Code.SCALE_EXCEEDED), ({"credits": 5}, Code.AMOUNT_MISSING), ({"amount": "1e25"}, "overflow")],
)
def test_a_part_of_a_users_entry_is_given_in_kopeks(fields: dict[str, Any], code: Code | str) -> None:
    account, entry = written(user_account(), 30, EntryKind.DEPOSIT)
    expected = Code.BALANCE_OVERFLOW if code == "overflow" else code
    assert reverse(account, entry, **fields).code is expected


@pytest.mark.parametrize(
    ("reversers", "code"),
    [
        (None, Code.APPLIED),
        ({}, Code.NOT_YOUR_JOB),
        ({"default": {"another"}}, Code.NOT_YOUR_JOB),
        ({"default": {"owner"}}, Code.APPLIED),
        ({"default": {"*"}}, Code.APPLIED),
    ],
    ids=["nobody is known", "not named", "named for another", "named for the owner", "named for everybody"],
)
def test_of_another_producers_job(reversers: dict[str, set[str]] | None, code: Code) -> None:
    account, entry = written(user_account(), 30, EntryKind.DEPOSIT)
    assert reverse(account, entry, limits=Limits(reversers=reversers)).code is code
    assert reverse(account, entry, limits=Limits(reversers=reversers), producer="owner").code is Code.APPLIED


def test_an_app_that_may_only_decrease_rises_by_force_alone() -> None:
    app = account_of(AccountKey(Kind.APP, "a/1"), App("a", "1", decrease_only=True), balance=100)
    account, entry = written(app, -30, EntryKind.SET)
    assert reverse(account, entry).code is Code.DECREASE_ONLY
    assert decided(account, entry, force=True).account.balance == 100
    raised, entry = written(app, 30, EntryKind.SET)
    assert decided(raised, entry).account.balance == 100, "a reversal that lowers it is nothing to hold back"


@pytest.mark.parametrize("kind", sorted(set(EntryKind) - REVERSIBLE))
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
    spent, _ = post(account, -1, EntryDetails(EntryKind.WITHDRAWAL, UUID(int=7), NOW))
    refusal = reverse(spent, entry)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.details["balance"], refusal.details["amount"]) == (Code.INSUFFICIENT_FUNDS, 29, -30)
    assert decided(spent, entry, force=True).account.balance == -1


def test_of_plain_credits_leaves_grants_alone_unless_it_is_forced() -> None:
    held = (grant(1, 10, priority=1),)
    account, entry = written(wallet_account(balance=10, grants=held), 30, EntryKind.CREDIT)
    assert remaining(decided(account, entry).account.grants) == {1: 10}
    spent, _ = post(account, -1, EntryDetails(EntryKind.DEBIT, UUID(int=7), NOW))
    assert reverse(spent, entry).code is Code.INSUFFICIENT_FUNDS
    forced = decided(spent, entry, force=True)
    assert (forced.account.balance, remaining(forced.account.grants)) == (9, {1: 9}), "the grant pays the debt"
    assert forced.entry is not None
    assert forced.entry.details.paid == ((UUID(int=1), 1),)


def test_a_forced_one_gives_up_what_holds_have_reserved_the_newest_first() -> None:
    old = Hold(UUID(int=11), 10, 10, 0, (), NOW + timedelta(hours=1), NOW - timedelta(hours=1))
    new = Hold(UUID(int=12), 15, 15, 0, (), NOW + timedelta(hours=1), NOW)
    account, entry = written(replace(wallet_account(), holds=(old, new), held=25), 30, EntryKind.CREDIT)
    assert reverse(account, entry).code is Code.INSUFFICIENT_FUNDS
    forced = decided(replace(account, balance=38), entry, force=True).account
    assert (forced.balance, forced.held) == (8, 8)
    assert [(hold.remaining, hold.ended) for hold in forced.holds] == [(8, None), (0, HoldEnd.REVERSED)]


@pytest.mark.parametrize(
    ("left", "force", "balance", "taken"),
    [(10, False, 0, 10), (4, False, None, None), (4, True, -6, 4), (0, True, -10, 0)],
    ids=["whole", "partly spent", "partly spent, forced", "spent, forced"],
)
def test_of_a_grant_takes_the_grant(left: int, force: bool, balance: int | None, taken: int | None) -> None:
    empty = wallet_account(grants=(grant(1, 10, priority=1),))
    account, entry = written(empty, 10, EntryKind.CREDIT, grant_id=UUID(int=1))
    used = replace(account, balance=left, grants=(replace(account.grants[0], amount=10, remaining=left),))
    decision = reverse(used, entry, force=force)
    if balance is None:
        assert decision.code is Code.INSUFFICIENT_FUNDS
        return
    assert isinstance(decision, Decision)
    assert decision.entry is not None
    assert (decision.account.balance, remaining(decision.account.grants)) == (balance, {1: 0})
    assert sum(units for _, units in decision.entry.details.draws) == taken


@pytest.mark.parametrize("days", [-1, 0, 1])
def test_of_a_debit_restores_grants_that_have_not_expired(days: int) -> None:
    draws: tuple[Draw, ...] = ((UUID(int=1), 10), (UUID(int=2), 5))
    held = (grant(1, 0, days=days), grant(2, 3, priority=1))
    account, entry = written(wallet_account(balance=20, grants=held), -17, EntryKind.DEBIT, draws=draws)
    decision = decided(account, entry)
    back = 10 if days > 0 else 0  # what came from an expired grant returns as plain credits
    assert (decision.account.balance, remaining(decision.account.grants)) == (20, {1: back, 2: 8})
    assert decision.entry is not None
    assert {item.int: units for item, units in decision.entry.details.draws} == ({1: -10, 2: -5} if back else {2: -5})


@pytest.mark.parametrize(
    ("already", "asked", "restored"),
    [(0, 2, {}), (0, 3, {2: 1}), (2, 5, {2: 5}), (2, 7, {2: 5, 1: 2}), (7, 10, {1: 10}), (5, None, {2: 2, 1: 10})],
    ids=["plain", "plain and the last", "the last", "the last two", "the first", "all the rest"],
)
def test_a_part_of_a_debit_gives_back_what_was_drawn_last(
    already: int, asked: int | None, restored: dict[int, int]
) -> None:
    draws: tuple[Draw, ...] = ((UUID(int=1), 10), (UUID(int=2), 5))
    held = (grant(1, 0, priority=0), grant(2, 0, priority=1))
    account, entry = written(wallet_account(balance=20, grants=held), -17, EntryKind.DEBIT, draws=draws)
    part = {} if asked is None else {"credits": asked}
    decision = decided(account, entry, already=already, **part)
    assert {number: left for number, left in remaining(decision.account.grants).items() if left} == restored


@pytest.mark.parametrize("swept", [True, False])
@pytest.mark.parametrize(("spent", "balance"), [(0, 0), (6, -6)])
def test_of_a_grant_that_has_expired_takes_what_was_spent_of_it_swept_or_not(
    swept: bool, spent: int, balance: int
) -> None:
    over = replace(grant(1, 10 - spent, days=-1), amount=10)
    account, entry = written(wallet_account(), 10, EntryKind.CREDIT, grant_id=UUID(int=1))
    if swept:
        over = replace(over, remaining=0, expired=10 - spent)
    before = replace(account, balance=0 if swept else 10 - spent, grants=(over,), granted=over.remaining)
    decision = decided(before, entry, force=True)
    assert decision.code is (Code.APPLIED if spent else Code.UNCHANGED)
    assert credits.credit(decision.account, NOW) == balance
