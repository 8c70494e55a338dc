"""A job of a run: what is sent, what may come of it, and what Celery is asked to do after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

PRODUCER: Final = "chaos"
DONE: Final = frozenset({"applied"})
How = Literal["link", "chain", "nowhere", "money", "group", "chord", "link_error"]


@dataclass(frozen=True, slots=True)
class Then:
    """What Celery is asked to do after a job: to send the publisher's own tasks, by their ids, or another money job."""

    how: How
    ids: tuple[str, ...] = ()
    job: Job | None = None

    @property
    def promised(self) -> tuple[str, ...]:
        """The tasks that are sent once the job is answered: an errback is not."""
        return () if self.how == "link_error" else self.ids


@dataclass(frozen=True, slots=True)
class Job:
    """`codes`: the answers that are right, in whatever order jobs come. `effect`: what it moves when applied, in the
    account's smallest units; None where that depends on the balance it finds, or there is nothing to move."""

    name: str
    arguments: Mapping[str, Any]
    account: str | None
    codes: frozenset[str] = DONE
    effect: int | None = None
    valid: bool = True  # our client refuses to send it otherwise
    then: Then | None = None
    follows: bool = False  # it is sent on by a worker, who may have to give up

    @property
    def key(self) -> str:
        return str(self.arguments["idempotency_key"])

    @property
    def may_be_parked(self) -> bool:
        """Whether there may be a dead letter in place of an answer."""
        return self.follows or (self.then is not None and self.then.how == "chord")

    @property
    def wants_result(self) -> bool:
        """Whether its publisher asks for the result, which nobody reads here."""
        return self.key.endswith("7")


def asked(key: str, **fields: Any) -> dict[str, Any]:
    return {"idempotency_key": key, "producer": PRODUCER, **fields}
