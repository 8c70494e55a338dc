"""balance-worker jobs parked"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from worker.cli.faults import NO, Stop
from worker.cli.output import AsJson, Column, facts, heading, line, remark, shown, table, when, write_json
from worker.cli.reading import reading

if TYPE_CHECKING:
    from models.store.history import Row

_EXAMPLES = """\
\b
Examples:
  balance-worker jobs parked
  balance-worker jobs parked --show 3f0c5e0e-7d0b-4c55-9a39-5f0a3a1f7d11
"""
_COLUMNS = [
    Column("letter", whole=True),
    Column("reason"),
    Column("task"),
    Column("attempts", right=True),
    Column("first seen", whole=True),
    Column("last seen", whole=True),
    Column("error"),
]


def parked(
    show: Annotated[UUID | None, typer.Option(metavar="ID", help="Show this message whole, with its body.")] = None,
    before: Annotated[
        UUID | None, typer.Option(metavar="ID", help="The page that follows the one ending with this message.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many messages.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists the messages that could not become a job or kept failing, the one seen last first. None is ever dropped."""
    from models.store.history import dead_letters

    if show is not None:
        _show(show, as_json)
        return
    with reading("parked messages") as connection:
        found = dead_letters(connection, limit + 1, before)
    page, more = found[:limit], len(found) > limit
    if as_json:
        write_json({"parked": page, "next": page[-1]["id"] if more else None})
        return
    if not page:
        remark("nothing is parked" + (" before that one" if before else ""))
        return
    table(_COLUMNS, [_row(letter) for letter in page])
    if more:
        remark(f"for the messages before these: --before {page[-1]['id']}")


def _row(letter: Row) -> list[str]:
    return [
        str(letter["id"]),
        letter["reason"],
        letter["task"] or "",
        str(letter["attempts"]),
        when(letter["first_seen"]),
        when(letter["last_seen"]),
        letter["error"],
    ]


def _show(letter_id: UUID, as_json: bool) -> None:
    from models.domain.idempotency import canonical
    from models.store.history import dead_letter

    with reading("the parked message") as connection:
        letter = dead_letter(connection, letter_id)
    if letter is None:
        raise Stop(f"no message is parked under {letter_id}: `balance-worker jobs parked` lists them", NO)
    body = bytes(letter["body"])
    if as_json:
        write_json({**letter, "body": _text(body), "body_base64": b64encode(body).decode()})
        return
    facts(
        {
            "letter": str(letter["id"]),
            "reason": letter["reason"],
            "error": letter["error"],
            "task": letter["task"] or "",
            "task id": letter["task_id"] or "",
            "queue": letter["queue"] or "",
            "attempts": str(letter["attempts"]),
            "first seen": when(letter["first_seen"]),
            "last seen": when(letter["last_seen"]),
            "headers": canonical(letter["headers"]),
        }
    )
    heading("Body")
    line(shown(body.decode("utf-8", "backslashreplace"), keep="\n"))


def _text(body: bytes) -> Any:
    """The body as text; None when it is not text, and then only body_base64 says what it is."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def register(group: typer.Typer) -> None:
    group.command("parked", epilog=_EXAMPLES)(parked)
