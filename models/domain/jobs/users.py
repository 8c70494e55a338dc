"""Decisions about users: POST /users/{user_id}/balance, and what a user is."""

from __future__ import annotations

from dataclasses import replace

from models.domain import ledger
from models.domain.accounts import USER_SCALE, Account, User, UserStatus
from models.domain.auto_topup import due as autotopup
from models.domain.deciding.commands import Job, UserCorrect, UserUpsert
from models.domain.deciding.decision import Decision, DecisionContext, entry_details, opened
from models.domain.events import EventType
from models.domain.outcome import Code, Refusal

_NEW_USER = User(
    user_id=0,
    telegram_id=None,
    username=None,
    first_name=None,
    last_name=None,
    language="ru",
    status=UserStatus.ACTIVE,
    referral_code=None,
    referred_by_id=None,
    has_had_paid_subscription=False,
    has_made_first_topup=False,
    last_activity=None,
    promo_group=None,
    subscription=None,
)


def correct(command: UserCorrect, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Adds a signed amount of kopeks."""
    amount, limit = command.amount_kopeks, context.limits.max_amount_kopeks
    if amount == 0:
        return Refusal(Code.AMOUNT_ZERO, "Amount must be non-zero")
    if abs(amount) > limit:
        return Refusal(
            Code.AMOUNT_OUT_OF_RANGE,
            f"Amount must be between -{limit} and {limit} kopeks",
            {"field": "amount_kopeks", "input": amount, "limit": limit},
        )
    if account is None:
        return Refusal(Code.USER_NOT_FOUND, "User not found")
    if not ledger.fits(account, amount):
        return Refusal(Code.BALANCE_OVERFLOW, "The balance would be larger than an account can hold")
    if amount < 0 and account.floor is not None and ledger.passes_floor(account, amount):
        refusal = Refusal(
            Code.INSUFFICIENT_FUNDS,
            "Insufficient funds",
            {"balance": account.balance, "floor": account.floor, "amount": amount},
        )
        asked = autotopup.wants(account, account.floor - amount, context)
        return refusal if asked is None else Decision(asked, refusal.code, refusal=refusal)
    kind = ledger.EntryKind.DEPOSIT if amount > 0 else ledger.EntryKind.WITHDRAWAL
    details = entry_details(job, context, kind, None, command.description, listed=command.listed)
    after, entry = ledger.post(account, amount, details)
    if after.policy is not None:
        after, _ = autotopup.follow(after, context)
    return Decision(after, entry=entry, events=(EventType.USER_BALANCE_UPDATED,) if command.listed else ())


def upsert(command: UserUpsert, account: Account | None, job: Job, context: DecisionContext) -> Decision | Refusal:
    """Makes the user known, or changes the fields given. The balance moves by corrections alone."""
    telegram_id = command.changes.get("telegram_id")
    if telegram_id is not None and context.telegram_owners.get(telegram_id, command.target) != command.target:
        return Refusal(
            Code.TELEGRAM_ID_TAKEN,
            "Another user has this telegram id",
            {"telegram_id": telegram_id, "user": str(context.telegram_owners[telegram_id])},
        )
    if account is None:
        user = replace(_NEW_USER, user_id=command.user_id)
        account = opened(command.target, context, "RUB", USER_SCALE, user)
    assert isinstance(account.profile, User)
    profile = replace(account.profile, **command.changes)
    floor = account.floor if command.floor is None else command.floor
    changed = replace(account, profile=profile, floor=floor, updated_at=context.now)
    return Decision(autotopup.noted(changed, context))
