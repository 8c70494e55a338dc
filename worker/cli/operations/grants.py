"""balance-worker grants"""

from __future__ import annotations

from typing import Annotated, Final

import typer

from models.store.server.privileges import READERS, WORKERS, statements
from models.store.server.roles import quoted, role_of
from worker.cli.terminal.faults import Stop
from worker.cli.terminal.output import line
from worker.database import grant
from worker.settings.settings import load_settings

_EXAMPLES: Final = """\
\b
Examples:
  balance-worker grants --role balance_app | psql -1 …      as the owner of the tables
  balance-worker grants --role balance_reader --reading     of who only looks: Flower's pages
  balance-worker grants --apply                             with BALANCE_OWNER_URL
"""


def grants(
    role: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE",
            help="The role. Absent: that of BALANCE_DATABASE_URL, with --reading of BALANCE_FLOWER_DATABASE_URL.",
        ),
    ] = None,
    reading: Annotated[bool, typer.Option("--reading", help="What who only looks needs: Flower's pages.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it, as the owner that BALANCE_OWNER_URL names.")] = False,
) -> None:
    """Writes the SQL that gives the workers' role what it needs on our tables, and takes the rest from it.

    With --reading it is what Flower's pages need, who read and cannot write. With --apply it is done: `migrate` does so
    as well where BALANCE_OWNER_URL is set. A role that is not there is made, with the password of a URL that names it.
    """
    settings = load_settings()
    variable, url = "BALANCE_DATABASE_URL", settings.database_url
    if reading:
        variable, url = "BALANCE_FLOWER_DATABASE_URL", settings.flower_database_url or ""
    rights, whose = (READERS, "who looks needs") if reading else (WORKERS, "workers need")
    wanted = role or (role_of(url) if url else None)
    if wanted is None:
        raise Stop(f"{variable} names no role: say --role")
    if not apply:
        if settings.schema_name is not None:
            line(f"set search_path to {settings.schema_name};")
            line(f"grant usage on schema {settings.schema_name} to {quoted(wanted)};")
        for statement in statements(quoted(wanted), rights):
            line(f"{statement};")
        return
    if settings.owner_url is None:
        raise Stop("set BALANCE_OWNER_URL to the database as the owner of the tables; or give the SQL to that owner")
    if not grant(settings, wanted, rights):
        raise Stop(f"{wanted} is the owner of BALANCE_OWNER_URL itself: {whose} a role of their own")
    line(f"grants: {wanted} may do what {whose} on the tables, and no more")


def register(app: typer.Typer) -> None:
    app.command("grants", epilog=_EXAMPLES)(grants)
