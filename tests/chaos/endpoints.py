"""What is asked about endpoints of webhooks: one is told everything, and others come, are changed and go."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from models.domain.events import EventType
from tests.chaos.jobs import Job, asked

MAIN: Final = "open-endpoint"
"""The key of the job that adds the one that is told everything: nobody disables or removes it."""
NOWHERE: Final = "http://127.0.0.1:9"
EITHER: Final = frozenset({"applied", "unchanged"})
_OR_GONE: Final = frozenset({"applied", "unchanged", "endpoint_not_found"})  # removed by a job that was sent later
_OVERLAPS_S: Final = (0, 2, 3_600)
_OTHERS: Final = 1  # that a publisher has at a time


def added(key: str, receiver: str, **fields: Any) -> Job:
    """Its path is the key, by which the receiver knows whom it is sent to."""
    return Job("webhooks.add", asked(key, name=key, url=f"{receiver}/{key}", **fields), None)


class Endpoints:
    """Of one publisher. `ask`: the arguments of its next job. `main`: the endpoint that is told everything."""

    def __init__(
        self, how: random.Random, ask: Callable[..., dict[str, Any]], receiver: str, main: str | None
    ) -> None:  # fmt: skip
        self._random, self._ask, self._receiver, self._main = how, ask, receiver, main
        self._others: list[str] = []
        self._asked_for = 0

    def jobs(self) -> list[Job]:
        """Whatever is next."""
        draw = self._random.random()
        if self._asked_for < _OTHERS:
            self._asked_for += 1
            key = self._ask()["idempotency_key"]
            return [added(key, self._receiver, **self._filter())]
        if self._main is not None and (draw < 0.5 or not self._others):
            return [self._rotate(self._main, frozenset({"applied"})) if draw < 0.25 else self._rename(self._main)]
        return self._of_other(self._random.choice(self._others)) if self._others else []

    def known(self, endpoint_id: str) -> Job:
        """One that was asked for is there, under this id: what it is told is changed."""
        self._others.append(endpoint_id)
        return self._job("update", endpoint_id, **self._filter())

    def _of_other(self, endpoint_id: str) -> list[Job]:
        what = self._random.choice(("switched", "switched", "changed", "removed"))
        if what == "switched":  # in any order, since the queue's consumers are many
            return [self._job("disable", endpoint_id), self._job("enable", endpoint_id)]
        if what == "changed":
            return [self._job("update", endpoint_id, **self._filter()), self._rotate(endpoint_id, _OR_GONE)]
        self._others.remove(endpoint_id)
        self._asked_for -= 1
        return [self._job("remove", endpoint_id)]

    def _filter(self) -> dict[str, Any]:
        kinds = self._random.choice((None, ["user"], ["wallet", "app"]))
        return {"types": sorted(self._random.sample([*map(str, EventType)], 6)), "kinds": kinds}

    def _rename(self, endpoint_id: str) -> Job:
        name = f"of {self._random.randint(1, 3)}"
        return Job("webhooks.update", self._ask(endpoint_id=endpoint_id, name=name), None, EITHER)

    def _rotate(self, endpoint_id: str, codes: frozenset[str]) -> Job:
        overlap_s = self._random.choice(_OVERLAPS_S)
        return Job("webhooks.rotate_secret", self._ask(endpoint_id=endpoint_id, overlap_s=overlap_s), None, codes)

    def _job(self, what: str, endpoint_id: str, **fields: Any) -> Job:
        return Job(f"webhooks.{what}", self._ask(endpoint_id=endpoint_id, **fields), None, _OR_GONE)
