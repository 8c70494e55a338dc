"""Values: dataclasses that nothing changes once they are made."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

__all__ = ["enums", "value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(**options: Any) -> Any:
        """`@value(frozen=True, slots=True)` is a frozen dataclass to the type checker, which finds whoever changes one.

        At run time the guard is left out: it sets each field through a call of its own, which makes a value three
        times as expensive, and the path of one job makes a dozen.
        """
        return dataclass(**{**options, "frozen": False, "unsafe_hash": True})


def enums(of: type[Any]) -> dict[str, type[Enum]]:
    """Which fields of a value are one of a few words, or none, and of which."""
    kinds = {name: get_args(hint) or (hint,) for name, hint in get_type_hints(of).items()}
    found = {
        name: [one for one in kind if isinstance(one, type) and issubclass(one, Enum)] for name, kind in kinds.items()
    }
    return {name: one for name, (*_, one) in ((name, each) for name, each in found.items() if each)}
