"""balance-worker completion"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import typer
from typer._completion_shared import get_completion_script

from worker.cli.terminal.output import block

PROGRAM: Final = "balance-worker"
_VARIABLE: Final = "_BALANCE_WORKER_COMPLETE"
_EXAMPLES: Final = """\
\b
Examples:
  eval "$(balance-worker completion bash)"            in ~/.bashrc
  eval "$(balance-worker completion zsh)"             in ~/.zshrc, after compinit
  balance-worker completion fish > ~/.config/fish/completions/balance-worker.fish
"""


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="bash|zsh|fish", help="The shell.")],
) -> None:
    """Writes what lets a shell complete commands and options."""
    block(get_completion_script(prog_name=PROGRAM, complete_var=_VARIABLE, shell=shell).strip())


def register(app: typer.Typer) -> None:
    app.command("completion", epilog=_EXAMPLES)(completion)
