"""balance-worker dead-letters list | show"""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from models.domain.letters import LetterStatus, NextStep
from models.store.read.dead_letters import Letter, LetterFilter, LetterSummary, find, whole
from worker.cli.terminal.arguments import since_when
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.listing import Listing
from worker.cli.terminal.output import AsJson, block, raw, write_json
from worker.cli.terminal.reading import reading
from worker.cli.terminal.tables import Column, facts, heading
from worker.encoding.shown import indented, readable, when
from worker.encoding.written import TIME_FORMS

_LIST_EXAMPLES = """\
\b
Examples:
  balance-worker dead-letters list
  balance-worker dead-letters list --status parked --reason failed --since 2h
  balance-worker dead-letters list --task wallets.top_up --json
"""
_SHOW_EXAMPLES = """\
\b
Examples:
  balance-worker dead-letters show 3f0c5e0e-7d0b-4c55-9a39-5f0a3a1f7d11
"""

Task = Annotated[
    str | None, typer.Option(metavar="NAME", help="Letters whose message asks for this job, like wallets.top_up.")
]
Since = Annotated[str | None, typer.Option(metavar="TIME", help=f"Last seen since then: {TIME_FORMS}.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Last seen up to then.")]
Reason = Annotated[
    str | None, typer.Option("--reason", metavar="CODE", help="Letters parked for this reason, like failed or expired.")
]


def letter_filter(
    reason: str | None, task: str | None, since: str | None, until: str | None, status: LetterStatus | None = None
) -> LetterFilter:
    """The letters that these options mean."""
    times = [text and since_when(text, hint) for text, hint in ((since, "--since"), (until, "--until"))]
    return LetterFilter(reason, task, status, times[0] or None, times[1] or None)


def list_letters(
    reason: Reason = None,
    task: Task = None,
    status: Annotated[
        LetterStatus | None, typer.Option(metavar="STATUS", help="parked, replayed or discarded.")
    ] = None,
    since: Since = None,
    until: Until = None,
    before: Annotated[
        UUID | None, typer.Option(metavar="ID", help="The page that follows the one ending with this letter.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many letters.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists the messages that could not become a job or kept failing, the one seen last first. None is ever dropped."""
    wanted = letter_filter(reason, task, since, until, status)
    with reading("dead letters") as connection:
        page = find(connection, wanted, limit, before)
    nothing = "there are no such dead letters" + (" before that one" if before else "")
    _LISTING.show(page, nothing, as_json=as_json)


def show_letter(
    letter_id: Annotated[UUID, typer.Argument(metavar="ID", help="The letter.")],
    as_json: AsJson = False,
) -> None:
    """Shows all that is kept of one dead letter: why it is there, what became of it, its headers and its body."""
    with reading("the dead letter") as connection:
        found = whole(connection, [letter_id])
    if not found:
        raise missing(letter_id)
    [letter] = found
    if as_json:
        write_json(_whole(letter))
        return
    facts(
        {
            "letter": str(letter.id),
            "status": letter.status.value,
            "reason": letter.reason,
            "error": letter.error,
            "task": letter.task or "",
            "task id": letter.task_id or "",
            "queue": letter.queue or "",
            "producer": letter.producer or "",
            "key": letter.idempotency_key or "",
            "attempts": str(letter.attempts),
            "first seen": when(letter.first_seen),
            "last seen": when(letter.last_seen),
            f"{letter.status.value} at": when(letter.closed_at),
            "by": letter.closed_by or "",
            "discarded because": letter.discard_reason or "",
            "job": "" if letter.job is None else f"{letter.job.id} ({letter.job.code.value})",
            "next": _next(letter),
        }
    )
    heading("Headers")
    block(indented(letter.headers))
    heading("Properties")
    block(indented(letter.properties))
    heading(f"Body, {len(letter.body)} bytes")
    block(readable(letter.body))


def missing(letter_id: UUID) -> Stop:
    """How a command ends that was told to look at a letter that is not there."""
    return Stop(f"there is no dead letter {letter_id}: `balance-worker dead-letters list` shows which there are", NO)


def _next(letter: LetterSummary) -> str:
    """What to do with a letter."""
    this, job = f"`balance-worker dead-letters {{}} {letter.id}`", letter.job
    match letter.next_step:
        case NextStep.SEE_JOB if job is not None:
            return f"its key has been answered: `balance-worker jobs show {job.id}`"
        case NextStep.PUBLISH_ANEW:
            return f"it cannot be sent again: publish the job as a message, then {this.format('discard')} --reason …"
        case NextStep.REPLAY_OR_DISCARD:
            return f"once the cause is gone {this.format('replay')}, or {this.format('discard')} --reason …"
        case NextStep.WAIT:
            return "its message waits in the queue, or has no key by which a job could be found"
        case _:
            return ""


def _row(letter: LetterSummary) -> list[str]:
    return [
        str(letter.id),
        letter.status.value,
        letter.reason,
        letter.task or "",
        str(letter.attempts),
        when(letter.last_seen),
        "" if letter.job is None else str(letter.job.id),
        letter.error,
    ]


def _summary(letter: LetterSummary) -> dict[str, Any]:
    return {
        "id": letter.id,
        "status": letter.status,
        "reason": letter.reason,
        "error": letter.error,
        "task": letter.task,
        "queue": letter.queue,
        "producer": letter.producer,
        "idempotency_key": letter.idempotency_key,
        "attempts": letter.attempts,
        "first_seen": letter.first_seen,
        "last_seen": letter.last_seen,
        "closed_at": letter.closed_at,
        "closed_by": letter.closed_by,
        "discard_reason": letter.discard_reason,
        "job_id": None if letter.job is None else letter.job.id,
        "job_status": None if letter.job is None else letter.job.status,
        "job_code": None if letter.job is None else letter.job.code,
    }


def _whole(letter: Letter) -> dict[str, Any]:
    """All but the digest, which tells nobody anything."""
    return {
        **_summary(letter),
        "task_id": letter.task_id,
        "headers": raw(letter.headers),
        "properties": raw(letter.properties),
        "body": _text(letter.body),
        "body_base64": b64encode(letter.body).decode(),
    }


_LISTING: Final[Listing[LetterSummary]] = Listing(
    many="letters",
    field="dead_letters",
    columns=[
        Column("letter", whole=True),
        Column("status"),
        Column("reason"),
        Column("task"),
        Column("attempts", right=True),
        Column("last seen", whole=True),
        Column("job", whole=True),
        Column("error"),
    ],
    cells=_row,
    document=_summary,
    name=lambda letter: letter.id,
    way="before",
)


def _text(body: bytes) -> Any:
    """The body as text; None when it is not text, and then only body_base64 says what it is."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def register(app: typer.Typer) -> None:
    app.command("list", epilog=_LIST_EXAMPLES)(list_letters)
    app.command("show", epilog=_SHOW_EXAMPLES)(show_letter)
