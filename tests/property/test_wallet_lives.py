"""Wallets live through everything that can be asked of them, with time passing and sweeps running, or not.

The first test compares the product with a slow model after every step: the code, what is shown, what is left of each
grant, the ledger's balance. The others need no model. They are the rules of models/domain/credits, one by one:

1. Debt and open credit never stand side by side; what is held is there.
2. Time alone never makes or deepens a debt, and a sweep takes what is left of a grant, no more and no less.
3. A sweep changes nothing that is shown, and no end depends on when it runs, or on whether it does.
4. A reversal takes back what is still there; a second one takes nothing, and nothing is revived.
5. Everything can be explained from the entries alone.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final
from uuid import UUID

import pytest

from models.domain.credits import balance as credits
from models.domain.credits.grants import Grant
from models.domain.ledger import EntryKind
from models.domain.outcome import Code
from tests.property.found import FOUND
from tests.property.lives import Life
from tests.property.memory import Rows, at
from tests.property.shrinking import holds_for
from tests.property.steps import SWEEPS, History, Step
from tests.support.search import DRAWN

LIVES: Final = DRAWN.examples(200)
ITS_ROWS: Final = ("ledger", "grant")  # what of Rows.shown only the ledger and the audit show: a sweep changes them


def told(rows: Rows) -> dict[str, Decimal | int]:
    """What anybody is told: not what the ledger still counts."""
    return {name: number for name, number in rows.shown().items() if not name.startswith(ITS_ROWS)}


def same_as_the_model(history: History) -> None:
    life = Life(history.floor)
    for _ in life.through(history):
        assert life.rows.shown() == life.expected()


def test_the_wallet_is_what_the_model_says() -> None:
    holds_for(LIVES, same_as_the_model)


@pytest.mark.parametrize("history", FOUND.values(), ids=FOUND)
@pytest.mark.parametrize("sweeps", [(), SWEEPS], ids=["unswept", "swept"])
def test_what_was_wrong_once(history: History, sweeps: tuple[str, ...]) -> None:
    history = replace(history, steps=tuple(replace(step, sweeps=sweeps) for step in history.steps))
    same_as_the_model(history)
    explained(history)


def test_debt_and_open_credit_never_stand_side_by_side() -> None:
    def holds(history: History) -> None:
        life = Life(history.floor, modelled=False)
        overdraft = any("overdraft_allowed" in step.fields for step in history.steps)
        for _ in life.through(history):
            rows, now = life.rows, at(life.rows.now)
            move = credits.Move(rows.loaded(), now)
            open_ = sum(grant.remaining for grant in move.grants.values() if grant.open(now))
            assert move.plain >= 0 or not open_
            if not overdraft:  # with a floor of 0 this is the rule of the specification, word by word
                assert open_ + move.held <= max(move.credit - (rows.account.floor or 0), 0)

    holds_for(LIVES, holds)


def test_time_alone_makes_no_debt() -> None:
    def holds(history: History) -> None:
        life, before = Life(history.floor, modelled=False), told(Rows(0))
        for happened in life.through(history):
            now = told(life.rows)
            if happened == "wait":
                assert now["spendable"] >= min(before["spendable"], 0)
            before = now

    holds_for(LIVES, holds)


def test_a_sweep_takes_what_is_left_of_a_grant_and_changes_nothing_that_is_shown() -> None:
    def holds(history: History) -> None:
        life = Life(history.floor, modelled=False)
        shown, left, entries = told(life.rows), dict[UUID, Grant](), 0
        for happened in life.through(history):
            if happened in SWEEPS:
                assert told(life.rows) == shown
                for entry in life.rows.entries[entries:]:
                    if entry.details.kind is EntryKind.EXPIRY and entry.details.grant_id is not None:
                        assert -entry.amount == left[entry.details.grant_id].remaining
            shown, entries = told(life.rows), len(life.rows.entries)
            left = credits.Move(life.rows.loaded(), at(life.rows.now)).grants

    holds_for(LIVES, holds)


def test_no_end_depends_on_when_a_sweep_runs() -> None:
    def holds(history: History) -> None:
        assert ends(history) == ends(history.unswept())

    holds_for(LIVES, holds)


def ends(history: History) -> list[object]:
    """What is told after every step, and what is there when all time is over and everything has been swept."""
    life, seen = Life(history.floor, modelled=False), list[object]()
    for happened in life.through(without_top_ups(history)):
        if isinstance(happened, Step):
            seen.append((life.answer, told(life.rows)))
    life.wait(24 * 60)
    for kind in SWEEPS:
        life.sweep(kind)
    gone = {grant.id: (grant.reversed, grant.voided) for grant in life.rows.grants.values()}
    return [*seen, life.rows.shown(), gone]


def without_top_ups(history: History) -> History:
    """When the scan looks does matter: a refused debit asks for a top-up until somebody sees that it needs none."""
    steps = (step for step in history.steps if step.what != "look" and "auto_topup_trigger" not in step.fields)
    return History(history.floor, tuple(steps))


def test_a_reversal_takes_what_is_there_once() -> None:
    def holds(history: History) -> None:
        life = Life(history.floor, modelled=False)
        for happened in life.through(history):
            if isinstance(happened, Step) and happened.what == "reverse" and life.answer is Code.APPLIED:
                if "credits" not in happened.fields:
                    before = life.rows.shown()
                    again = life.do(Step("reverse", of=happened.of, fields={"force": True}))
                    assert again is Code.UNCHANGED
                    assert life.rows.shown() == before
                assert_nothing_is_taken_twice(life.rows)

    holds_for(LIVES, holds)


def assert_nothing_is_taken_twice(rows: Rows) -> None:
    for (_, seq), units in rows.reversed.items():
        entry = rows.entries[seq - 1]
        grant = rows.grants.get(entry.details.grant_id) if entry.details.grant_id else None
        gone = 0 if grant is None else grant.expired + grant.voided
        assert units <= abs(entry.amount) - gone
        assert grant is None or grant.reversed == units


def explained(history: History) -> None:
    life = Life(history.floor, modelled=False)
    for _ in life.through(history):
        pass
    life.rows.assert_entries_explain_everything()


def test_everything_is_explained_by_the_entries() -> None:
    holds_for(LIVES, explained)
