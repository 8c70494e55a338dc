"""Grants: the order in which a debit uses them up, when they are open, and how much comes back."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from models.domain.credits import grants
from models.domain.credits.grants import Grant, GrantState, WrongUnits
from tests.support.builders import NOW, grant

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
    assert grants.consumption_order([first, second]) == [first, second]
    assert grants.consumption_order([second, first]) == [first, second]


def test_consumption_order_leaves_out_what_is_used_up() -> None:
    assert grants.consumption_order([grant(1, 0), grant(4, 5)]) == [grant(4, 5)]


def test_larger_means_what_is_left_not_what_was_granted() -> None:
    shrunk = Grant(UUID(int=1), 100, 3, 1, None, NOW)
    assert grants.consumption_order([shrunk, grant(2, 4, priority=1)])[0].id.int == 2


@pytest.mark.parametrize(
    ("item", "open_", "lapsed"),
    [
        (grant(1, 5), True, False),
        (grant(1, 5, days=1), True, False),
        (grant(1, 5, days=0), False, True),
        (grant(1, 5, days=-1), False, True),
        (replace(grant(1, 5), effective_at=NOW), True, False),
        (replace(grant(1, 5), effective_at=NOW + timedelta(seconds=1)), False, False),
        (replace(grant(1, 5, days=1), voided_at=NOW), False, True),
    ],
    ids=["no end", "ends later", "ends now", "ended", "begins now", "begins later", "voided"],
)
def test_open_is_begun_and_not_over(item: Grant, open_: bool, lapsed: bool) -> None:
    assert (item.open(NOW), item.lapsed(NOW)) == (open_, lapsed)


@pytest.mark.parametrize(
    ("item", "comes_back"),
    [
        (grant(1, 40), 60),
        (grant(1, 95), 5),
        (replace(grant(1, 0), reversed=100), 0),
        (replace(grant(1, 0), reversed=70), 30),
        (replace(grant(1, 0), expired=40), 60),
        (replace(grant(1, 0), voided=90), 10),
        (replace(grant(1, 20), held=50), 30),
        (replace(grant(1, 0), held=50, reversed=100), 0),
    ],
)
def test_no_more_comes_back_than_was_spent_and_not_taken(item: Grant, comes_back: int) -> None:
    assert item.returned(60) == comes_back


@pytest.mark.parametrize(
    ("item", "state"),
    [
        (grant(1, 5, days=1), GrantState.OPEN),
        (replace(grant(1, 0), held=5), GrantState.OPEN),
        (replace(grant(1, 5), effective_at=NOW + timedelta(seconds=1)), GrantState.BEGINS_LATER),
        (grant(1, 5, days=0), GrantState.EXPIRED),
        (replace(grant(1, 0, days=0), expired=5), GrantState.EXPIRED),
        (grant(1, 0, days=1), GrantState.USED_UP),
        (grant(1, 0, days=-1), GrantState.USED_UP),
        (replace(grant(1, 0), voided=5, voided_at=NOW), GrantState.VOIDED),
        (replace(grant(1, 0, days=-1), voided_at=NOW), GrantState.VOIDED),
    ],
)
def test_state(item: Grant, state: GrantState) -> None:
    assert item.state(NOW) is state


def test_what_a_hold_has_of_a_taken_grant_was_not_consumed() -> None:
    item = replace(grant(1, 0), held=50, reversed=100)
    assert (item.spent, item.consumed) == (-50, 0)
    assert replace(item, held=0, reversed=30).consumed == 70


def test_what_differs_is_named_with_both_sides() -> None:
    right = replace(grant(1, 60), held=5, reversed=7)
    row = replace(right, remaining=50, reversed=0, priority=9)
    assert row.units.differing(right.units) == (WrongUnits("remaining", 50, 60), WrongUnits("reversed", 0, 7))
    assert right.units.differing(right.units) == ()
