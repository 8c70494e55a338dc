"""Ids that nobody else has: random UUIDs, without asking the system for each."""

from __future__ import annotations

import os
from random import Random
from typing import Final
from uuid import UUID

_RANDOM: Final = Random()  # noqa: S311  # they have to be different, not secret; seeded by the system
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_RANDOM.seed)  # or both processes would go on with the same ones


def new_id() -> str:
    return str(UUID(int=_RANDOM.getrandbits(128), version=4))
