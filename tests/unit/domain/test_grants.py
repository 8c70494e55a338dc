"""Grants: the order in which a debit uses them up, and what comes back."""

from uuid import UUID

import pytest

from models.domain import grants
from models.domain.grants import Grant
from tests.builders import NOW, grant, remaining

ORDER: list[tuple[str, Grant, Grant]] = [
    ("lower priority first", grant(2, 1, priority=0), grant(1, 9, priority=1)),
    ("priority before expiry", grant(2, 1, priority=0, days=9), grant(1, 9, priority=1, days=1)),
    ("priority before none", grant(2, 1, priority=2**31 - 1), grant(1, 9, days=1)),
    ("earlier expiry first", grant(2, 1, days=1), grant(1, 9, days=2)),
    ("expiry before none", grant(2, 1, priority=5, days=9999), grant(1, 9, priority=5)),
    ("expiry before size", grant(2, 1, days=1), grant(1, 99, days=2)),
    ("larger first", grant(2, 9, days=1), grant(1, 8, days=1)),
    ("larger before older", grant(2, 9, days=1, age=0), grant(1, 8, days=1, age=5)),
    ("older first", grant(2, 9, days=1, age=2), grant(1, 9, days=1, age=1)),
    ("the same in all: by id", grant(1, 9, days=1), grant(2, 9, days=1)),
]


@pytest.mark.parametrize(("first", "second"), [case[1:] for case in ORDER], ids=[case[0] for case in ORDER])
def test_consumption_order(first: Grant, second: Grant) -> None:
    assert grants.consumption_order([first, second], NOW) == [first, second]
    assert grants.consumption_order([second, first], NOW) == [first, second]


def test_consumption_order_leaves_out_what_cannot_be_spent() -> None:
    spent, over, just_over, good = grant(1, 0), grant(2, 5, days=-1), grant(3, 5, days=0), grant(4, 5, days=1)
    assert grants.consumption_order([spent, over, just_over, good], NOW) == [good]


def test_larger_means_what_is_left_not_what_was_granted() -> None:
    shrunk = Grant(UUID(int=1), 100, 3, 1, None, NOW)
    assert grants.consumption_order([shrunk, grant(2, 4, priority=1)], NOW)[0].id.int == 2


@pytest.mark.parametrize(
    ("expired", "locked"), [([], 0), ([5], 5), ([5, 7], 12), ([0, 7], 7)], ids=["none", "one", "two", "one used up"]
)
def test_locked_is_what_has_expired_and_is_still_there(expired: list[int], locked: int) -> None:
    held = [grant(number, left, days=-1) for number, left in enumerate(expired, start=1)]
    assert grants.locked([*held, grant(9, 99, days=1), grant(8, 99, priority=1)], NOW) == locked


@pytest.mark.parametrize(
    ("units", "left", "draws"),
    [
        (0, {1: 10, 2: 20, 3: 30}, []),
        (1, {1: 9, 2: 20, 3: 30}, [(1, 1)]),
        (10, {1: 0, 2: 20, 3: 30}, [(1, 10)]),
        (11, {1: 0, 2: 19, 3: 30}, [(1, 10), (2, 1)]),
        (30, {1: 0, 2: 0, 3: 30}, [(1, 10), (2, 20)]),
        (99, {1: 0, 2: 0, 3: 30}, [(1, 10), (2, 20)]),  # the rest comes from the plain credits; 3 has expired
    ],
)
def test_draw(units: int, left: dict[int, int], draws: list[tuple[int, int]]) -> None:
    held = (grant(3, 30, priority=0, days=-1), grant(2, 20, priority=2), grant(1, 10, priority=1))
    after, taken = grants.draw(held, units, NOW)
    assert remaining(after) == left
    assert [(item.int, amount) for item, amount in taken] == draws
    assert [item.id for item in after] == [item.id for item in held], "all of them, in their places"


def test_restore_puts_back_what_was_drawn() -> None:
    held = (grant(1, 10, priority=1), grant(2, 20, priority=2))
    after, draws = grants.draw(held, 15, NOW)
    back, restored = grants.restore(after, draws, NOW)
    assert back == held
    assert {item.int: units for item, units in restored} == {1: -10, 2: -5}


def test_restore_gives_units_of_an_expired_grant_back_as_plain_credits() -> None:
    held = (grant(1, 0, days=-1), grant(2, 0, days=1))
    back, restored = grants.restore(held, [(UUID(int=1), 1), (UUID(int=2), 1)], NOW)
    assert remaining(back) == {1: 0, 2: 1}
    assert restored == ((UUID(int=2), -1),)


@pytest.mark.parametrize(
    ("number", "units", "left", "taken"),
    [(1, 4, 6, 4), (1, 10, 0, 10), (1, 99, 0, 10), (2, 5, 10, 0), (3, 5, 10, 0)],
    ids=["part", "all", "no more than there is", "used up", "unknown"],
)
def test_take_from_one_grant(number: int, units: int, left: int, taken: int) -> None:
    after, draws = grants.take((grant(1, 10), grant(2, 0)), UUID(int=number), units)
    assert remaining(after) == {1: left, 2: 0}
    assert sum(amount for _, amount in draws) == taken
    assert len(draws) == (taken > 0), "nothing taken, nothing to write down"


def test_take_takes_from_an_expired_grant_too() -> None:
    assert grants.take((grant(1, 10, days=-1),), UUID(int=1), 10)[1] == ((UUID(int=1), 10),)
