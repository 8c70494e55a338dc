"""balance-worker reference: docs/cli.md, made from the help of the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from worker.cli.terminal.output import block

_WIDTH = 98
_INTRODUCTION = """\
# Command line

`balance-worker` is the operator's tool. It reads its settings from `BALANCE_*` ([settings](settings.md)) and takes no
URL as an argument: arguments can be read by everybody on the machine.

* Answers go to stdout, everything else to stderr. Into a pipe no line is broken and there are no colours.
* `--json` is for programs. Amounts are integers, units of 10^-`scale`, as in the outcome of a job; beside a balance
  stands `balance_decimal`. The `amount` of a charge is in the smallest unit of its `currency`. Times are RFC 3339 in
  UTC with microseconds.
* For people, amounts have all the decimals of their account, and times are UTC to the second.
* Lists are pages: when there is more, the last line says with which option the next page begins, and `next` in JSON.
* What can be expected to fail ends with one sentence and exit code 2, without a traceback:
  `balance-worker: the database lacks tables of this version (…): run balance-worker migrate`.

This page is generated: `balance-worker reference > docs/cli.md`.
"""


def cli_markdown(command: Any) -> str:
    """The contents of docs/cli.md. `command`: the whole of balance-worker, as click has it."""
    pages = _pages(command.make_context("balance-worker", [], resilient_parsing=True, terminal_width=_WIDTH))
    return _INTRODUCTION + "".join(f"\n## {title}\n\n```text\n{text}\n```\n" for title, text in pages)


def _pages(context: Any) -> Iterator[tuple[str, str]]:
    """(command path, its help) of the context's command and all below it."""
    yield context.command_path, context.command.get_help(context)
    for name, child in getattr(context.command, "commands", {}).items():
        if not child.hidden:
            yield from _pages(child.make_context(name, [], parent=context, resilient_parsing=True))


def reference(context: typer.Context) -> None:
    """Writes this reference of all commands: docs/cli.md."""
    block(cli_markdown(context.find_root().command).removesuffix("\n"))


def register(app: typer.Typer) -> None:
    app.command("reference", hidden=True)(reference)
