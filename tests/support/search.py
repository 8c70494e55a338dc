"""What generated tests are drawn from: always the same, or a seed that looks for the unknown and can be repeated.

Without a seed nothing is random: the gate says the same of the same code. With one (`make property SEED=7`, which is
pytest's `--hypothesis-seed=7`) other examples are drawn, and a failure tells the command that draws them again.
"""

from __future__ import annotations

import os
import shlex
from typing import Final

from hypothesis import settings

AGAIN: Final = "again: "  # what stands before the command

# No example database: what failed once would be tried first, here and nowhere else. It becomes a test instead.
settings.register_profile("gate", deadline=None, database=None, derandomize=True)
settings.register_profile("search", deadline=None, database=None, derandomize=False, print_blob=False)


class _Drawn:
    """The seed of this session of tests."""

    seed: int | None = None

    def begin(self, seed: int | None) -> None:
        """Before any test is imported, whose own settings rest on these."""
        self.seed = seed
        settings.load_profile("gate" if seed is None else "search")

    @property
    def first(self) -> int:
        """The first of the seeds of a test that has one for each example."""
        return self.seed or 0

    def examples(self, usual: int, weight: int = 1) -> int:
        """How many examples a test draws: as many as EXAMPLES in the environment says, or as are usual. `weight`: how
        much longer than in memory one takes."""
        asked = os.environ.get("EXAMPLES")
        return max(int(asked) // weight, 1) if asked else usual

    def again(self, test: str, seed: int | None = None, examples: str | None = None) -> str:
        """The line with the command that repeats what this session, or this one example, has drawn for a test."""
        asked = examples or os.environ.get("EXAMPLES")
        words = [f"SEED={self.seed if seed is None else seed}", *([f"EXAMPLES={asked}"] if asked else [])]
        return f"{AGAIN}make property {' '.join(words)} TESTS={shlex.quote(test)}"


DRAWN: Final = _Drawn()
