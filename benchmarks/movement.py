"""What a job does, said in a way that every contender can be told: which account, how much, under which key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

Workload = Literal["uniform", "hot", "duplicates", "mixed", "wallets", "hot_wallet"]
Kind = Literal["user", "wallet", "app"]

_KINDS: Final[tuple[Kind, ...]] = ("user", "wallet", "app")
_WALLETS: Final = ("wallets", "hot_wallet")
_HOT: Final = ("hot", "hot_wallet")
_DUPLICATE_EVERY: Final = 100
_DUPLICATE_WITHIN: Final = 500  # messages between the first and the second; some fall into one batch, some do not


@dataclass(frozen=True, slots=True)
class Movement:
    """`amount` is added to the balance, in whole units; for an app it is the new balance."""

    key: str
    kind: Kind
    account: int  # from 1
    amount: int


def movements(workload: Workload, count: int, accounts: int, run: str) -> list[Movement]:
    """`count` messages in the order in which they are published. `run` makes the keys unique."""
    made = [_movement(workload, number, accounts, run) for number in range(count)]
    if workload == "duplicates":
        for number in range(_DUPLICATE_EVERY - 1, count, _DUPLICATE_EVERY):
            made[number] = made[max(0, number - 1 - _scattered(f"{run} again {number}", _DUPLICATE_WITHIN))]
    return made


def unique(messages: Sequence[Movement]) -> list[Movement]:
    """Those that have an effect: the first under each key."""
    return list({message.key: message for message in reversed(messages)}.values())


def _movement(workload: Workload, number: int, accounts: int, run: str) -> Movement:
    key = f"{run}-{number:07}"
    kind = _KINDS[number % len(_KINDS)] if workload == "mixed" else "wallet" if workload in _WALLETS else "user"
    account = 1 if workload in _HOT else 1 + _scattered(key, accounts)
    return Movement(key, kind, account, 1 + number % 99)


def _scattered(text: str, below: int) -> int:
    """As good as random, and the same in every run: all contenders are given the same jobs."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") % below
