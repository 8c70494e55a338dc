"""balance-worker publish"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any
from uuid import uuid4

import typer

from models.contracts.catalogue import CATALOGUE
from models.contracts.replies.outcome import encode
from models.contracts.wire.envelope import DEFAULT_PRODUCER, Contract
from tasks.client import BalanceClient, InvalidJob, JobParked, OutcomeTimeout, PublishFailed
from tasks.publishing.handles import JobHandle, Outcome
from worker.cli.jobs.arguments import arguments
from worker.cli.jobs.list import list_jobs
from worker.cli.terminal.faults import NO, UNKNOWN, Stop
from worker.cli.terminal.output import AsJson, block, decimal, indented, line, remark, signed, write_json
from worker.cli.terminal.tables import facts, heading
from worker.cli.terminal.waiting import Waiting
from worker.encoding.urls import mask_url
from worker.publishers.producers import producers_in
from worker.settings.settings import Settings, load_settings

_EXAMPLES = """\
\b
Examples:
  balance-worker publish --list
  balance-worker publish wallets.top_up --list
  balance-worker publish wallets.top_up --arg wallet_id=w1 --arg credits_to_add=12.50 \\
      --arg transaction_reason=FREE_CREDIT_GRANT --key gift-17
  balance-worker publish wallets.hold --arg wallet_id=w1 --arg credits=8 --arg expires_in_s=1800
  balance-worker publish holds.capture --arg job_id=0198c0de-0000-7000-8000-000000000001 --arg credits=6.40
  balance-worker publish entries.reverse --arg job_id=0198c0de-0000-7000-8000-000000000002 --arg credits=2.50
  balance-worker publish users.update_balance --json-args '{"user_id": 42, "amount_kopeks": -500}' --json
  balance-worker publish apps.update_balance --arg app_id=1 --arg store_id=2 --arg balance=70 --wait 0
"""


def publish(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The job, like wallets.top_up.")] = None,
    arg: Annotated[
        list[str] | None, typer.Option("--arg", metavar="KEY=VALUE", help="An argument of the job; may be repeated.")
    ] = None,
    json_args: Annotated[str, typer.Option(metavar="JSON", help="Arguments as a JSON object.")] = "{}",
    key: Annotated[
        str | None,
        typer.Option(metavar="K", help="The idempotency key; without one a new one is made, and shown."),
    ] = None,
    producer: Annotated[
        str | None, typer.Option(metavar="P", help="The producer, for which keys are unique.  [default: default]")
    ] = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, max=86_400, help="Wait so long for the outcome; 0: do not wait.")
    ] = 10,
    list_: Annotated[bool, typer.Option("--list", help="List the jobs with their arguments; publish nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publishes one job and shows its outcome.

    A value is read as the job takes it there: text as it is, everything else as JSON. Publishing again under the same
    key is safe: the job is applied once and answered alike. Ends with 1 when the job was refused, and with 3 when it
    was published but has no outcome yet.
    """
    contract = None if name is None else _contract(CATALOGUE, name)
    if list_:
        list_jobs(CATALOGUE if contract is None else {contract.NAME: contract}, as_json)
        return
    if contract is None:
        raise typer.BadParameter("name a job; --list shows which there are", param_hint="NAME")
    body = arguments(contract, arg or [], json_args)
    given_key = _identity(body, "idempotency_key", key, "--key")
    if given_key is None:
        given_key = f"cli-{uuid4()}"
        remark(f"key {given_key}")  # before anything can go wrong: with it the job can be published again
    given_producer = _identity(body, "producer", producer, "--producer")
    outcome, handle = _publish(contract.NAME, {"idempotency_key": given_key, **body}, given_producer, wait)
    if outcome is None:
        if as_json:
            identity = {"producer": given_producer or DEFAULT_PRODUCER, "idempotency_key": handle.idempotency_key}
            write_json({"published": True, "name": handle.name, **identity})
        else:
            line(f"published {handle.name} key={handle.idempotency_key}")
        return
    if as_json:
        write_json(outcome.raw)
    else:
        _tell(handle.name, outcome)
    if not outcome.applied:
        raise typer.Exit(NO)


def _contract(catalogue: dict[str, type[Contract]], name: str) -> type[Contract]:
    if name in catalogue:
        return catalogue[name]
    near = get_close_matches(name, catalogue, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(catalogue)}"
    raise typer.BadParameter(f"there is no job named {name!r}; {hint}", param_hint="NAME")


def _identity(body: dict[str, Any], field: str, option: str | None, hint: str) -> str | None:
    """The key or the producer, which may stand among the arguments as well, but not twice."""
    if field not in body:
        return option
    if option is not None:
        raise typer.BadParameter(f"{field} is given twice", param_hint=hint)
    return str(body.pop(field))


def _publish(name: str, body: dict[str, Any], producer: str | None, wait_s: float) -> tuple[Outcome | None, JobHandle]:
    settings = load_settings()
    try:
        client = BalanceClient(
            settings.broker_url,
            producer or DEFAULT_PRODUCER,
            settings.result_backend,
            settings.queue,
            partitions=settings.partitions,
            secret=_secret(settings, producer or DEFAULT_PRODUCER),
            tls_ca=settings.broker_tls_ca,
            tls_cert=settings.broker_tls_cert,
            tls_key=settings.broker_tls_key,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--producer") from error
    key = body["idempotency_key"]
    look = f"`balance-worker jobs show --producer {producer or DEFAULT_PRODUCER} --key {key}`"
    with client, Waiting(f"Publishing {name}") as waiting:
        try:
            handle = client.submit((name, body), want_result=wait_s > 0)
            waiting.say(f"Waiting for the outcome of {name}")
            return (handle.get(wait_s) if wait_s > 0 else None), handle
        except InvalidJob as error:
            problems = "\n".join(f"{name}: {sentence}" for sentence in error.sentences)
            raise Stop(
                f"{problems}\nnothing was published; its arguments: `balance-worker publish {name} --list`"
            ) from error
        except PublishFailed as error:
            raise Stop(
                f"{mask_url(str(error))}: see that the broker runs and that BALANCE_BROKER_URL names it;"
                f" now it is {mask_url(settings.broker_url)}"
            ) from error
        except OutcomeTimeout as error:
            cause = error.__cause__
            why = f" ({mask_url(str(cause))})" if cause else ""  # the result backend is away
            raise Stop(
                f"published under the key {key}, but there was no outcome within {wait_s:g} s{why}: see that a worker"
                f" runs on the queue {settings.queue}; later {look} shows it",
                UNKNOWN,
            ) from error
        except JobParked as error:
            raise Stop(f"{error}; `balance-worker dead-letters list` shows it", NO) from error


def _secret(settings: Settings, producer: str) -> str | None:
    if settings.producers is None:
        return None
    known = producers_in(settings.producers.get_secret_value()).by_name
    if producer not in known:
        raise Stop(
            f"BALANCE_PRODUCERS names no producer {producer!r}, so its jobs would be parked; there are "
            f"{', '.join(known)}: choose one with --producer"
        )
    return known[producer].secrets[0]


def _tell(name: str, outcome: Outcome) -> None:
    entry = outcome.entry
    told = {
        "job": str(outcome.job_id),
        "name": name,
        "producer": outcome.producer,
        "key": outcome.idempotency_key,
        "status": outcome.status,
        "code": outcome.code,
        "replayed": "yes: the key had been answered before" if outcome.replayed else "no",
    }
    if entry is not None:
        before, after = decimal(entry.balance_before, entry.scale), decimal(entry.balance_after, entry.scale)
        told |= {
            "account": entry.account,
            "entry": f"number {entry.seq}",
            "amount": signed(entry.amount, entry.scale),
            "balance": f"{before} -> {after}",
        }
    if (bonus := outcome.bonus_entry) is not None:
        told["second entry"] = f"number {bonus.seq}, {signed(bonus.amount, bonus.scale)}"
    facts(told)
    if outcome.error is not None:
        heading(f"Refused, as with HTTP status {outcome.error.status}")
        block(indented(encode(outcome.error.body)))
    if outcome.error is None and entry is None:
        remark("the balance did not move")


def register(app: typer.Typer) -> None:
    app.command("publish", epilog=_EXAMPLES)(publish)
