"""Charges under any history of jobs, answers of providers, refunds and time, over the ends of months in several places.

1. A charge is made when the slow idea of the rules says so, of the units that it says, and never else; what a month
   where the policy lives has seen is never beyond the cap in force.
2. Never are two charges of an account open.
3. What top-ups have credited is what succeeded, charge by charge, whatever was told of it, how often, in which order.
4. A look that does not fire is not due again at once: every scan ends.
5. Who is below is looked at; and when nothing holds it back and time passes, the level gets to the threshold.
6. What was given back is not bought again until somebody agrees to it anew.
7. The same question has the same answer.
"""

import os
from collections.abc import Iterator
from typing import Final

from models.domain.accounts import Account
from models.domain.charging.policies import ProviderName, Reason, TopUpTrigger
from models.domain.deciding.commands import AUTO_TOP_UP, BOUGHT, RUN_NOW, Job
from models.domain.deciding.decision import Decision
from models.domain.outcome import Code, Refusal
from tests.property.agreements import Asked, Batch, History, history
from tests.property.tills import OPEN, Till
from tests.support.builders import job
from tests.support.search import DRAWN

HISTORIES: Final = DRAWN.examples(200)
_SMALLER_MAX: Final = 100
_LOOKS_MAX: Final = 150  # far more than any level drawn takes; an interval goes on for ever
_GOES_ON: Final = (
    Reason.FIRED, Reason.CAP_REACHED, Reason.ABOVE_THRESHOLD, Reason.COOLDOWN, Reason.DECLINED,
)  # fmt: skip
AGREED: Final = ("auto_topup.set_policy", "auto_topup.resume")


def test_charges_keep_the_rules() -> None:
    for seed in range(DRAWN.first, DRAWN.first + HISTORIES):
        drawn = history(seed)
        error = _error(drawn)
        if error is not None:
            smallest, error = _smallest(drawn, error)
            batches = "".join(f"\n    {batch!r}," for batch in smallest.batches)
            test = os.environ["PYTEST_CURRENT_TEST"].removesuffix(" (call)")
            error.add_note(
                f"the smallest history that fails:\nHistory({smallest.zone!r}, {smallest.floor}, ({batches}\n))\n"
                f"{DRAWN.again(test, seed, examples='1')}"
            )
            raise error


def _error(drawn: History) -> Exception | None:
    try:
        live(drawn)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told with its history
        return error
    return None


def _smallest(drawn: History, error: Exception) -> tuple[History, Exception]:
    for _ in range(_SMALLER_MAX):
        for smaller in drawn.smaller():
            found = _error(smaller)
            if isinstance(found, type(error)):
                drawn, error = smaller, found
                break
        else:
            break
    return drawn, error


def live(drawn: History) -> None:
    """Raises when something does not hold."""
    till, given_back = Till(drawn.zone, drawn.floor), False
    for batch in drawn.batches:
        till.wait(batch)
        for asked, before, decision in _settled(till, batch):
            made = decision.charge if isinstance(decision, Decision) else None
            fired = made if made is not None and made.id == asked.id else None
            if asked.name in (AUTO_TOP_UP, RUN_NOW) and before.policy is not None:
                _decided_as_it_must_be(till, asked, before, decision)
            else:
                assert fired is None
            given_back = _given_back(given_back, asked, decision)
            assert not (fired and given_back)
            _always(till)
    _level_is_reached(till)


def _settled(till: Till, batch: Batch) -> Iterator[tuple[Job, Account, Decision | Refusal]]:
    jobs = [made for asked in batch.asked if (made := till.job_of(asked)) is not None]
    yield from till.settled(jobs) if jobs else ()


def _decided_as_it_must_be(till: Till, asked: Job, before: Account, decision: Decision | Refusal) -> None:
    made = decision.charge if isinstance(decision, Decision) else None
    if decision.code is Code.TOP_UP_NOT_DUE:
        assert made is None
        return
    after = till.charges
    if made is not None:
        till.charges = {charge_id: charge for charge_id, charge in after.items() if charge_id != made.id}
    expected = till.fires(before, asked=asked.name == RUN_NOW)
    till.charges = after
    assert (0 if made is None else made.units) == expected
    policy = before.policy
    assert policy is not None
    if made is not None:
        assert policy.monthly_cap is None or till.month(before) <= policy.monthly_cap
        assert made.status == ("succeeded" if policy.provider is ProviderName.NONE else "pending")
    elif asked.name == AUTO_TOP_UP:
        due_at = till.policy.due_at
        assert due_at is None or due_at > till.now, "it would be looked at for ever"


def _given_back(so_far: bool, asked: Job, decision: Decision | Refusal) -> bool:
    if not isinstance(decision, Decision) or decision.refusal is not None or decision.code is not Code.APPLIED:
        return so_far
    told = decision.charge is not None and decision.charge.status == "refunded"
    if told or asked.name == "entries.reverse":
        return True
    on = asked.name == "wallets.update" and '"auto_topup_trigger":"balance_below_threshold"' in asked.meaning
    return so_far and not (on or asked.name in AGREED)


def _always(till: Till) -> None:
    assert len(till.open()) <= 1
    assert till.policy.open_charge == (till.open()[0].id if till.open() else None)
    bought = [entry.amount for name, entry in till.entries if name in BOUGHT and entry.details.reverses is None]
    assert sum(bought) == till.succeeded()
    assert all(till.credited(charge) == (charge.units if charge.credited_by else 0) for charge in till.charges.values())
    policy, account = till.policy, till.account
    payable = policy.provider is not ProviderName.STRIPE or policy.payer is not None
    if account.policy is None or not till.in_force(account) or till.open() or not payable:
        assert policy.due_at is None
    elif till.wants(account) and till.worth(account):
        assert policy.due_at is not None, "nobody would look"
        held = policy.not_before is not None and policy.not_before > till.now
        assert policy.due_at <= max(
            till.waits_until(policy), policy.not_before if held and policy.not_before else till.now
        )


def _level_is_reached(till: Till) -> None:
    """Nothing is asked any more but what it waits for."""
    till.paused = False
    for _ in range(_LOOKS_MAX):
        policy = till.policy
        if till.open():
            jobs = [job("charges.settle", charge_id=str(till.open()[0].id), status="succeeded")]
        elif policy.due_at is None:
            break
        else:
            till.now = max(till.now, policy.due_at)
            look = till.look()
            assert look is not None
            jobs = [look]
        for asked, before, decision in till.settled(jobs):
            if asked.name == AUTO_TOP_UP:
                _decided_as_it_must_be(till, asked, before, decision)
                assert till.policy.reason in _GOES_ON
    _always(till)
    policy = till.policy
    if till.in_force(till.account) and policy.trigger is TopUpTrigger.BALANCE_BELOW_THRESHOLD:
        payable = policy.provider is not ProviderName.STRIPE or policy.payer is not None
        assert not payable or till.spendable(till.account) >= (policy.threshold or 0)


def test_a_history_by_hand() -> None:
    policy = {
        "trigger": "balance_below_threshold",
        "threshold": 10,
        "amount": 20,
        "monthly_cap": 30,
        "provider": "http",
    }
    steps = (
        Batch((Asked("set_policy", fields=policy), Asked("run_now"), Asked("run_now"))),
        Batch((Asked("settle", fields={"status": "succeeded"}), Asked("run_now"))),
    )
    live(History("Asia/Tokyo", 0, steps))
    till = Till("Asia/Tokyo", 0)
    for batch in steps:
        assert [*_settled(till, batch)]
    assert [charge.status for charge in till.charges.values() if charge.status in OPEN] == []
    assert till.succeeded() == till.account.balance == 20
