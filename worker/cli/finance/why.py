"""balance-worker why"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from models.store.read.dead_letters import LetterSummary
from models.store.read.finance.settled_keys import told_of
from models.store.read.jobs import JobDetails
from worker.brokers.queue_look import QueueLook, look
from worker.cli.jobs.commands import job_document
from worker.cli.terminal.faults import NO
from worker.cli.terminal.output import AsJson, line, write_json
from worker.cli.terminal.reading import reading
from worker.cli.terminal.waiting import Waiting
from worker.encoding.shown import decimal, signed, when
from worker.settings.settings import load_settings

_EXAMPLES = """\
\b
Examples:
  balance-worker why invoice-17
  balance-worker why invoice-17 --producer billing --json
"""
_MOST: Final = 20  # jobs and letters that are told of


def why(
    key: Annotated[str, typer.Argument(metavar="KEY", help="An idempotency key.")],
    producer: Annotated[
        str | None, typer.Option(metavar="P", help="Of this producer. Absent: of whichever used it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Says what became of a key: settled and how, a dead letter, or still waiting, and what was told of it.

    Looks into the ledger, among the dead letters and into the queues: on Redis at up to 10000 messages, none of which
    is taken; RabbitMQ shows none before it is taken. Where the broker does not answer it says so, and what the ledger
    knows all the same. Ends with 1 when the key is nowhere to be found.
    """
    with reading("the ledger") as connection:
        told = told_of(connection, key, producer, _MOST)
    settled, letters = told.jobs, told.letters
    with Waiting("Looking into the queues"):
        queued = look(load_settings(), key, producer)
    known = bool(settled or letters or queued.found)
    if as_json:
        write_json(
            {
                "key": key,
                "verdict": _verdict(settled, letters, queued),
                "jobs": [job_document(each) for each in settled],
                "dead_letters": [_letter(each) for each in letters],
                "queue": asdict(queued),
            }
        )
    else:
        _tell(key, settled, letters, queued)
    if not known:
        raise typer.Exit(NO)


def _verdict(settled: tuple[JobDetails, ...], letters: tuple[LetterSummary, ...], queued: QueueLook) -> str:
    """In a word for programs."""
    if settled:
        return "settled"
    if queued.found:
        return "waiting"
    if letters:
        return "dead_letter"
    return "missing" if queued.found is False else "unknown"


def _letter(letter: LetterSummary) -> dict[str, Any]:
    return asdict(letter) | {"next_step": letter.next_step.value}


def _tell(key: str, settled: tuple[JobDetails, ...], letters: tuple[LetterSummary, ...], queued: QueueLook) -> None:
    for each in settled:
        line(_sentence(each))
        for event in each.events:
            line(f"  {event.type.value} was told at {when(event.created_at)}, and is on its way still")
        if not each.events:
            line("  all that was told of it has left")
        line(f"  more: balance-worker jobs show {each.job.id}")
    for letter in letters:
        by = f", {letter.attempts} times" if letter.attempts > 1 else ""
        line(
            f"dead letter of {letter.producer} since {when(letter.first_seen)}{by}: {letter.reason}: {letter.error};"
            f" it is {letter.status.value}"
        )
        line(f"  more: balance-worker dead-letters show {letter.id}")
    if not settled and not letters and not queued.found:
        line(f"{key} is not settled, and is no dead letter")
    line(f"queue: {queued.said}")


def _sentence(told: JobDetails) -> str:
    settled = told.job
    said = (
        f"{settled.status.value} ({settled.code.value})" if settled.status.value == "rejected" else settled.code.value
    )
    text = f"{settled.name} of {settled.producer} was {said} at {when(settled.settled_at)}"
    if settled.account is None:
        return text
    if settled.movement is None:
        return f"{text}: {settled.account} did not move"
    moved, scale = settled.movement, settled.scale
    balance = decimal(moved.balance_after, scale)
    return f"{text}: {settled.account} {signed(moved.amount, scale)}, entry number {moved.seq}, balance {balance}"


def register(app: typer.Typer) -> None:
    app.command("why", epilog=_EXAMPLES)(why)
