"""balance-worker charges settle"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from models.contracts.jobs.top_ups import ChargesSettle
from models.store.read.charges import charge
from worker.cli.charges.commands import missing
from worker.cli.jobs.publishing import WAIT_S, Key, Producer, Wait, key_of, publish_and_show
from worker.cli.terminal.confirm import confirm
from worker.cli.terminal.output import AsJson
from worker.cli.terminal.reading import reading
from worker.wording.charges import price

_EXAMPLES: Final = """\
\b
Examples:
  balance-worker charges settle 0198c0de-0000-7000-8000-000000000001 --status succeeded --reference pi_3Qk
  balance-worker charges settle 0198c0de-0000-7000-8000-000000000001 --status void --code not_at_provider --yes
"""


class Settled(StrEnum):
    """What may be told of a charge."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    NEEDS_ACTION = "needs_action"
    VOID = "void"
    REFUNDED = "refunded"


def settle(
    charge_id: Annotated[UUID, typer.Argument(metavar="ID", help="The charge.")],
    status: Annotated[
        Settled, typer.Option(metavar="STATUS", help="succeeded, declined, needs_action, void or refunded.")
    ],
    reference: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The provider's own id of it, where it has one.")
    ] = None,
    code: Annotated[
        str | None, typer.Option(metavar="CODE", help="Why, in the provider's word: card_declined.")
    ] = None,
    link: Annotated[str | None, typer.Option(metavar="URL", help="Where the payer confirms it.")] = None,
    key: Key = None,
    producer: Producer = None,
    wait: Wait = WAIT_S,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tells what became of a charge, as its provider has it. Look it up there first: this is believed.

    `succeeded` credits the account, once. `void` gives up a charge that was not made; `refunded` takes a credit back.
    Publishes the job charges.settle and shows its outcome; ends as `publish` does.
    """
    with reading("the charge") as connection:
        found = charge(connection, charge_id)
    if found is None:
        raise missing(charge_id)
    if not yes:
        what = f"{price(found.charge.amount, found.charge.currency)} of {found.account}"
        confirm(f"Settle the charge of {what}, which is {found.charge.status.value}, as {status.value}?")
    body: dict[str, Any] = {"charge_id": str(charge_id), "status": status.value}
    told = {"reference": reference, "code": code, "link": link}
    body |= {name: value for name, value in told.items() if value is not None}
    name = ChargesSettle.NAME
    publish_and_show(name, body, key_of(key, name), producer, wait, as_json=as_json)


def register(app: typer.Typer) -> None:
    app.command("settle", epilog=_EXAMPLES)(settle)
