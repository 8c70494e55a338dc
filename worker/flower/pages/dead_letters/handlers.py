"""Dead letters: looked for, one of them with its message, and sent again or closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Engine
from tornado.web import HTTPError, url

from models.domain.letters import LetterStatus, NextStep
from models.store.connection.session import snapshot
from models.store.read.activity.dead_letters import ParkedLetters, parked_letters
from models.store.read.dead_letters import Letter, LetterSummary, search, whole
from models.store.read.page import Searched
from worker.dead_letters.discarding import Discarding
from worker.dead_letters.obstacles import not_discardable, not_replayable
from worker.dead_letters.replay import Replay
from worker.encoding.shown import readable
from worker.encoding.visible import visible
from worker.encoding.written import TIME_FORMS, Unreadable
from worker.flower.pages.actions import ActionHandler
from worker.flower.pages.base import PageHandler
from worker.flower.pages.dead_letters import bulk
from worker.flower.pages.dead_letters.wanted import FIELDS, letter_filter
from worker.flower.pages.page import ID, Page
from worker.settings.settings import Settings

_ROWS: Final = 50
_LOOKED_AT: Final = 10_000  # letters, for one page and for the counts
_LF: Final = "\n"


@dataclass(frozen=True, slots=True)
class _Answer:
    found: Searched[LetterSummary]
    parked: ParkedLetters  # of any trait


class DeadLettersHandler(PageHandler):
    """The ones seen last first, or those that are looked for."""

    name = "dead_letters"

    async def get(self) -> None:
        asked = {field: self.asked(field) for field in FIELDS}
        trail, answer, problem = self.trail, None, None
        try:
            wanted = letter_filter(asked)
            answer = await self.read(
                lambda connection: _Answer(
                    search(connection, wanted, _ROWS, _LOOKED_AT, trail[-1] if trail else None),
                    parked_letters(connection, _LOOKED_AT),
                )
            )
        except Unreadable as error:
            problem = str(error)
            self.set_status(400)
        self.show(
            "dead_letters.html", asked=asked, answer=answer, problem=problem, trail=trail, statuses=[*LetterStatus],
            looked_at=_LOOKED_AT, time_forms=TIME_FORMS,
        )  # fmt: skip


class DeadLetterHandler(PageHandler):
    """One letter, with its message as it was."""

    name = "dead_letters"

    async def get(self, letter_id: str) -> None:
        found = await self.read(lambda connection: whole(connection, [UUID(letter_id)]))
        if not found:
            raise HTTPError(404, f"There is no dead letter {letter_id}.")
        [letter] = found
        body = visible(readable(letter.body), keep=_LF)
        self.show("dead_letter.html", letter=letter, body=body, steps=NextStep)


class _OneLetter(ActionHandler):
    """What is done with one letter."""

    name = "dead_letters"

    def back(self, *where: str) -> str:
        return str(self.reverse_url("dead_letter", *where))


class ReplayHandler(_OneLetter):
    async def act(self, *where: str) -> str:
        operator, letter_id = self.operator, UUID(where[0])

        def replay(engine: Engine, settings: Settings) -> None:
            letter = _letter(engine, letter_id)
            _refuse(not_replayable(letter))
            with Replay(engine, settings, operator) as publishing:
                sum(publishing.these([letter]))

        await self.perform(replay)
        return "Replayed: its message is in the queue again. Under its key a job is applied once."


class DiscardHandler(_OneLetter):
    async def act(self, *where: str) -> str:
        operator, reason, letter_id = self.operator, self.reason, UUID(where[0])

        def discard(engine: Engine, _settings: Settings) -> int:
            _refuse(not_discardable(_letter(engine, letter_id)))
            return Discarding(engine, reason, operator).these([letter_id])

        closed = await self.perform(discard)
        return "Discarded." if closed else "Nothing was done: somebody else closed it meanwhile."


def _letter(engine: Engine, letter_id: UUID) -> Letter:
    with snapshot(engine) as connection:
        found = whole(connection, [letter_id])
    if not found:
        raise HTTPError(404, f"There is no dead letter {letter_id}.")
    return found[0]


def _refuse(obstacle: str | None) -> None:
    if obstacle is not None:
        raise HTTPError(409, "%s", f"Nothing was done: {obstacle}.")


PAGE: Final = Page(
    "dead_letters",
    "Dead letters",
    "dead-letters",
    DeadLettersHandler,
    [
        url(rf"/dead-letters/{ID}", DeadLetterHandler, name="dead_letter"),
        url(rf"/dead-letters/{ID}/replay", ReplayHandler, name="dead_letter_replay"),
        url(rf"/dead-letters/{ID}/discard", DiscardHandler, name="dead_letter_discard"),
        *bulk.ROUTES,
    ],
)
