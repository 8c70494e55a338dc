"""balance-worker config"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from worker.cli.terminal.output import AsJson, block, write_json
from worker.cli.terminal.tables import Column, table
from worker.settings.settings import load_settings
from worker.settings.table import effective, settings_markdown

_EXAMPLES = """\
\b
Examples:
  balance-worker config
  BALANCE_POOL_SIZE=4 balance-worker config --json | jq '.[] | select(.source == "env")'
  balance-worker config --markdown > docs/settings.md
"""


def config(
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Write all settings there are as a document.")] = False,
) -> None:
    """Shows the settings that are in force, and which of them come from the environment. Passwords are masked."""
    if markdown:
        block(settings_markdown().removesuffix("\n"))
        return
    rows = effective(load_settings())
    if as_json:
        write_json([asdict(row) for row in rows])
    else:
        columns = [Column("variable"), Column("value"), Column("unit"), Column("from")]
        table(columns, [(row.variable, row.value or "unset", row.unit, row.source) for row in rows])


def register(app: typer.Typer) -> None:
    app.command("config", epilog=_EXAMPLES)(config)
