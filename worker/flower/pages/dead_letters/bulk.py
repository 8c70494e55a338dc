"""All parked dead letters that a filter means, sent again or closed: step by step in Flower's process, and watched."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from dataclasses import replace
from typing import ClassVar, Final

from sqlalchemy import Connection
from tornado.web import HTTPError, url

from models.domain.letters import GARBAGE, LetterStatus
from models.store.read.dead_letters import LetterCount, LetterFilter, at_once, count_some
from worker.clock import now
from worker.database import engine_for
from worker.dead_letters.discarding import Discarding
from worker.dead_letters.replay import Replay
from worker.encoding.written import Unreadable
from worker.flower.pages.actions import ActionHandler, trouble_of
from worker.flower.pages.base import PageHandler
from worker.flower.pages.dead_letters.wanted import FIELDS, in_words, letter_filter, query_of
from worker.flower.runs import Run
from worker.settings.settings import Settings

AT_MOST: Final = 10_000  # letters in one run; what is left is another one
_COUNTED: Final = 50_000  # parked letters that are looked at to count them
_REFRESH_S: Final = 2


def _wanted(handler: PageHandler) -> LetterFilter:
    try:
        wanted = letter_filter({field: handler.asked(field) for field in FIELDS})
    except Unreadable as error:
        raise HTTPError(400, "%s", str(error)) from error
    return replace(wanted, status=LetterStatus.PARKED)


def _counted(connection: Connection, wanted: LetterFilter) -> tuple[LetterFilter, LetterCount]:
    """Letters seen up to now, and how many there are."""
    fixed = at_once(connection, wanted)
    return fixed, count_some(connection, fixed, _COUNTED)


class BulkHandler(PageHandler):
    """How many there are, and the two things that can be done with them."""

    name = "dead_letters"

    async def get(self) -> None:
        wanted = _wanted(self)
        fixed, count = await self.read(lambda connection: _counted(connection, wanted))
        self.show(
            "dead_letters_bulk.html", meant=in_words(wanted), query=query_of(fixed), count=count, at_most=AT_MOST,
            garbage=GARBAGE,
        )  # fmt: skip


class _All(ActionHandler):
    """Begins a run; its page tells the rest."""

    name = "dead_letters"
    doing: ClassVar[str]

    async def act(self, *where: str) -> str:
        wanted, settings, operator, reason = _wanted(self), self.capp.runtime.settings, self.operator, self.reason
        fixed, count = await self.read(lambda connection: _counted(connection, wanted))
        total = min(self.concerned(count), AT_MOST)
        if not total:
            raise HTTPError(409, "Nothing was done: there are no such letters any more.")
        run = Run(self.key, f"{self.doing} {in_words(wanted)}", operator, reason, total, now())
        self.runs.begin(
            run, lambda: self.steps(settings, fixed, operator, reason), lambda error: trouble_of(error, settings)
        )
        return f"{self.doing} up to {total:,} letters."

    def back(self, *_where: str) -> str:
        return str(self.reverse_url("dead_letters_run", self.key))

    @staticmethod
    @abstractmethod
    def concerned(count: LetterCount) -> int:
        """How many of them it can be done with."""

    @staticmethod
    @abstractmethod
    def steps(settings: Settings, wanted: LetterFilter, operator: str, reason: str) -> Generator[int]:
        """Does it, a few letters at a time."""


class ReplayAllHandler(_All):
    doing = "Replaying"

    @staticmethod
    def concerned(count: LetterCount) -> int:
        return count.replayable

    @staticmethod
    def steps(settings: Settings, wanted: LetterFilter, operator: str, reason: str) -> Generator[int]:
        engine = engine_for(settings)
        try:
            with Replay(engine, settings, operator) as publishing:
                yield from publishing.parked(replace(wanted, replayable=True))
        finally:
            engine.dispose()


class DiscardAllHandler(_All):
    doing = "Discarding"

    @staticmethod
    def concerned(count: LetterCount) -> int:
        return count.total

    @staticmethod
    def steps(settings: Settings, wanted: LetterFilter, operator: str, reason: str) -> Generator[int]:
        engine = engine_for(settings)
        try:
            yield from Discarding(engine, reason, operator).parked(wanted)
        finally:
            engine.dispose()


class RunHandler(PageHandler):
    """How far a run has come; the browser asks again until it has ended."""

    name = "dead_letters"

    async def get(self, key: str) -> None:
        run = self.runs.get(key)
        if run is None:
            said = "Flower was started since, or has forgotten it: what is left still stands among the dead letters."
            raise HTTPError(404, "%s", said)
        if run.ended_at is None:
            self.set_header("Refresh", str(_REFRESH_S))
        self.show("run.html", run=run)


ROUTES: Final = (
    url("/dead-letters/bulk", BulkHandler, name="dead_letters_bulk"),
    url("/dead-letters/bulk/replay", ReplayAllHandler, name="dead_letters_replay"),
    url("/dead-letters/bulk/discard", DiscardAllHandler, name="dead_letters_discard"),
    url("/dead-letters/runs/(flower-[0-9a-f]{32})", RunHandler, name="dead_letters_run"),
)
