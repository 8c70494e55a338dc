"""balance-worker grants"""

from __future__ import annotations

from typing import Annotated, Final

import typer

from models.store.server.privileges import statements
from models.store.server.roles import quoted, role_of
from worker.cli.terminal.faults import Stop
from worker.cli.terminal.output import line
from worker.database import grant_workers
from worker.settings.settings import load_settings

_EXAMPLES: Final = """\
\b
Examples:
  balance-worker grants --role balance_app | psql -1 …      as the owner of the tables
  balance-worker grants --apply                             with BALANCE_OWNER_URL
"""


def grants(
    role: Annotated[
        str | None, typer.Option(metavar="ROLE", help="The workers' role. Absent: that of BALANCE_DATABASE_URL.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it, as the owner that BALANCE_OWNER_URL names.")] = False,
) -> None:
    """Writes the SQL that gives the workers' role what it needs on our tables, and takes the rest from it.

    With --apply it is done: `migrate` does so as well where BALANCE_OWNER_URL is set. A role that is not there is made,
    with the password of BALANCE_DATABASE_URL when it is that one's.
    """
    settings = load_settings()
    wanted = role or role_of(settings.database_url)
    if wanted is None:
        raise Stop("BALANCE_DATABASE_URL names no role: say --role")
    if not apply:
        for statement in statements(quoted(wanted)):
            line(f"{statement};")
        return
    if settings.owner_url is None:
        raise Stop("set BALANCE_OWNER_URL to the database as the owner of the tables; or give the SQL to that owner")
    if not grant_workers(settings, wanted):
        raise Stop(f"{wanted} is the owner of BALANCE_OWNER_URL itself: workers need a role of their own")
    line(f"grants: {wanted} may do what workers need on the tables, and no more")


def register(app: typer.Typer) -> None:
    app.command("grants", epilog=_EXAMPLES)(grants)
