"""balance-worker jobs list | show"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import typer

from models.domain.outcome import Code, Status
from worker.cli.terminal.arguments import ACCOUNT_FORMS, account_name, since_when
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.listing import Listing
from worker.cli.terminal.output import (
    AsJson,
    Column,
    block,
    facts,
    heading,
    indented,
    raw,
    signed,
    table,
    when,
    write_json,
)
from worker.cli.terminal.reading import reading
from worker.encoding.visible import visible

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from models.store.read.accounts import Row
    from models.store.read.jobs import JobFilter

_LIST_EXAMPLES = """\
\b
Examples:
  balance-worker jobs list --account wallet:w1
  balance-worker jobs list --since 2h --code insufficient_funds
  balance-worker jobs list --producer billing --status rejected --json
"""
_SHOW_EXAMPLES = """\
\b
Examples:
  balance-worker jobs show 0198c0de-0000-7000-8000-000000000001
  balance-worker jobs show --producer billing --key invoice-17
"""
group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Settled jobs with their outcomes.")


@group.command("list", epilog=_LIST_EXAMPLES)
def list_jobs(
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help=f"Jobs on this account: {ACCOUNT_FORMS}.")
    ] = None,
    producer: Annotated[str | None, typer.Option(metavar="P", help="Jobs of this producer.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Jobs of this name, like wallets.top_up.")] = None,
    status: Annotated[Status | None, typer.Option(metavar="STATUS", help="applied or rejected.")] = None,
    code: Annotated[
        Code | None, typer.Option(metavar="CODE", help="Jobs with this outcome, like insufficient_funds.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Settled since then: 2027-01-31, 2027-01-31T12:00:00Z, 30m, 12h or 7d."),
    ] = None,
    before: Annotated[
        UUID | None, typer.Option(metavar="JOB_ID", help="The page that follows the one ending with this job.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many jobs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists settled jobs, the newest first. A job that still waits in the queue is not among them."""
    from models.store.read.jobs import JobFilter, jobs

    start = since_when(since, "--since") if since else None
    with reading("jobs") as connection:
        wanted = JobFilter(None, producer, name, status and status.value, code and code.value, start)
        if account is not None:
            wanted = _on_account(connection, wanted, account)
        found = jobs(connection, wanted, limit + 1, before)
    nothing = "no such jobs have been settled" + (" before that one" if before else "")
    _LISTING.show(found, limit, nothing, as_json=as_json)


@group.command("show", epilog=_SHOW_EXAMPLES)
def show_job(
    job_id: Annotated[UUID | None, typer.Argument(metavar="JOB_ID", help="The job_id of an outcome.")] = None,
    producer: Annotated[str | None, typer.Option(metavar="P", help="With --key, instead of JOB_ID.")] = None,
    key: Annotated[str | None, typer.Option(metavar="K", help="The idempotency key.")] = None,
    as_json: AsJson = False,
) -> None:
    """Shows all that is known of one settled job: what was asked, what it was answered, what it changed."""
    from models.contracts.wire.envelope import DEFAULT_PRODUCER
    from models.store.read import jobs as job_history

    if (job_id is None) == (key is None) or (job_id is not None and producer is not None):
        raise typer.BadParameter("name the job by JOB_ID, or by --producer and --key", param_hint="JOB_ID")
    with reading("the job") as connection:
        if job_id is not None:
            job = job_history.job(connection, job_id)
        else:
            job = job_history.job_under(connection, producer or DEFAULT_PRODUCER, key or "")
        if job is None:
            raise Stop(
                "no such job has been settled: it waits in the queue, was never published, "
                "or is parked (`balance-worker dead-letters list`)",
                NO,
            )
        story = _story(connection, job)
    if as_json:
        write_json(story)
    else:
        _tell(job, story)


def _on_account(connection: Connection, wanted: JobFilter, text: str) -> JobFilter:
    from dataclasses import replace

    from models.store.read import accounts as history

    account = history.account(connection, account_name(text, "--account"))
    if account is None:
        raise Stop(f"there is no account {text}", NO)
    return replace(wanted, account_id=account.id)


def _summary(job: Row) -> dict[str, Any]:
    fields = ("producer", "idempotency_key", "name", "status", "code", "settled_at")
    return {
        "job_id": job["id"],
        **{field: job[field] for field in fields},
        "account": _account(job),
        "seq": job["seq"],
        "amount": job["amount"],
        "balance_after": job["balance_after"],
        "scale": job["scale"],
    }


def _account(job: Row) -> str | None:
    return None if job["kind"] is None else f"{job['kind']}:{job['ref']}"


def _row(job: Row) -> list[str]:
    return [
        when(job["settled_at"]),
        str(job["id"]),
        job["name"],
        _account(job) or "",
        signed(job["amount"], job["scale"]),
        job["code"],
        job["producer"],
        job["idempotency_key"],
    ]


_LISTING: Final = Listing(
    many="jobs",
    field="jobs",
    columns=[
        Column("settled", whole=True),
        Column("job", whole=True),
        Column("name"),
        Column("account"),
        Column("amount", right=True),
        Column("code"),
        Column("producer"),
        Column("key"),
    ],
    cells=_row,
    document=_summary,
    name=lambda job: job["id"],
    way="before",
)


def _story(connection: Connection, job: Row) -> dict[str, Any]:
    from models.store.read import accounts as history
    from models.store.write import outbox
    from worker.cli.accounts.entries import entry_document

    written = history.entries_of_job(connection, job["id"])
    documents = [entry_document(entry, job["scale"]) for entry in written]
    taken_back = [row for entry in written for row in history.reversals_of(connection, entry)]
    takes_back = [history.reversed_by(connection, entry) for entry in written if entry.details.reverses]
    events = outbox.of_job(connection, job["id"])
    return {
        **{field: value for field, value in _summary(job).items() if field not in ("seq", "amount", "balance_after")},
        "body": raw(job["body"]),
        "outcome": raw(job["outcome"]),
        "entry": documents[0] if documents else None,
        "bonus_entry": documents[1] if len(documents) > 1 else None,
        "taken_back_by": taken_back,
        "takes_back": takes_back,
        "events": [{**event, "payload": raw(event["payload"])} for event in events],
    }


def _tell(job: Row, story: Mapping[str, Any]) -> None:
    facts(
        {
            "job": str(job["id"]),
            "name": job["name"],
            "producer": job["producer"],
            "key": job["idempotency_key"],
            "settled": when(job["settled_at"]),
            "status": job["status"],
            "code": job["code"],
            "account": _account(job) or "",
            **_entry_facts(story["entry"]),
            **_bonus_facts(story["bonus_entry"]),
            "taken back by": _others(story["taken_back_by"], job["scale"]),
            "takes back": _others(story["takes_back"], job["scale"]),
        }
    )
    heading("Asked")
    block(indented(job["body"]) if job["body"] else "no longer kept: BALANCE_PRUNE_AFTER_DAYS have passed")
    heading("Answered")
    block(indented(job["outcome"]))
    if story["events"]:
        heading("Events")
        columns = [Column("number"), Column("type"), Column("created", whole=True)]
        table(columns, [(str(event["id"]), event["type"], when(event["created_at"])) for event in story["events"]])


def _entry_facts(entry: Mapping[str, Any] | None) -> dict[str, str]:
    from worker.cli.terminal.output import decimal

    if entry is None:
        return {"entry": "none: the balance did not move"}
    scale = entry["scale"]
    before, after = decimal(entry["balance_before"], scale), decimal(entry["balance_after"], scale)
    return {
        "entry": f"number {entry['seq']}, {entry['kind']}",
        "amount": signed(entry["amount"], scale),
        "held": signed(entry["held"], scale) if entry["held"] else "",
        "balance": f"{before} -> {after}",
        "reason": entry["reason"] or "",
        "description": visible(entry["description"] or ""),
    }


def _bonus_facts(entry: Mapping[str, Any] | None) -> dict[str, str]:
    if entry is None:
        return {}
    return {
        "second entry": f"number {entry['seq']}, {signed(entry['amount'], entry['scale'])}, {entry['reason'] or ''}"
    }


def _others(entries: Sequence[Row], scale: int) -> str:
    """A line for each."""
    return "\n".join(
        f"job {entry['job_id']}, entry number {entry['seq']}, {signed(entry['amount'], scale)},"
        f" {when(entry['created_at'])}"
        for entry in entries
    )


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="jobs")
