"""Publishing one job from the command line, and showing what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer

from balance_client import BalanceClient, InvalidJob, JobParked, OutcomeTimeout, PublishFailed
from balance_client.publishing.handles import JobHandle, Outcome
from models.contracts.replies.outcome import encode
from models.contracts.wire.envelope import DEFAULT_PRODUCER
from worker.brokers import own_client
from worker.brokers.own_client import UnknownProducer
from worker.cli.terminal.faults import NO, UNKNOWN, Stop
from worker.cli.terminal.output import block, line, remark, write_json
from worker.cli.terminal.tables import facts, heading
from worker.cli.terminal.waiting import Waiting
from worker.clock import now
from worker.encoding.shown import decimal, indented, signed
from worker.encoding.urls import mask_url
from worker.settings.settings import Settings, load_settings

Producer = Annotated[
    str | None,
    typer.Option("--producer", metavar="P", help="The producer, for which keys are unique.  [default: default]"),
]
Wait = Annotated[
    float,
    typer.Option("--wait", metavar="SECONDS", min=0, max=86_400, help="Wait so long for the outcome; 0: do not wait."),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="K", help="The idempotency key; without one a key of this moment is made, and shown."
    ),
]
WAIT_S: Final = 10


def _nothing(_outcome: Outcome) -> Mapping[str, str]:
    return {}


def key_of(given: str | None, name: str) -> str:
    """The key that was given, or one that names the moment: told before anything can go wrong, so that the job can be
    published again under it."""
    if given is not None:
        return given
    made = f"cli-{name}-{now():%Y%m%dT%H%M%S.%fZ}"
    remark(f"key {made}")
    return made


def publish_and_show(
    name: str,
    body: dict[str, Any],
    key: str,
    producer: str | None,
    wait_s: float,
    *,
    as_json: bool,
    also: Callable[[Outcome], Mapping[str, str]] = _nothing,
) -> None:
    """Publishes the job under this key and shows its outcome. Ends with 1 when it was refused, with 3 when it has no
    outcome yet. `also`: what is shown beside the outcome."""
    outcome, handle = _publish(name, {"idempotency_key": key, **body}, producer, wait_s)
    if outcome is None:
        if as_json:
            identity = {"producer": producer or DEFAULT_PRODUCER, "idempotency_key": handle.idempotency_key}
            write_json({"published": True, "name": handle.name, **identity})
        else:
            line(f"published {handle.name} key={handle.idempotency_key}")
        return
    if as_json:
        write_json({**outcome.raw, **also(outcome)})
    else:
        _tell(handle.name, outcome)
        if beside := also(outcome):
            facts(beside)
    if not outcome.applied:
        raise typer.Exit(NO)


def _publish(name: str, body: dict[str, Any], producer: str | None, wait_s: float) -> tuple[Outcome | None, JobHandle]:
    settings = load_settings()
    client = client_of(settings, producer)
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
            raise Stop(not_taken(error, settings)) from error
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


def not_taken(error: PublishFailed[Any], settings: Settings) -> str:
    """What to look at when the broker takes nothing."""
    return (
        f"{mask_url(str(error))}: see that the broker runs and that BALANCE_BROKER_URL names it;"
        f" now it is {mask_url(settings.broker_url)}"
    )


def client_of(settings: Settings, producer: str | None) -> BalanceClient:
    """A client that publishes as this producer, signed where workers know theirs."""
    try:
        return own_client.client_of(settings, producer)
    except UnknownProducer as error:
        raise Stop(f"{error}: choose one with --producer") from error
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--producer") from error


def secret_of(settings: Settings, producer: str) -> str | None:
    """What signs this producer's messages; None where workers take messages as they come."""
    try:
        return own_client.secret_of(settings, producer)
    except UnknownProducer as error:
        raise Stop(f"{error}: choose one with --producer") from error


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
