"""The Lua that runs in Redis or Valkey (6.2 and later): a message is in one place or the other, whoever dies.

The scripts are in scripts/; each says what its keys and arguments are and what it returns. A record is a message that
was taken and not acknowledged. A partition has a hash and an index of records to itself: who holds its lease may take
from it and put back, and nobody else may.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

FENCED: Final = -1
"""What a script answers to somebody who does not hold the lease; it has done nothing then."""


def _text(*names: str) -> str:
    """The files behind each other: a script, after the functions that it uses."""
    return "".join((files(__package__) / "scripts" / f"{name}.lua").read_text(encoding="utf-8") for name in names)


TAKE: Final = _text("clock", "take")
RESTORE: Final = _text("restore")
RENEW: Final = _text("clock", "renew")

FENCE: Final = _text("fence")
"""Stands before any other script. The last key is the lease, the last argument the token that it must hold."""
PUT_BACK: Final = _text("put_back_function", "put_back")
CLAIM: Final = _text("put_back_function", "claim")
RENEW_LEASES: Final = _text("renew_leases")
RELEASE: Final = _text("release")
