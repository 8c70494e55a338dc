"""Where a policy stands, in a word or two, and all that is known of it."""

from __future__ import annotations

from typing import Final

from models.domain.auto_topup.evaluation import Fire, Hold
from models.domain.charging.policies import Policy, TopUpTrigger
from models.store.read.top_ups import TopUpStanding
from worker.encoding.shown import decimal, signed, when

DUE: Final = "due"


def standing_facts(found: TopUpStanding) -> dict[str, str]:
    """For people."""
    account, policy = found.account, found.account.policy
    cap = None if policy is None else policy.monthly_cap
    charged = decimal(found.charged, account.scale)
    return {
        "account": str(account.key),
        "status": account.status or "",
        "spendable": decimal(found.spendable, account.scale),
        "now": short(found.result),
        "until": when(found.result.until) if isinstance(found.result, Hold) else "",
        "charged this month": "" if cap is None else f"{charged} of {decimal(cap, account.scale)}",
        "the month ends": "" if cap is None else when(found.month_ends),
        "suspended since": when(found.suspended_at),
    }


def short(result: Fire | Hold) -> str:
    """What a look comes to, in a word or two."""
    match result:
        case Fire():
            return DUE
        case Hold(reason=reason, code=None):
            return reason.value
        case Hold(reason=reason, code=code):
            return f"{reason.value}: {code}"


def terms(policy: Policy, scale: int) -> tuple[str, str]:
    """When it tops up, and what it adds."""
    by_level = policy.trigger is TopUpTrigger.BALANCE_BELOW_THRESHOLD
    return (
        f"below {decimal(policy.threshold, scale)}" if by_level else (policy.interval or policy.trigger).value,
        f"to {decimal(policy.target, scale)}" if policy.amount is None else signed(policy.amount, scale),
    )
