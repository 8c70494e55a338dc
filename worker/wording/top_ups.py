"""Why an account is topped up or not, in a sentence: what is so, and what would have to change, or until when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from models.domain.auto_topup.due import REFUNDED
from models.domain.auto_topup.evaluation import Fire, Hold, currency_of, place
from models.domain.charging.charges import ChargeStatus
from models.domain.charging.policies import DECLINES_MAX, Policy, ProviderName, Reason, TopUpTrigger
from models.domain.jobs.top_ups.charges import NEEDS_ACTION
from models.store.read.charges import ChargeShown
from models.store.read.top_ups import TopUpStanding
from worker.encoding.shown import decimal, when
from worker.wording.charges import price

NO_POLICY: Final = Policy(TopUpTrigger.DISABLED)
_AGREE: Final = "agree to one: `balance-worker publish auto_topup.set_policy --list` has its terms"


def sentence(found: TopUpStanding, scan_every_s: float) -> str:
    """`scan_every_s`: how often what is due is looked at, and providers are asked."""
    this = found.account.key
    if isinstance(found.result, Fire):
        return f"{this} {_fires(found, found.result, scan_every_s)}"
    why, then = _WHY[found.result.reason](found, found.result, f"within {scan_every_s:g} s")
    return f"{this} is not topped up: {why}; {then}"


def charges(found: TopUpStanding, fire: Fire) -> str:
    """What firing does, in words."""
    account = found.account
    asked, added = price(fire.amount, currency_of(account)), decimal(fire.units, account.scale)
    provider = _policy(found).provider
    if provider is ProviderName.NONE:
        return f"credits {added} for {asked}, which somebody else invoices"
    return f"charges {asked} by {provider.value} and credits {added}"


def _fires(found: TopUpStanding, fire: Fire, scan_every_s: float) -> str:
    due_at = _policy(found).due_at
    if due_at is None:
        return f"is to be topped up: the next job on it has it looked at, and that {charges(found, fire)}"
    if due_at > found.at:
        return f"is to be topped up: the look at {when(due_at)} {charges(found, fire)}"
    return f"is due since {when(due_at)}: the next scan (within {scan_every_s:g} s) {charges(found, fire)}"


# --- what is so, and what then; the third argument says how soon the next tick comes

Told = tuple[str, str]


def _disabled(found: TopUpStanding, _hold: Hold, _soon: str) -> Told:
    if found.account.policy is None:
        return "it has no auto top-up policy", _AGREE
    open_still = "" if found.charge is None else f", and {_charge(found.charge)} is still open"
    return f"its policy is switched off{open_still}", _AGREE


def _inactive(found: TopUpStanding, _hold: Hold, _soon: str) -> Told:
    return f"it is {found.account.status or 'not active'}", "it is looked at once it is active again"


def _suspended(found: TopUpStanding, hold: Hold, _soon: str) -> Told:
    since = "" if found.suspended_at is None else f" since {when(found.suspended_at)}"
    because, then = _suspension(found, hold.code or "")
    return f"suspended{since} because {because}", then


def _suspension(found: TopUpStanding, code: str) -> Told:
    policy = _policy(found)
    resume = f"run `balance-worker auto-topup resume {found.account.key}`"
    if code == REFUNDED:
        return "a top-up was given back", f"if another one is wanted, {resume}"
    if code == NEEDS_ACTION:
        if found.charge is None:
            return "a charge that its payer had to confirm was given up", resume
        return f"its payer has to confirm {_charge(found.charge)}", f"{_confirming(found.charge)}, and it goes on"
    one = policy.declines == 1
    what = "the last charge was" if one else f"the last {policy.declines} charges were"
    return f"{what} declined ({code})", f"give another payment method and {resume}"


def _paused(found: TopUpStanding, _hold: Hold, _soon: str) -> Told:
    switch = found.switch
    if switch is None:
        why, then = "BALANCE_CHARGING is off in these settings", "where it is on"
    else:
        reason = f" ({switch.reason})" if switch.reason else ""
        why = f"charging is paused for all accounts since {when(switch.set_at)} by {switch.set_by}{reason}"
        then = "after `balance-worker charging resume --by NAME`"
    match found.unpaused:
        case Fire() as fire:
            return why, f"{then} the next scan {charges(found, fire)}"
        case Hold(reason=held):
            return why, f"{then} it is held back all the same ({held.value})"


def _pending(found: TopUpStanding, _hold: Hold, soon: str) -> Told:
    shown = found.charge
    if shown is None:  # settled since the account was read
        return "a charge of it is being settled", "ask again"
    this = _charge(shown)
    if shown.charge.status is ChargeStatus.NEEDS_ACTION:
        given_up = f"`balance-worker auto-topup cancel {found.account.key}` gives it up"
        return f"{this} waits for its payer", f"{_confirming(shown)}, or {given_up}"
    if shown.attempts == 0:
        return f"{this} has not been asked for yet", f"the next tick ({soon}) asks"
    answer = f"the last answer was {shown.answer!r}" if shown.answer else "there is no answer yet"
    asked = f"{this} was asked for {_times(shown.attempts)} and {answer}"
    if shown.ask_at is None:
        look = f"`balance-worker charges settle {shown.charge.id} --status …`"
        return f"{asked}, and nobody is asked any more", f"look it up at the provider, then run {look}"
    again = f"at {when(shown.ask_at)}" if shown.ask_at > found.at else f"by the next tick ({soon})"
    return asked, f"it is asked for again {again}"


def _no_payment_method(found: TopUpStanding, _hold: Hold, _soon: str) -> Told:
    return f"its policy names nobody whom {_policy(found).provider.value} could charge", "set one that names a payer"


def _above(found: TopUpStanding, _hold: Hold, _soon: str) -> Told:
    policy, scale = _policy(found), found.account.scale
    there = f"{decimal(found.spendable, scale)} can be spent"
    if policy.trigger is TopUpTrigger.INTERVAL:
        return f"{there} and its target is {decimal(policy.target, scale)}", "its interval's next time looks again"
    expiry = "" if policy.due_at is None else f", and at {when(policy.due_at)}, when credits of it run out"
    why = f"{there} and its threshold is {decimal(policy.threshold, scale)}"
    return why, f"it is looked at once less than that can be spent{expiry}"


def _not_yet(found: TopUpStanding, hold: Hold, _soon: str) -> Told:
    interval = _policy(found).interval
    return f"its interval is {interval.value if interval else ''}", f"its next time is {when(hold.until)}"


def _cooling(found: TopUpStanding, hold: Hold, _soon: str) -> Told:
    return f"it was topped up at {when(_policy(found).topped_up_at)}", f"the next one may follow at {when(hold.until)}"


def _declined(found: TopUpStanding, hold: Hold, _soon: str) -> Told:
    policy = _policy(found)
    most = policy.max_declines or DECLINES_MAX
    code = f" ({found.last_decline})" if found.last_decline else ""
    why = f"its last charge was declined{code}, {policy.declines} in a row of {most} that suspend it"
    return why, f"the next one is tried at {when(hold.until)}"


def _does_not_fit(_found: TopUpStanding, _hold: Hold, _soon: str) -> Told:
    return "the top-up is more than an account can hold, or than can be charged at once", "set a policy that adds less"


def _too_small(found: TopUpStanding, _hold: Hold, _soon: str) -> Told:
    currency = currency_of(found.account)
    return f"the top-up costs less than the smallest unit of {currency}", "set a policy that adds more"


def _capped(found: TopUpStanding, hold: Hold, _soon: str) -> Told:
    scale = found.account.scale
    charged, cap = decimal(found.charged, scale), decimal(_policy(found).monthly_cap, scale)
    why = f"{charged} of its monthly cap of {cap} is charged and the top-up would pass it"
    return why, f"the month ends at {_there(found, hold.until)}, or set a policy with another cap"


_WHY: Final[Mapping[Reason, Callable[[TopUpStanding, Hold, str], Told]]] = {
    Reason.DISABLED: _disabled,
    Reason.INACTIVE: _inactive,
    Reason.SUSPENDED: _suspended,
    Reason.CHARGING_PAUSED: _paused,
    Reason.CHARGE_PENDING: _pending,
    Reason.NO_PAYMENT_METHOD: _no_payment_method,
    Reason.ABOVE_THRESHOLD: _above,
    Reason.NOT_YET: _not_yet,
    Reason.COOLDOWN: _cooling,
    Reason.DECLINED: _declined,
    Reason.DOES_NOT_FIT: _does_not_fit,
    Reason.AMOUNT_TOO_SMALL: _too_small,
    Reason.CAP_REACHED: _capped,
}


def _policy(found: TopUpStanding) -> Policy:
    return found.account.policy or NO_POLICY


def _charge(shown: ChargeShown) -> str:
    charge = shown.charge
    return f"charge {charge.id} of {price(charge.amount, charge.currency)} at {charge.provider.value}"


def _confirming(shown: ChargeShown) -> str:
    return f"have it confirmed{f' at {shown.charge.link}' if shown.charge.link else ''}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _there(found: TopUpStanding, at: datetime | None) -> str:
    """A time, and what the clock of the policy's place says then."""
    zone = place(found.account) or "UTC"
    if at is None or zone == "UTC":
        return when(at)
    return f"{when(at)} ({at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} in {zone})"
