"""balance-worker auto-topup list | show | explain | history"""

from __future__ import annotations

from typing import Annotated, Final

import typer
from sqlalchemy import Connection

from models.store.read.charges import charge_list
from models.store.read.looks import looks
from models.store.read.top_ups import TopUpStanding, standing, standings
from worker.cli.auto_topup.accounts import topped_up
from worker.cli.auto_topup.rows import (
    LOOK_COLUMNS,
    STANDINGS,
    look_cells,
    look_document,
    standing_document,
)
from worker.cli.charges.rows import CHARGES, charge_document
from worker.cli.terminal.arguments import account_key, account_name
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.output import AsJson, line, remark, write_json
from worker.cli.terminal.reading import reading
from worker.cli.terminal.tables import facts, heading, table
from worker.runtime import limits_of
from worker.settings.settings import load_settings
from worker.wording.charges import charge_facts
from worker.wording.fields import policy_facts
from worker.wording.policies import standing_facts
from worker.wording.top_ups import sentence

_LIST_EXAMPLES: Final = """\
\b
Examples:
  balance-worker auto-topup list
  balance-worker auto-topup list --due            what would be charged now; charges nothing
  balance-worker auto-topup list --due --json | jq '.policies[].unless_paused | select(.fires)'
"""
_SHOW_EXAMPLES: Final = """\
\b
Examples:
  balance-worker auto-topup show wallet:w1
  balance-worker auto-topup show user:42 --charges 100 --json
"""
_EXPLAIN_EXAMPLES: Final = """\
\b
Examples:
  balance-worker auto-topup explain wallet:w1
"""
_HISTORY_EXAMPLES: Final = """\
\b
Examples:
  balance-worker auto-topup history wallet:w1
  balance-worker auto-topup history wallet:w1 --limit 200 --json
"""

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="wallet:w1, user:42 or user:telegram=99.")]


def list_policies(
    due: Annotated[
        bool, typer.Option("--due", help="A dry run: those alone that are due, with what would be charged now.")
    ] = False,
    after: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="The page that follows the one ending with this account.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many policies.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Lists auto top-up policies with what a look at each would come to now, in the order of their accounts' names.

    Changes nothing. `now` is `due`, or why not, and `until` when time alone ends that. `charges` is
    what would be charged, were charging not paused. Policies that are switched off are left out, unless a charge of
    theirs is open.
    """
    start = account_key(after, "--after") if after else None
    limits = limits_of(load_settings())
    with reading("policies") as connection:
        page = standings(connection, limits, limit, due=due, after=start)
    nothing = "no policy is due" if due else "there are no policies in force"
    STANDINGS.show(page, nothing + (" after that account" if after else ""), as_json=as_json)


def show_policy(
    account: Name,
    count: Annotated[int, typer.Option("--charges", metavar="N", min=0, max=10_000, help="How many charges.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Shows one account's auto top-up: why it fires or not, its policy, this month, its charges."""
    settings = load_settings()
    with reading("the policy") as connection:
        found = _found(connection, account)
        charges = charge_list(connection, count, account_id=found.account.id)
    explained = sentence(found, settings.topup_scan_every_s)
    if as_json:
        last = {"charges": [charge_document(each) for each in charges.rows]}
        write_json({**standing_document(found), "sentence": explained, **last})
        return
    line(explained)
    line("")
    facts(standing_facts(found))
    if found.account.policy is not None:
        heading("Policy")
        facts(policy_facts(found.account))
    if found.charge is not None:
        heading("Open charge")
        facts(charge_facts(found.charge))
    if charges.rows:
        heading("Last charges")
        CHARGES.show(charges, "", as_json=False)


def explain(account: Name, as_json: AsJson = False) -> None:
    """Says in a sentence why an account is topped up or not, and what would have to change, or until when.

    It is what a look would come to at this moment; `history` has what looks came to before.
    """
    settings = load_settings()
    with reading("the policy") as connection:
        found = _found(connection, account)
    explained = sentence(found, settings.topup_scan_every_s)
    if as_json:
        write_json({**standing_document(found), "sentence": explained})
    else:
        line(explained)


def history(
    account: Name,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many of each.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Shows what was decided about an account's top-ups, and its charges, the newest first.

    `spendable` is what a job left or saw; `came to` and `why` are what came of it. A look that finds the same as the
    one before is a row of its own.
    """
    with reading("the history") as connection:
        found = _found(connection, account)
        decided = looks(connection, found.account.id, limit)
        charges = charge_list(connection, limit, account_id=found.account.id)
    if as_json:
        documents = {"looks": [look_document(each) for each in decided]}
        last = {"charges": [charge_document(each) for each in charges.rows]}
        write_json({"account": str(found.account.key), **documents, **last})
        return
    if not decided:
        remark("nothing was decided about its top-ups")
        return
    table(LOOK_COLUMNS, [look_cells(each) for each in decided])
    if charges.rows:
        heading("Charges")
        table(CHARGES.columns, [CHARGES.cells(each) for each in charges.rows])


def _found(connection: Connection, account: str) -> TopUpStanding:
    found = standing(connection, topped_up(account_name(account, "ACCOUNT")), limits_of(load_settings()))
    if found is None:
        raise Stop(f"there is no account {account}: `balance-worker accounts list` shows which there are", NO)
    return found


def register(app: typer.Typer) -> None:
    app.command("list", epilog=_LIST_EXAMPLES)(list_policies)
    app.command("show", epilog=_SHOW_EXAMPLES)(show_policy)
    app.command("explain", epilog=_EXPLAIN_EXAMPLES)(explain)
    app.command("history", epilog=_HISTORY_EXAMPLES)(history)
