"""balance-worker dead-letters replay | discard"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy import Engine

from balance_client.publishing.confirmed import NotAccepted
from models.domain.letters import GARBAGE, LetterStatus
from models.store.connection.session import snapshot
from models.store.read.dead_letters import Letter, LetterCount, LetterFilter, count, whole
from worker.cli.dead_letters.commands import Reason, Since, Task, Until, letter_filter, missing
from worker.cli.terminal.confirm import confirm
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.output import AsJson, line, remark, write_json
from worker.cli.terminal.progress import Advance
from worker.cli.terminal.waiting import Waiting
from worker.database import engine_for
from worker.dead_letters.discarding import Discarding
from worker.dead_letters.obstacles import not_discardable, not_replayable
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

Ids = Annotated[list[UUID] | None, typer.Argument(metavar="ID...", help="The letters, instead of a filter.")]
All = Annotated[bool, typer.Option("--all", help="All that are parked, when no other filter is given.")]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who does it; it is kept with the letter.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask when there is more than one.")]


def replay(
    ids: Ids = None,
    reason: Reason = None,
    task: Task = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    yes: Yes = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Publishes the messages of dead letters again, as they came, to the queue that they came from.

    Under its key a job is applied once, whatever else happened to it. A letter is marked as replayed when the broker
    has its message; an interrupted run goes on when it is repeated. What still cannot be settled is parked again.
    """
    with _database() as (engine, settings), Replay(engine, settings, by) as publishing:
        if ids:
            _no_filter(reason, task, since, until, everything)
            letters = _letters(engine, ids)
            _refuse([sentence for letter in letters if (sentence := not_replayable(letter))])
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
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Closes dead letters that are not wanted. The rows stay, with the reason and the time.

    Should the same message come again, it is parked as a new letter.
    """
    if not reason.strip():
        raise typer.BadParameter("say why: whoever looks later has nothing else to go by", param_hint="--reason")
    wanted: LetterFilter | None = None
    with _database() as (engine, _):
        if ids:
            _no_filter(parked_for, task, since, until, everything)
            letters = _letters(engine, ids)
            _refuse([sentence for letter in letters if (sentence := not_discardable(letter))])
            total = len(letters)
        else:
            wanted = _filter(parked_for, task, since, until, everything)
            total = _count(engine, wanted).total
        if total > 1 and not yes:
            confirm(f"Discard {_letters_of(total)}?")
        discarded = 0
        closing = Discarding(engine, reason.strip(), by)
        with Advance("Discarding", total) as advance:
            for closed in closing.parked(wanted) if wanted is not None else [closing.these(ids or [])]:
                discarded += closed
                advance.by(closed)
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


def _letters_of(count: int) -> str:
    return f"{count} letter{'' if count == 1 else 's'}"


def register(app: typer.Typer) -> None:
    app.command("replay", epilog=_REPLAY_EXAMPLES)(replay)
    app.command("discard", epilog=_DISCARD_EXAMPLES)(discard)
