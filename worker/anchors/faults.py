"""Why an anchor was not written, or not read."""

from __future__ import annotations


class AnchorFault(Exception):
    """`next_step`: what to do about it."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step
