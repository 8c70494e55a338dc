"""balance-worker accounts repair"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer
from sqlalchemy import Engine

from models.batch.outcome import StoredOutcome
from models.domain.accounts import AccountKey, Kind
from models.domain.deciding.commands import Job
from models.domain.outcome import Status
from models.store.connection.session import snapshot
from models.store.read import accounts as history
from models.store.read.credits import WrongGrant, credits_of
from tasks.apply.path import apply
from tasks.scheduled.repair import RepairPlan, follows_its_entries, repair_plan
from worker.cli.terminal.arguments import account_key
from worker.cli.terminal.faults import NO, Stop
from worker.cli.terminal.output import AsJson, line, raw, write_json
from worker.cli.terminal.tables import Column, facts, heading, table
from worker.cli.terminal.waiting import Waiting
from worker.database import engine_for
from worker.encoding.shown import decimal, signed
from worker.runtime import limits_of
from worker.settings.settings import Settings, load_settings

_EXAMPLES: Final = """\
\b
Examples:
  balance-worker accounts repair wallet:w1 --reason "ticket 17" --operator olga --dry-run
  balance-worker accounts repair wallet:w1 --reason "ticket 17" --operator olga
"""


def repair(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The wallet, like wallet:w1.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands on the entry.")],
    operator: Annotated[
        str, typer.Option("--operator", metavar="NAME", help="Who decided it; it stands on the entry.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be posted; post nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sets a wallet right that broke a rule before the rule was kept, by one more entry.

    `verify` names such wallets: what expired or was reversed was taken twice, say, or a debt stands beside open
    credits. What is right follows from the wallet's entries alone, by the rules of today. The difference is posted as
    one entry of kind correction, as every job is; no entry is changed. Ends with 0 when the wallet is right, or was
    set right.
    """
    key = account_key(account, "ACCOUNT")
    if key.kind is not Kind.WALLET:
        raise typer.BadParameter("only wallets have credits that can break a rule", param_hint="ACCOUNT")
    for text, hint in ((reason, "--reason"), (operator, "--operator")):
        if not text.strip():
            raise typer.BadParameter("whoever looks later has nothing else to go by", param_hint=hint)
    settings = load_settings()
    engine = engine_for(settings)
    try:
        with Waiting("Reading the wallet"):
            plan = _look(engine, key, reason.strip(), operator.strip())
        outcome = None if dry_run or plan.job is None else _settle(engine, settings, plan.job)
    finally:
        engine.dispose()
    if as_json:
        write_json(_document(plan, outcome))
    else:
        _tell(plan, outcome)
    if plan.hopeless:
        raise typer.Exit(NO)


def _look(engine: Engine, key: AccountKey, reason: str, operator: str) -> RepairPlan:
    with snapshot(engine) as connection:
        account = history.account(connection, key)
        if account is None:
            raise Stop(f"there is no account {key}: `balance-worker accounts list` shows which there are", NO)
        credits = credits_of(connection, account.id, key)
    if not follows_its_entries(account, credits):
        raise Stop(
            f"the row of {key} is not what its last entry left: it was changed by hand, or storage failed;"
            " compare with a backup (`balance-worker verify` says more), an entry cannot set that right"
        )
    return repair_plan(account, credits, reason, operator)


def _settle(engine: Engine, settings: Settings, job: Job) -> StoredOutcome:
    [outcome] = apply(engine, [job], limits_of(settings))
    if outcome.status is not Status.APPLIED:
        raise Stop(f"refused ({outcome.code.value}): the wallet was written to meanwhile; repeat the command", NO)
    return outcome


def _document(plan: RepairPlan, outcome: StoredOutcome | None) -> dict[str, Any]:
    return {
        "account": str(plan.account.key),
        "right": plan.right,
        "findings": [{"seq": finding.seq, "problem": finding.problem} for finding in plan.findings],
        "scale": plan.account.scale,
        "ledger_balance": plan.account.balance,
        "right_ledger_balance": plan.right_balance,
        "grants": [{"id": grant.id, "row": asdict(grant.row), "right": asdict(grant.right)} for grant in plan.grants],
        "outcome": None if outcome is None else raw(outcome.json()),
    }


def _tell(plan: RepairPlan, outcome: StoredOutcome | None) -> None:
    account = plan.account
    findings = [f"entry {each.seq}: {each.problem}" if each.seq else each.problem for each in plan.findings]
    if plan.job is None:
        for finding in findings:
            line(finding)
        hopeless = "a row was changed by hand, or storage failed; no entry can set that right"
        line(f"{account.key}: {hopeless if plan.hopeless else 'nothing to repair'}")
        return
    facts(
        {
            "account": str(account.key),
            "wrong": "\n".join(findings),
            "in the ledger": decimal(account.balance, account.scale),
            "right": decimal(plan.right_balance, account.scale),
            "posted" if outcome else "would be posted": f"{signed(plan.correction, account.scale)}, as a correction",
            "by job": str(outcome.job_id) if outcome else "",
        }
    )
    _tell_grants(plan.grants, account.scale)


def _tell_grants(grants: Sequence[WrongGrant], scale: int) -> None:
    rows = [
        (str(grant.id), wrong.name, decimal(wrong.row, scale), decimal(wrong.right, scale))
        for grant in grants
        for wrong in grant.wrong
    ]
    if rows:
        heading("Grants")
        table(
            [Column("grant", whole=True), Column("of it"), Column("is", right=True), Column("right", right=True)], rows
        )


def register(app: typer.Typer) -> None:
    app.command("repair", epilog=_EXAMPLES)(repair)
