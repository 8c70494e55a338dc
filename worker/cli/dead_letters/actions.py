"""balance-worker dead-letters replay | discard"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Final
from uuid import UUID

import typer
from sqlalchemy import Engine

from models.domain.letters import GARBAGE, LetterStatus, Obstacle
from models.store.connection.session import snapshot, transaction
from models.store.read.dead_letters import Letter, LetterCount, LetterFilter, LetterSummary, at_once, count, find, whole
from models.store.write import dead_letters
from tasks.publishing.confirmed import NotAccepted
from worker.cli.dead_letters.commands import Reason, Since, Task, Until, letter_filter, missing
from worker.cli.terminal.confirm import confirm
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.output import AsJson, line, remark, when, write_json
from worker.cli.terminal.progress import Advance
from worker.cli.terminal.waiting import Waiting
from worker.database import engine_for
from worker.dead_letters.replay import Replay
from worker.encoding.urls import mask_url
from worker.settings.settings import Settings, load_settings

_REPLAY_EXAMPLES = """\
\b
Examples:
  balance-worker dead-letters replay 3f0c5e0e-7d0b-4c55-9a39-5f0a3a1f7d11
  balance-worker dead-letters replay --reason failed --since 2h
  balance-worker dead-letters replay --all --yes
"""
_DISCARD_EXAMPLES = """\
\b
Examples:
  balance-worker dead-letters discard 3f0c5e0e-7d0b-4c55-9a39-5f0a3a1f7d11 --reason "sent by a test"
  balance-worker dead-letters discard --parked-for garbage --until 1d --reason "port scan, ticket 17"
"""
_AT_ONCE: Final = 1_000

Ids = Annotated[list[UUID] | None, typer.Argument(metavar="ID...", help="The letters, instead of a filter.")]
All = Annotated[bool, typer.Option("--all", help="All that are parked, when no other filter is given.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask when there is more than one.")]


def replay(
    ids: Ids = None,
    reason: Reason = None,
    task: Task = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Publishes the messages of dead letters again, as they came, to the queue that they came from.

    Under its key a job is applied once, whatever else happened to it. A letter is marked as replayed when the broker
    has its message; an interrupted run goes on when it is repeated. What still cannot be settled is parked again.
    """
    with _database() as (engine, settings), Replay(engine, settings) as publishing:
        if ids:
            _no_filter(reason, task, since, until, everything)
            letters = _letters(engine, ids)
            _refuse([sentence for letter in letters if (sentence := _not_replayable(letter))])
            total, left_out, batches = len(letters), 0, publishing.these(letters)
        else:
            wanted = _filter(reason, task, since, until, everything)
            counted = _count(engine, wanted)
            total, left_out = counted.replayable, counted.garbage
            batches = publishing.parked(replace(wanted, replayable=True))
        if total > 1 and not yes:
            confirm(f"Replay {_letters_of(total)}?")
        replayed = _publish(batches, total, settings) if total else 0
    if as_json:
        write_json({"replayed": replayed, "not_replayable": left_out})
        return
    line(f"replayed {_letters_of(replayed)}")
    if left_out:
        remark(f"{_letters_of(left_out)} cannot be sent again: see `dead-letters list --reason {GARBAGE}`")


def discard(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept with the letter.")],
    ids: Ids = None,
    parked_for: Annotated[
        str | None, typer.Option(metavar="CODE", help="Letters parked for this reason, like garbage.")
    ] = None,
    task: Task = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Closes dead letters that are not wanted. The rows stay, with the reason and the time.

    Should the same message come again, it is parked as a new letter.
    """
    if not reason.strip():
        raise typer.BadParameter("say why: whoever looks later has nothing else to go by", param_hint="--reason")
    with _database() as (engine, _):
        if ids:
            _no_filter(parked_for, task, since, until, everything)
            letters = _letters(engine, ids)
            _refuse([sentence for letter in letters if (sentence := _not_discardable(letter))])
            pages = iter([ids])
            total = len(letters)
        else:
            wanted = _filter(parked_for, task, since, until, everything)
            total = _count(engine, wanted).total
            pages = _parked(engine, wanted)
        if total > 1 and not yes:
            confirm(f"Discard {_letters_of(total)}?")
        discarded = 0
        with Advance("Discarding", total) as advance:
            for page in pages:
                with transaction(engine) as connection:
                    discarded += dead_letters.discard(connection, page, reason.strip())
                advance.by(len(page))
    if as_json:
        write_json({"discarded": discarded})
    else:
        line(f"discarded {_letters_of(discarded)}")


@contextmanager
def _database() -> Iterator[tuple[Engine, Settings]]:
    settings = load_settings()
    engine = engine_for(settings)
    try:
        yield engine, settings
    finally:
        engine.dispose()


def _filter(
    reason: str | None, task: str | None, since: str | None, until: str | None, everything: bool
) -> LetterFilter:
    if not everything and not any((reason, task, since, until)):
        raise typer.BadParameter("name letters by ID or by a filter, or say --all", param_hint="ID")
    return letter_filter(reason, task, since, until, LetterStatus.PARKED)


def _no_filter(*given: object) -> None:
    if any(given):
        raise typer.BadParameter("give either letters by ID or a filter", param_hint="ID")


def _letters(engine: Engine, ids: list[UUID]) -> tuple[Letter, ...]:
    """The letters, each once, in the order in which they were seen."""
    with Waiting("Reading dead letters"), snapshot(engine) as connection:
        letters = whole(connection, ids)
    if absent := set(ids) - {letter.id for letter in letters}:
        raise missing(min(absent))
    return letters


def _count(engine: Engine, wanted: LetterFilter) -> LetterCount:
    with Waiting("Counting dead letters"), snapshot(engine) as connection:
        return count(connection, wanted)


def _parked(engine: Engine, wanted: LetterFilter) -> Iterator[list[UUID]]:
    """The ids of letters that are parked now, a page at a time; pages are closed before the next one is read."""
    with snapshot(engine) as connection:
        wanted = at_once(connection, wanted)
    while True:
        with snapshot(engine) as connection:
            page = [letter.id for letter in find(connection, wanted, _AT_ONCE).rows]
        if not page:
            return
        yield page


def _publish(batches: Iterator[int], total: int, settings: Settings) -> int:
    replayed = 0
    with Advance("Replaying", total) as advance:
        try:
            for sent in batches:
                replayed += sent
                advance.by(sent)
        except NotAccepted as error:
            raise Stop(
                f"{mask_url(str(error))}: see that the broker runs and that BALANCE_BROKER_URL names it;"
                f" now it is {mask_url(settings.broker_url)}\n{replayed} of {_letters_of(total)} were replayed;"
                " repeat the command to go on"
            ) from error
    return replayed


def _refuse(sentences: list[str]) -> None:
    if sentences:
        raise Stop("\n".join([*sentences, "nothing was changed"]), NO)


def _not_replayable(letter: LetterSummary) -> str | None:
    """Why it is not sent again, in a sentence."""
    this, job = f"letter {letter.id}", letter.job
    match letter.replay_obstacle:
        case Obstacle.DISCARDED:
            return (
                f"{this} was discarded at {when(letter.closed_at)} ({letter.discard_reason}):"
                " if the job is wanted after all, publish it again under its key"
            )
        case Obstacle.GARBAGE:
            return (
                f"{this} is no Celery message and cannot be sent again: publish the job as a message"
                f" (docs/publishing.md), then `balance-worker dead-letters discard {letter.id} --reason …`"
            )
        case Obstacle.ANSWERED if job is not None:
            return (
                f"{this} was replayed at {when(letter.closed_at)} and its key is answered:"
                f" `balance-worker jobs show {job.id}`"
            )
        case _:
            return None


def _not_discardable(letter: LetterSummary) -> str | None:
    """Why it is not closed, in a sentence."""
    at = when(letter.closed_at)
    match letter.discard_obstacle:
        case Obstacle.DISCARDED:
            return f"letter {letter.id} was discarded already, at {at} ({letter.discard_reason})"
        case Obstacle.REPLAYED:
            return (
                f"letter {letter.id} was replayed at {at}: its message has gone to the queue and discarding would"
                " not stop it; if it is parked again, it can be discarded"
            )
        case _:
            return None


def _letters_of(count: int) -> str:
    return f"{count} letter{'' if count == 1 else 's'}"


def register(app: typer.Typer) -> None:
    app.command("replay", epilog=_REPLAY_EXAMPLES)(replay)
    app.command("discard", epilog=_DISCARD_EXAMPLES)(discard)
