"""The command line: `balance-worker`. Settings come from BALANCE_* alone, since arguments show in process lists."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from typer.core import TyperGroup
from typer.main import get_group

from worker.cli.commands import COMMANDS
from worker.cli.terminal.faults import NO, stop

_EPILOG = """\
\b
Exit codes:
  0    done
  1    the answer is no: the ledger does not add up, the deployment has a
       failure, the job was refused, there is no such job or account
  2    it could not be done: wrong arguments or settings, database or broker
       out of reach, migrations missing, a directory or port that cannot be
       used; stderr says what to do
  3    published, but with no outcome yet when the waiting time was over
  70   a mistake in this program
  130  interrupted
"""


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # a sixth of the time in which the help is there

        typer.echo(f"balance-worker {version('balance-worker')}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Changes balances exactly once, and lets you look at what it did.

    Settings are environment variables: `balance-worker config` shows them, docs/settings.md explains them.
    """


def make_app() -> TyperGroup:
    """Every command, in the order in which the help lists them."""
    app = typer.Typer(
        name="balance-worker",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback(epilog=_EPILOG)(root)
    whole = get_group(app)
    for command in COMMANDS:
        whole.add_command(command)
    return whole


def main() -> None:
    """Runs the command line and ends the process."""
    try:
        try:
            make_app()(prog_name="balance-worker")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read stdout, like head, has seen enough; the interpreter would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(NO)
    except Exception as error:  # noqa: BLE001 - the one place where every fault becomes a sentence or a traceback
        stop(error)


if __name__ == "__main__":
    main()
