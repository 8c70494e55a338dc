"""Dead letters: what can be done with one, and what to do next."""

import pytest

from models.domain.letters import (
    GARBAGE,
    LetterStatus,
    NextStep,
    Obstacle,
    discard_obstacle,
    next_step,
    replay_obstacle,
)

PARKED, REPLAYED, DISCARDED = LetterStatus.PARKED, LetterStatus.REPLAYED, LetterStatus.DISCARDED
# (status, reason, whether its key is answered): what keeps it from being sent again, and what to do next
CASES = [
    ((PARKED, "failed", False), None, NextStep.REPLAY_OR_DISCARD),
    ((PARKED, "failed", True), None, NextStep.SEE_JOB),  # sent again it is answered as before
    ((PARKED, GARBAGE, False), Obstacle.GARBAGE, NextStep.PUBLISH_ANEW),
    ((REPLAYED, "failed", False), None, NextStep.WAIT),
    ((REPLAYED, "failed", True), Obstacle.ANSWERED, NextStep.SEE_JOB),
    ((DISCARDED, "failed", False), Obstacle.DISCARDED, NextStep.NOTHING),
    ((DISCARDED, "failed", True), Obstacle.DISCARDED, NextStep.SEE_JOB),
    ((DISCARDED, GARBAGE, False), Obstacle.DISCARDED, NextStep.NOTHING),
]


@pytest.mark.parametrize(("letter", "obstacle", "step"), CASES)
def test_what_can_be_done(letter: tuple[LetterStatus, str, bool], obstacle: Obstacle | None, step: NextStep) -> None:
    status, reason, answered = letter
    assert replay_obstacle(status, reason, answered=answered) is obstacle
    assert next_step(status, reason, answered=answered) is step


@pytest.mark.parametrize(
    ("status", "obstacle"), [(PARKED, None), (REPLAYED, Obstacle.REPLAYED), (DISCARDED, Obstacle.DISCARDED)]
)
def test_only_what_is_parked_is_discarded(status: LetterStatus, obstacle: Obstacle | None) -> None:
    assert discard_obstacle(status) is obstacle
