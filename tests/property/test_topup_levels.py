"""Auto top-up goes by the level, whatever moves it: jobs, refusals, and time alone.

1. While a wallet is below its minimum, or when a job was just refused that one top-up would have covered, a look is
   noted: for now, or for the end of the cooldown. While the policy is not in force none is.
2. Each look is taken once, and makes one top-up at the most; between two top-ups there is a cooldown.
3. The level gets to the minimum, in as many top-ups as it takes, if the scan looks when it is told to.
4. A refused debit that no top-up would cover leaves no trace.
5. Taking an auto top-up back suspends the policy until it is switched on again.
6. Who falls below the minimum is told so once, and once that it is over: the two alternate, whatever becomes of the
   policy in between.
7. Each level that the owner has named is told once, each time it is passed downwards.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Final

from models.domain.accounts import Account
from models.domain.auto_topup import due as autotopup
from models.domain.auto_topup import evaluation
from models.domain.deciding.commands import AUTO_TOP_UP
from models.domain.events import EventType
from models.domain.outcome import Code
from tests.property.lives import Life
from tests.property.memory import LIMITS, at, look_job
from tests.property.shrinking import holds_for
from tests.property.steps import HUGE, History, Step
from tests.support.search import DRAWN

LIVES: Final = DRAWN.examples(150)
LOOK: Final = Step("look")


def test_who_is_below_is_looked_at() -> None:
    def holds(history: History) -> None:
        life = Life(history.floor)
        model = life.model
        assert model is not None
        for happened in life.through(history):
            policy = life.rows.policy
            assert evaluation.in_force(life.rows.account) is model.in_force
            if not model.in_force:
                assert (policy.due_at, policy.wanted) == (None, None)
            refused = isinstance(happened, Step) and life.answer is Code.INSUFFICIENT_FUNDS
            if model.below or (refused and model.due):
                assert policy.due_at is not None
                assert policy.due_at <= at(model.ready)

    holds_for(LIVES, holds, policy=True)


def test_a_look_is_taken_once_and_there_is_a_cooldown() -> None:
    def holds(history: History) -> None:
        life = Life(history.floor)
        for happened in life.through(history):
            if isinstance(happened, Step):
                crossing = life.rows.policy.crossing
                if life.do(LOOK) is not None:
                    assert life.rows.do(look_job(crossing), 0).code is Code.TOP_UP_NOT_DUE
                assert life.rows.policy.crossing >= crossing
        assert_cooldowns(life)

    holds_for(LIVES, holds, policy=True)


def assert_cooldowns(life: Life) -> None:
    made = [original.entries[0] for original in life.rows.originals.values() if original.name == AUTO_TOP_UP]
    for one, next_one in pairwise(made):
        assert next_one.details.at - one.details.at >= LIMITS.top_up_cooldown


def test_a_look_before_its_time_buys_nothing() -> None:
    def holds(history: History) -> None:
        life = Life(history.floor, modelled=False)
        for _ in life.through(history):
            policy, shown = life.rows.policy, life.rows.shown()
            if policy.due_at is not None and policy.due_at > at(life.rows.now):
                life.swept += 1
                assert life.rows.do(look_job(policy.crossing), life.swept).code is Code.UNCHANGED
                assert life.rows.shown() == shown
                below = evaluation.below(life.rows.loaded(), at(life.rows.now))
                assert not below or life.rows.policy.due_at == policy.due_at

    holds_for(LIVES, holds, policy=True)


def test_the_level_gets_to_the_minimum() -> None:
    def holds(history: History) -> None:
        life = Life(history.floor)
        assert life.model is not None
        for _ in life.through(history):
            pass
        while (due_at := life.rows.policy.due_at) is not None:
            while at(life.rows.now) < due_at:
                life.wait(1)
            assert life.do(LOOK) in (Code.APPLIED, Code.UNCHANGED)
            assert life.rows.now < 10_000, "it never ends"
        assert not life.model.below
        assert_cooldowns(life)

    holds_for(LIVES, holds, policy=True)


def test_a_mistaken_debit_leaves_no_trace() -> None:
    def holds(history: History) -> None:
        life, before = Life(history.floor, modelled=False), list[Account]()
        for happened in life.through(history):
            if isinstance(happened, Step) and happened.fields.get("credits") == HUGE and life.answer is not None:
                assert life.answer not in (Code.APPLIED, Code.UNCHANGED)
                assert life.rows.account == before[-1]
            before.append(life.rows.account)

    holds_for(LIVES, holds, policy=True)


def test_what_was_refunded_is_not_bought_again() -> None:
    def holds(history: History) -> None:
        life, refunded = Life(history.floor, modelled=False), False
        for happened in life.through(history):
            if not isinstance(happened, Step):
                continue
            if happened.what == "update" and life.answer is Code.APPLIED and "auto_topup_trigger" in happened.fields:
                refunded = refunded and happened.fields["auto_topup_trigger"] == "disabled"
            if happened.what == "reverse" and life.answer is Code.APPLIED:
                last = life.rows.entries[-1].details.reverses
                assert last is not None
                taken_back = life.rows.originals[life.rows.entries[last - 1].details.job_id]
                refunded = refunded or taken_back.name == AUTO_TOP_UP
            assert (life.rows.policy.suspended == autotopup.REFUNDED) is refunded
            looked = life.do(LOOK)
            assert looked is None or not refunded

    holds_for(LIVES, holds, policy=True)


def test_each_level_is_told_once_each_time_it_is_passed() -> None:
    levels = (30, 10, 1, 0, -5)

    def holds(history: History) -> None:
        life = Life(history.floor, modelled=False)
        life.rows.account = replace(life.rows.account, low_at=levels)
        for _ in life.through(history):
            pass
        before = 0
        for level, told in life.rows.levels:
            assert told == [each for each in levels if level < each <= before]
            before = level

    holds_for(LIVES, holds)


def test_who_falls_below_is_told_once() -> None:
    def holds(history: History) -> None:
        life, below, heard, entries = Life(history.floor, modelled=False), False, 0, 0
        rows = life.rows
        for happened in life.through(history):
            for event in rows.events[heard:]:
                if event in (EventType.WALLET_BALANCE_DROPPED, EventType.WALLET_BALANCE_RECOVERED):
                    assert below is (event is EventType.WALLET_BALANCE_RECOVERED)
                    below = not below
            changed = isinstance(happened, Step) and happened.what == "update" and life.answer is Code.APPLIED
            moved = changed or len(rows.entries) > entries
            heard, entries = len(rows.events), len(rows.entries)
            if evaluation.in_force(rows.account) and moved:
                assert below is evaluation.below(rows.loaded(), at(rows.now))

    holds_for(LIVES, holds, policy=True)
