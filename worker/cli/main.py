"""The command line: `balance-worker`. Settings come from BALANCE_* alone, since arguments show in process lists."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Annotated

import typer
from typer._completion_classes import completion_init
from typer.core import TyperGroup
from typer.main import get_group

from models.domain.text import is_storable
from worker.cli.commands import COMMANDS
from worker.cli.terminal.faults import NO, Stop, stop

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


def _speak_utf8() -> None:
    """Texts of strangers go out whole, whatever the locale is, and come in as what can be looked for."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    for argument in sys.argv[1:]:
        if not is_storable(argument):
            raise Stop(f"the argument {argument} is not UTF-8: no name, no key and no file of ours is like that")


def main() -> None:
    """Runs the command line and ends the process."""
    try:
        try:
            _speak_utf8()
            completion_init()  # a shell that asks what to complete speaks to the same program
            make_app()(prog_name="balance-worker")
        finally:
            sys.stdout.flush()
    except OSError as error:
        # The interpreter would complain when it flushes at its end what stdout does not take.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(NO)  # whoever read it, like head, has seen enough
        stop(error)
    except Exception as error:  # noqa: BLE001 - the one place where every fault becomes a sentence or a traceback
        stop(error)


if __name__ == "__main__":
    main()
