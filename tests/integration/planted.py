"""Properties that do not hold. Nobody runs them but test_soak.py, who wants to be told of them."""

from __future__ import annotations

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.property.shrinking import holds_for
from tests.property.steps import History
from tests.support.search import DRAWN


@settings(max_examples=DRAWN.examples(50), phases=[Phase.generate])  # told as it was drawn, not the smallest
@given(st.lists(st.integers(0, 10**9), min_size=5))
def test_numbers_are_small(numbers: list[int]) -> None:
    assert max(numbers) < 10**6, f"drawn: {numbers}"


def test_lives_are_short() -> None:
    def holds(history: History) -> None:
        assert len(history.steps) < 15

    holds_for(DRAWN.examples(50), holds)
