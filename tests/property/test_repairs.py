"""What breaks a rule is found by the audit and set right by one entry, and the wallet lives on like any other.

For the first half of its life no debt is paid by its grants: a ledger from before that was a rule.
"""

import pytest

from models.domain.credits import balance as credits
from models.domain.outcome import Code
from tasks.scheduled.repair import repair_job
from tests.property.lives import Life
from tests.property.memory import Rows, at
from tests.property.shrinking import holds_for
from tests.property.steps import History
from tests.support.search import DRAWN


def test_what_broke_a_rule_is_set_right(monkeypatch: pytest.MonkeyPatch) -> None:
    repaired = 0

    def holds(history: History) -> None:
        nonlocal repaired
        life, half = Life(history.floor, modelled=False), len(history.steps) // 2
        with monkeypatch.context() as patch:
            patch.setattr(credits.Move, "pay_debt", lambda _move, _at=None: None)
            for _ in life.through(History(history.floor, history.steps[:half])):
                pass
        if not life.rows.findings():
            return
        repair(life.rows)
        repaired += 1
        for _ in life.through(History(history.floor, history.steps[half:])):
            move = credits.Move(life.rows.loaded(), at(life.rows.now))
            assert move.plain >= 0 or not any(grant.remaining for grant in move.grants.values() if grant.open(move.now))
        life.rows.assert_entries_explain_everything()

    count = DRAWN.examples(150)
    holds_for(count, holds)
    assert repaired >= count // 30, "there was hardly anything to set right"


def repair(rows: Rows) -> None:
    """As `balance-worker accounts repair` does it: by what the entries make right."""
    asked = repair_job(rows.loaded(), rows.explained(), "asked", "me")
    assert asked is not None
    assert rows.do(asked, 10**7).code is Code.APPLIED
    assert rows.findings() == []
