"""balance-worker charges list | show"""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import typer

from models.domain.charging.charges import ChargeStatus
from models.store.read import accounts as history
from models.store.read.charges import charge, charge_list
from worker.cli.charges.rows import CHARGES, charge_document
from worker.cli.terminal.arguments import account_name
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.output import AsJson, write_json
from worker.cli.terminal.reading import reading
from worker.cli.terminal.tables import facts
from worker.wording.charges import charge_facts

_LIST_EXAMPLES: Final = """\
\b
Examples:
  balance-worker charges list
  balance-worker charges list --status pending --status needs_action
  balance-worker charges list --account wallet:w1 --json
"""
_SHOW_EXAMPLES: Final = """\
\b
Examples:
  balance-worker charges show 0198c0de-0000-7000-8000-000000000001
"""


def list_charges(
    status: Annotated[
        list[ChargeStatus] | None,
        typer.Option(
            metavar="STATUS",
            help="pending, needs_action, succeeded, declined, void or refunded; may be repeated.",
        ),
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Charges of this account: wallet:w1 or user:42.")
    ] = None,
    after: Annotated[
        UUID | None, typer.Option(metavar="ID", help="The page that follows the one ending with this charge.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many charges.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists charges, the newest first: what was asked for, and what became of it.

    A charge is pending until its provider says what became of it: `asked again` says when it is asked next. Where
    nothing stands there, nobody is asked any more, and an operator has to decide (`charges settle`).
    """
    name = None if account is None else account_name(account, "--account")
    with reading("charges") as connection:
        of_whom = None
        if name is not None:
            found = history.account(connection, name)
            if found is None:
                raise Stop(f"there is no account {account}", NO)
            of_whom = found.id
        page = charge_list(connection, limit, account_id=of_whom, statuses=status or (), after=after)
    CHARGES.show(page, "there are no such charges" + (" after that one" if after else ""), as_json=as_json)


def show_charge(
    charge_id: Annotated[UUID, typer.Argument(metavar="ID", help="The charge.")],
    as_json: AsJson = False,
) -> None:
    """Shows all that is known of one charge: what was asked for, how the asking goes, what became of it.

    Its id is that of the job that decided it (`jobs show`), and the provider's idempotency key.
    """
    with reading("the charge") as connection:
        found = charge(connection, charge_id)
    if found is None:
        raise missing(charge_id)
    if as_json:
        write_json(charge_document(found))
    else:
        facts(charge_facts(found))


def missing(charge_id: UUID) -> Stop:
    """How a command ends that was told of a charge that is not there."""
    return Stop(f"there is no charge {charge_id}: `balance-worker charges list` shows which there are", NO)


def register(app: typer.Typer) -> None:
    app.command("list", epilog=_LIST_EXAMPLES)(list_charges)
    app.command("show", epilog=_SHOW_EXAMPLES)(show_charge)
