"""balance-worker publish"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from models.contracts.catalogue import CATALOGUE
from models.contracts.wire.envelope import Contract
from worker.cli.jobs.arguments import arguments
from worker.cli.jobs.bulk import Bulk
from worker.cli.jobs.list import list_jobs
from worker.cli.jobs.publishing import WAIT_S, Producer, Wait, publish_and_show
from worker.cli.terminal.output import AsJson, remark

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
  balance-worker publish wallets.top_up --csv gifts.csv
  balance-worker publish --jsonl jobs.jsonl --results told.jsonl --resume
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
    producer: Producer = None,
    wait: Wait = WAIT_S,
    list_: Annotated[bool, typer.Option("--list", help="List the jobs with their arguments; publish nothing.")] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Publish a file: a job a line, the fields are columns.")
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option("--jsonl", metavar="FILE", help="Publish a file: a JSON object a line.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What came of each line, as JSON.  [default: FILE.results.jsonl]"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a file: lines that are done, as the results say, are left out.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Publishes one job and shows its outcome; or a file of jobs, each under the key on its line.

    A value is read as the job takes it there: text as it is, everything else as JSON. Publishing again under the same
    key is safe: the job is applied once and answered alike. Ends with 1 when the job was refused, and with 3 when it
    was published but has no outcome yet.
    """
    contract = None if name is None else _contract(CATALOGUE, name)
    if (file := csv or jsonl) is not None:
        if (csv and jsonl) or arg or key is not None or json_args != "{}" or list_:
            raise typer.BadParameter("a file goes with NAME, --producer, --wait, --results, --resume and --json alone")
        if results is None and file.exists() and not (file.is_file() or file.is_dir()):
            raise typer.BadParameter(
                "jobs that come through a pipe need a FILE for what came of them", param_hint="--results"
            )
        told = results or file.with_name(f"{file.name}.results.jsonl")
        Bulk(file, csv is not None, name, producer, wait, told, resume).run(as_json=as_json)
        return
    if resume or results is not None:
        raise typer.BadParameter("--results and --resume go with a file: --csv or --jsonl")
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
    publish_and_show(contract.NAME, body, given_key, given_producer, wait, as_json=as_json)


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


def register(app: typer.Typer) -> None:
    app.command("publish", epilog=_EXAMPLES)(publish)
