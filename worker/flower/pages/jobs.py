"""Jobs: searched, and one of them from its message to what was told of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from sqlalchemy import Connection
from tornado.web import HTTPError, url

from models.domain.letters import LetterStatus
from models.domain.outcome import Code, Status
from models.store.read.accounts import account
from models.store.read.charges import ChargeShown, charge_credited_by
from models.store.read.dead_letters import LetterSummary
from models.store.read.finance.settled_keys import KeyTold, letters_of, letters_under, told_of
from models.store.read.jobs import Found, JobDetails, JobFilter, job, search
from worker.brokers.queue_look import QueueLook, look
from worker.encoding.written import ACCOUNT_FORMS, TIME_FORMS, Unreadable, account_name, moment
from worker.flower.pages.base import PageHandler
from worker.flower.pages.page import ID, Page

_ROWS: Final = 50
_LOOKED_AT: Final = 10_000  # jobs, for one page: an answer in a fraction of a second, however rare what is wanted is
_LETTERS: Final = 20
_FIELDS: Final = ("key", "producer", "account", "status", "code", "since", "until")


@dataclass(frozen=True, slots=True)
class _Answer:
    found: Found
    letters: dict[UUID, LetterStatus]  # what became of messages that were dead letters, by job
    told: KeyTold | None  # where a key was asked for


@dataclass(frozen=True, slots=True)
class _Story:
    told: JobDetails
    letters: tuple[LetterSummary, ...]  # under the same key
    charge: ChargeShown | None


class JobsHandler(PageHandler):
    """The newest first, or those that are looked for."""

    name = "jobs"

    async def get(self) -> None:
        asked = {field: self.asked(field) for field in _FIELDS}
        trail, answer, queued, problem = self.trail, None, None, None
        try:
            wanted = _filter(asked)
            answer = await self.read(lambda connection: _search(connection, wanted, asked, trail))
        except Unreadable as error:
            problem = str(error)
            self.set_status(400)
        if answer is not None and answer.told is not None and not answer.found.jobs:
            queued = await self._queued(asked["key"] or "", asked["producer"])
        self.show(
            "jobs.html", asked=asked, answer=answer, queued=queued, problem=problem, trail=trail, codes=[*Code],
            statuses=[*Status], looked_at=_LOOKED_AT, account_forms=ACCOUNT_FORMS, time_forms=TIME_FORMS,
        )  # fmt: skip

    async def _queued(self, key: str, producer: str | None) -> QueueLook:
        """Whether it still waits: the broker is asked only about what is not settled."""
        return await asyncio.to_thread(look, self.capp.runtime.settings, key, producer)


class JobHandler(PageHandler):
    """One settled job."""

    name = "jobs"

    async def get(self, job_id: str) -> None:
        story = await self.read(lambda connection: _story(connection, UUID(job_id)))
        if story is None:
            raise HTTPError(404, f"No job {job_id} has been settled.")
        self.show(
            "job.html",
            job=story.told.job,
            scale=story.told.job.scale,
            told=story.told,
            letters=story.letters,
            charge=story.charge,
        )


def _filter(asked: dict[str, str | None]) -> JobFilter:
    """What the form asks for, but for the account. Raises Unreadable."""
    status, code, since, until = asked["status"], asked["code"], asked["since"], asked["until"]
    if status is not None and status not in [*Status]:
        raise Unreadable(f"{status!r} is no status; there are {', '.join(Status)}")
    if code is not None and code not in [*Code]:
        raise Unreadable(f"{code!r} is no outcome code: docs/outcomes.md has all of them")
    return JobFilter(
        producer=asked["producer"],
        status=None if status is None else Status(status),
        code=None if code is None else Code(code),
        since=None if since is None else moment(since),
        until=None if until is None else moment(until),
        key=asked["key"],
    )


def _search(connection: Connection, wanted: JobFilter, asked: dict[str, str | None], trail: list[UUID]) -> _Answer:
    if (named := asked["account"]) is not None:
        found = account(connection, account_name(named))
        if found is None:
            raise Unreadable(f"there is no account {named}")
        wanted = replace(wanted, account_id=found.id)
    page = search(connection, wanted, _ROWS, _LOOKED_AT, trail[-1] if trail else None)
    told = None if wanted.key is None else told_of(connection, wanted.key, wanted.producer, _LETTERS)
    return _Answer(page, letters_of(connection, [each.id for each in page.jobs]), told)


def _story(connection: Connection, job_id: UUID) -> _Story | None:
    told = job(connection, job_id)
    if told is None:
        return None
    letters = letters_under(connection, told.job.producer, told.job.idempotency_key, _LETTERS)
    return _Story(told, letters, charge_credited_by(connection, job_id))


PAGE: Final = Page("jobs", "Jobs", "jobs", JobsHandler, [url(rf"/jobs/{ID}", JobHandler, name="job")])
