"""balance-worker auto-topup resume | run-now | cancel"""

from __future__ import annotations

from typing import Annotated, Final

import typer

from models.contracts.jobs.top_ups import AutoTopupCancel, AutoTopupResume, AutoTopupRunNow
from worker.cli.auto_topup.accounts import topped_up
from worker.cli.jobs.publishing import WAIT_S, Key, Producer, Wait, key_of, publish_and_show
from worker.cli.terminal.arguments import account_key
from worker.cli.terminal.output import AsJson

_RESUME_EXAMPLES: Final = """\
\b
Examples:
  balance-worker auto-topup resume wallet:w1
  balance-worker auto-topup resume user:42 --key ticket-17 --wait 30
"""
_RUN_NOW_EXAMPLES: Final = """\
\b
Examples:
  balance-worker auto-topup run-now wallet:w1
  balance-worker auto-topup run-now wallet:w1 --key ticket-17 --json
"""
_CANCEL_EXAMPLES: Final = """\
\b
Examples:
  balance-worker auto-topup cancel wallet:w1
  balance-worker auto-topup cancel user:42 --wait 0
"""

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="wallet:w1 or user:42.")]


def resume(
    account: Name, key: Key = None, producer: Producer = None, wait: Wait = WAIT_S, as_json: AsJson = False
) -> None:
    """Puts a suspended policy in force again: what suspended it is forgotten, and declines are counted anew.

    Publishes the job auto_topup.resume and shows its outcome; ends as `publish` does.
    """
    _ask(AutoTopupResume.NAME, account, key, producer, wait, as_json=as_json)


def run_now(
    account: Name, key: Key = None, producer: Producer = None, wait: Wait = WAIT_S, as_json: AsJson = False
) -> None:
    """Tops up by the policy now, whatever the balance, and without waiting for a cooldown. It charges money.

    Caps, pauses and a charge that is open hold it back all the same; the outcome says which. Publishes the job
    auto_topup.run_now and shows its outcome; ends as `publish` does.
    """
    _ask(AutoTopupRunNow.NAME, account, key, producer, wait, as_json=as_json)


def cancel(
    account: Name, key: Key = None, producer: Producer = None, wait: Wait = WAIT_S, as_json: AsJson = False
) -> None:
    """Switches the policy off, and gives up a charge that nobody was asked for yet or that waits for its payer.

    One that may have been made stays until that is known. Publishes the job auto_topup.cancel and shows its outcome;
    ends as `publish` does.
    """
    _ask(AutoTopupCancel.NAME, account, key, producer, wait, as_json=as_json)


def _ask(name: str, account: str, key: str | None, producer: str | None, wait_s: float, *, as_json: bool) -> None:
    target = topped_up(account_key(account, "ACCOUNT"))
    publish_and_show(name, {"account": str(target)}, key_of(key, name), producer, wait_s, as_json=as_json)


def register(app: typer.Typer) -> None:
    app.command("resume", epilog=_RESUME_EXAMPLES)(resume)
    app.command("run-now", epilog=_RUN_NOW_EXAMPLES)(run_now)
    app.command("cancel", epilog=_CANCEL_EXAMPLES)(cancel)
