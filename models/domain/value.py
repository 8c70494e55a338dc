"""Values: dataclasses that nothing changes once they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["value"]

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
