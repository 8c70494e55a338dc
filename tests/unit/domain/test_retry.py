"""When to try again: waits that grow to a cap and are spread, races at once, and a limit for what is not transient."""

import pytest

from models.domain.errors import DoubtfulFault, KeyRace, TransientFault
from models.domain.retry import Park, RetryPolicy, Wait, decide_retry

POLICY = RetryPolicy(base_s=0.1, cap_s=5.0, limit=3, races=2)
HIGHEST = 1 - 2**-53  # random numbers are less than 1


@pytest.mark.parametrize(
    ("attempt", "ceiling"),
    [(1, 0.1), (2, 0.2), (3, 0.4), (6, 3.2), (7, 5.0), (8, 5.0), (31, 5.0), (10**9, 5.0)],
)
def test_waits_double_up_to_the_cap_and_spread_over_their_upper_half(attempt: int, ceiling: float) -> None:
    for random, part in ((0.0, 0.5), (0.5, 0.75), (HIGHEST, 1.0)):
        decision = decide_retry(POLICY, attempt, TransientFault("away"), random)
        assert isinstance(decision, Wait)
        assert decision.seconds == pytest.approx(ceiling * part)


@pytest.mark.parametrize("attempt", [1, 3, 4, 10**6])
def test_a_transient_fault_is_never_given_up_on(attempt: int) -> None:
    assert isinstance(decide_retry(POLICY, attempt, TransientFault("away"), 0.5), Wait)


@pytest.mark.parametrize("fault", [DoubtfulFault("no", "look"), ValueError("bug"), MemoryError()])
@pytest.mark.parametrize(("attempt", "parked"), [(1, False), (2, False), (3, True), (4, True)])
def test_anything_else_is_parked_at_the_limit(fault: BaseException, attempt: int, parked: bool) -> None:
    decision = decide_retry(POLICY, attempt, fault, 0.5)
    assert decision == Park(attempt) if parked else isinstance(decision, Wait)


@pytest.mark.parametrize(("attempt", "at_once"), [(1, True), (2, True), (3, False), (9, False)])
def test_a_race_is_run_again_at_once_but_does_not_spin(attempt: int, at_once: bool) -> None:
    decision = decide_retry(POLICY, attempt, KeyRace("key"), 0.5)
    assert isinstance(decision, Wait), "a race is transient: never parked"
    assert (decision.seconds == 0) is at_once


def test_a_limit_of_one_parks_at_once_and_leaves_races_alone() -> None:
    once = RetryPolicy(limit=1)
    assert decide_retry(once, 1, ValueError(), 0.5) == Park(1)
    assert decide_retry(once, 1, KeyRace("key"), 0.5) == Wait(0.0)
