"""What there is in an account at one time, and which grants and holds are open then."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from models.domain.accounts import Account
from models.domain.credits.holds import Hold, HoldEnd
from models.domain.credits.levels import Levels, levels, open_grants, open_holds
from tests.support.builders import NOW, grant, user_account, wallet_account

HOUR = timedelta(hours=1)


def hold(number: int, units: int, *, ends_in: timedelta = HOUR, backing: tuple[tuple[UUID, int], ...] = ()) -> Hold:
    return Hold(UUID(int=number), units, units, 0, backing, NOW + ends_in, NOW - HOUR)


def wallet() -> Account:
    """20 plain credits, 10 expired, 40 that begin later, 30 open of which a hold has 12; 4 in a hold that ran out."""
    drawn = replace(grant(1, 18, priority=1), held=12)
    later = replace(grant(3, 40), effective_at=NOW + HOUR, pending=True)
    made = wallet_account(balance=104, grants=(drawn, grant(2, 10, days=-1), later, grant(4, 0)))
    holds = (hold(1, 12, backing=((drawn.id, 12),)), hold(2, 4, ends_in=-HOUR))
    return replace(made, holds=holds, held=16)


def test_levels_are_those_of_the_time_whatever_was_swept() -> None:
    assert levels(wallet(), NOW) == Levels(balance=54, ledger_balance=104, held=12, spendable=42, expired=10, future=40)
    assert levels(wallet(), NOW + 2 * HOUR) == Levels(
        balance=94, ledger_balance=104, held=0, spendable=94, expired=10, future=0
    )


def test_of_an_account_without_credits_all_is_its_balance() -> None:
    assert levels(user_account(balance=-7), NOW) == Levels(-7, -7, 0, -7, 0, 0)


def test_open_grants_stand_in_the_order_of_use_then_what_cannot_be_used() -> None:
    assert [each.id.int for each in open_grants(wallet(), NOW)] == [1, 2, 3], "number 4 has nothing left"
    assert open_grants(wallet(), NOW + 2 * HOUR)[0].remaining == 30, "what was held came back"


def test_a_hold_that_ran_out_is_not_open() -> None:
    assert [each.id.int for each in open_holds(wallet(), NOW)] == [1]


def test_a_hold_that_ran_out_reserves_nothing_whether_or_not_it_was_swept() -> None:
    taken = replace(hold(1, 12, backing=((UUID(int=1), 5),)), remaining=7, captured=3)
    assert (taken.by_time(NOW), taken.released) == (taken, 2)
    over = taken.by_time(NOW + HOUR)
    assert (over.remaining, over.backing, over.ended, over.released) == (0, (), HoldEnd.EXPIRED, 9)
    captured = replace(taken, remaining=0, captured=12, ended=HoldEnd.CAPTURED)
    assert captured.by_time(NOW + HOUR) == captured, "it had ended before"
