"""balance-worker asyncapi"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.contracts.spec.asyncapi import to_yaml
from worker.cli.terminal.files import about
from worker.cli.terminal.output import block, remark

_EXAMPLES = """\
\b
Examples:
  balance-worker asyncapi | less
  balance-worker asyncapi --output asyncapi.yaml
"""


def asyncapi(
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to FILE instead of stdout.")] = None,
) -> None:
    """Writes the AsyncAPI description of every job, its answer and the events."""
    text = to_yaml()
    if output is None:
        block(text.removesuffix("\n"))
        return
    with about(output):
        output.write_text(text, encoding="utf-8")
    remark(f"wrote {output}")


def register(app: typer.Typer) -> None:
    app.command("asyncapi", epilog=_EXAMPLES)(asyncapi)
