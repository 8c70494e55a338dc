"""Each source asked in a thread of its own: one that is away keeps nobody waiting, and is said to be away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from typing import Generic, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Look(Protocol[T_co]):
    """Asked again and again, by one thread. `look` raises when there is no answer."""

    def look(self) -> T_co: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """What a source answered last, or why it did not."""

    found: T | None = None
    error: str | None = None
    at: float = field(default_factory=monotonic)  # seconds


class Looking(Generic[T]):
    """`say`: what to say of an error."""

    def __init__(self, look: Look[T], say: Callable[[Exception], str]) -> None:
        self._look, self._say = look, say
        self.seen: Seen[T] | None = None  # None: it has not answered yet
        self._stopping = Event()

    def once(self) -> Seen[T]:
        """Asks now, and keeps what it said."""
        try:
            self.seen = Seen(self._look.look())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is shown in the source's place
            self.seen = Seen(error=self._say(error))
            self._look.close()
        return self.seen

    def start(self, every_s: float) -> None:
        """Asks again and again from now on. The thread is no reason for the process to stay."""
        Thread(target=self._go_on, args=(every_s,), daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def _go_on(self, every_s: float) -> None:
        while not self._stopping.is_set():
            self.once()
            self._stopping.wait(every_s)
        self._look.close()
