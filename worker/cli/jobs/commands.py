"""balance-worker jobs list | show"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from sqlalchemy import Connection

from models.contracts.wire.envelope import DEFAULT_PRODUCER
from models.domain.ledger import Entry
from models.domain.outcome import Code, Status
from models.store.read import accounts as history
from models.store.read import jobs as job_history
from models.store.read.entries import RelatedEntry
from models.store.read.jobs import JobDetails, JobFilter, JobSummary, jobs
from worker.cli.accounts.entries import entry_document
from worker.cli.terminal.arguments import account_name, since_when
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.listing import Listing
from worker.cli.terminal.output import AsJson, block, raw, write_json
from worker.cli.terminal.reading import reading
from worker.cli.terminal.tables import Column, facts, heading, table
from worker.encoding.shown import decimal, indented, signed, when
from worker.encoding.visible import visible
from worker.encoding.written import ACCOUNT_FORMS

_LIST_EXAMPLES = """\
\b
Examples:
  balance-worker jobs list --account wallet:w1
  balance-worker jobs list --since 2h --code insufficient_funds
  balance-worker jobs list --account wallet:w1 --since 2027-01-01 --until 2027-02-01
  balance-worker jobs list --key invoice-17
  balance-worker jobs list --producer billing --status rejected --json
"""
_SHOW_EXAMPLES = """\
\b
Examples:
  balance-worker jobs show 0198c0de-0000-7000-8000-000000000001
  balance-worker jobs show --producer billing --key invoice-17
"""


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
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Settled before then.")] = None,
    key: Annotated[
        str | None, typer.Option(metavar="K", help="The job under this idempotency key, of any producer.")
    ] = None,
    before: Annotated[
        UUID | None, typer.Option(metavar="JOB_ID", help="The page that follows the one ending with this job.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many jobs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists settled jobs, the newest first. A job that still waits in the queue is not among them."""
    start = since_when(since, "--since") if since else None
    end = since_when(until, "--until") if until else None
    with reading("jobs") as connection:
        wanted = JobFilter(None, producer, name, status, code, start, end, key)
        if account is not None:
            wanted = _on_account(connection, wanted, account)
        page = jobs(connection, wanted, limit, before)
    nothing = "no such jobs have been settled" + (" before that one" if before else "")
    _LISTING.show(page, nothing, as_json=as_json)


def show_job(
    job_id: Annotated[UUID | None, typer.Argument(metavar="JOB_ID", help="The job_id of an outcome.")] = None,
    producer: Annotated[str | None, typer.Option(metavar="P", help="With --key, instead of JOB_ID.")] = None,
    key: Annotated[str | None, typer.Option(metavar="K", help="The idempotency key.")] = None,
    as_json: AsJson = False,
) -> None:
    """Shows all that is known of one settled job: what was asked, what it was answered, what it changed."""
    if (job_id is None) == (key is None) or (job_id is not None and producer is not None):
        raise typer.BadParameter("name the job by JOB_ID, or by --producer and --key", param_hint="JOB_ID")
    with reading("the job") as connection:
        if job_id is not None:
            found = job_history.job(connection, job_id)
        else:
            found = job_history.job_under(connection, producer or DEFAULT_PRODUCER, key or "")
    if found is None:
        raise Stop(
            "no such job has been settled: it waits in the queue, was never published, "
            "or is parked (`balance-worker dead-letters list`)",
            NO,
        )
    if as_json:
        write_json(job_document(found))
    else:
        _tell(found)


def _on_account(connection: Connection, wanted: JobFilter, text: str) -> JobFilter:
    account = history.account(connection, account_name(text, "--account"))
    if account is None:
        raise Stop(f"there is no account {text}", NO)
    return replace(wanted, account_id=account.id)


def _summary(job: JobSummary) -> dict[str, Any]:
    moved = job.movement
    return {
        **_identity(job),
        "seq": None if moved is None else moved.seq,
        "amount": None if moved is None else moved.amount,
        "balance_after": None if moved is None else moved.balance_after,
        "scale": job.scale,
    }


def _identity(job: JobSummary) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "producer": job.producer,
        "idempotency_key": job.idempotency_key,
        "name": job.name,
        "status": job.status,
        "code": job.code,
        "settled_at": job.settled_at,
        "account": None if job.account is None else str(job.account),
    }


def _row(job: JobSummary) -> list[str]:
    return [
        when(job.settled_at),
        str(job.id),
        job.name,
        str(job.account or ""),
        "" if job.movement is None else signed(job.movement.amount, job.scale),
        job.code.value,
        job.producer,
        job.idempotency_key,
    ]


_LISTING: Final[Listing[JobSummary]] = Listing(
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
    name=lambda job: job.id,
    way="before",
)


def job_document(found: JobDetails) -> dict[str, Any]:
    """All of it, for programs."""
    return {
        **_identity(found.job),
        "scale": found.job.scale,
        "body": raw(found.body),
        "outcome": raw(found.outcome),
        "entry": _entry(found.entry, found.job.scale),
        "bonus_entry": _entry(found.bonus_entry, found.job.scale),
        "taken_back_by": [asdict(entry) for entry in found.taken_back_by],
        "takes_back": [asdict(entry) for entry in found.takes_back],
        "events": [{**asdict(event), "payload": raw(event.payload)} for event in found.events],
    }


def _entry(entry: Entry | None, scale: int | None) -> dict[str, Any] | None:
    return None if entry is None or scale is None else entry_document(entry, scale)


def _tell(found: JobDetails) -> None:
    job = found.job
    facts(
        {
            "job": str(job.id),
            "name": job.name,
            "producer": job.producer,
            "key": job.idempotency_key,
            "settled": when(job.settled_at),
            "status": job.status.value,
            "code": job.code.value,
            "account": str(job.account or ""),
            **_entry_facts(found.entry, job.scale),
            **_bonus_facts(found.bonus_entry, job.scale),
            "taken back by": _others(found.taken_back_by, job.scale),
            "takes back": _others(found.takes_back, job.scale),
        }
    )
    heading("Asked")
    block(indented(found.body) if found.body else "no longer kept: BALANCE_PRUNE_AFTER_DAYS have passed")
    heading("Answered")
    block(indented(found.outcome))
    if found.events:
        heading("Events")
        columns = [Column("number"), Column("type"), Column("created", whole=True)]
        table(columns, [(str(event.id), event.type.value, when(event.created_at)) for event in found.events])


def _entry_facts(entry: Entry | None, scale: int | None) -> dict[str, str]:
    if entry is None:
        return {"entry": "none: the balance did not move"}
    note = entry.details
    return {
        "entry": f"number {entry.seq}, {note.kind.value}",
        "amount": signed(entry.amount, scale),
        "held": signed(note.held, scale) if note.held else "",
        "balance": f"{decimal(entry.balance_before, scale)} -> {decimal(entry.balance_after, scale)}",
        "reason": note.reason or "",
        "description": visible(note.description or ""),
    }


def _bonus_facts(entry: Entry | None, scale: int | None) -> dict[str, str]:
    if entry is None:
        return {}
    return {"second entry": f"number {entry.seq}, {signed(entry.amount, scale)}, {entry.details.reason or ''}"}


def _others(entries: Sequence[RelatedEntry], scale: int | None) -> str:
    """A line for each."""
    return "\n".join(
        f"job {entry.job_id}, entry number {entry.seq}, {signed(entry.amount, scale)}, {when(entry.created_at)}"
        for entry in entries
    )


def register(app: typer.Typer) -> None:
    app.command("list", epilog=_LIST_EXAMPLES)(list_jobs)
    app.command("show", epilog=_SHOW_EXAMPLES)(show_job)
