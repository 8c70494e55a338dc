"""balance-worker migrate"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from models.store.connection.patience import Silence
from models.store.schema import migrations as schema
from tasks.reminder import Reminder
from worker.cli.terminal.confirm import confirm
from worker.cli.terminal.output import AsJson, line, remark, write_json
from worker.cli.terminal.waiting import Waiting
from worker.database import grant_roles, meaning_of, migrating_engine
from worker.encoding.urls import mask_url
from worker.settings.settings import load_settings

_EXAMPLES = """\
\b
Examples:
  balance-worker migrate                 to the newest revision
  balance-worker migrate --dry-run       say what would happen
  balance-worker migrate --down base     remove every table, the ledger with them
"""


def migrate(
    revision: Annotated[str, typer.Argument(metavar="REVISION", help="The revision to go up to.")] = "head",
    down: Annotated[str | None, typer.Option(metavar="REVISION", help="Go down to REVISION instead.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say from where to where.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before going down.")] = False,
    as_json: AsJson = False,
) -> None:
    """Brings the tables of the database to this version. Running it again, or twice at once, does no harm.

    With BALANCE_SHARD set those of its shard, in a schema of their own, which is made; `distribute` does so for all.

    With BALANCE_OWNER_URL set it runs as that owner, the role of BALANCE_DATABASE_URL is granted what workers need, and
    that of BALANCE_FLOWER_DATABASE_URL what reading needs.
    """
    if down is not None and revision != "head":
        raise typer.BadParameter("give either REVISION, to go up, or --down REVISION", param_hint="--down")
    settings = load_settings()
    engine = migrating_engine(settings, telling("migrate"))
    granted: str | None = None
    reading: str | None = None
    with Waiting("Connecting to the database"):
        before = schema.current(engine)
    if not dry_run:
        if down is not None and before is not None and not yes:
            _confirm(down, mask_url(settings.owner_url or settings.database_url))
        with Waiting("Migrating"):
            if down is None:
                if settings.schema_name is not None:
                    schema.make_schema(engine, settings.schema_name)
                schema.upgrade(engine, revision)
                if revision == "head":
                    granted, reading = grant_roles(settings)
            else:
                schema.downgrade(engine, down)
    after = _target(down or revision) if dry_run else schema.current(engine)
    if as_json:
        write_json(
            {
                "from": before,
                "to": after,
                "changed": not dry_run and before != after,
                "granted": granted,
                "reading": reading,
            }
        )
    elif before == after:
        line(f"migrate: at {named(after)} already, nothing to do")
    else:
        line(f"migrate: {named(before)} -> {named(after)}{' (dry run, nothing changed)' if dry_run else ''}")
    if granted is not None and not as_json:
        line(f"migrate: {granted} may do what workers need on the tables, and no more")
    if reading is not None and not as_json:
        line(f"migrate: {reading} may read the tables, and no more")


def telling(command: str) -> Callable[[Silence], None]:
    """Says what is waited for, once a minute: a migration waits for whoever uses the tables."""
    reminder = Reminder()

    def tell(silence: Silence) -> None:
        said, remedy = meaning_of(silence)
        if reminder.due(command, remedy):
            remark(f"{command}: no answer for {silence.seconds} s, {said}: {remedy}")

    return tell


def _confirm(down: str, url: str) -> None:
    loss = "every table with the whole ledger" if down == "base" else f"what came after revision {down}"
    confirm(f"This removes {loss} from {url}, for ever. Go on?")


def _target(revision: str) -> str | None:
    return {"head": schema.head(), "base": None}.get(revision, revision)


def named(revision: str | None) -> str:
    return revision or "base (no tables)"


def register(app: typer.Typer) -> None:
    app.command("migrate", epilog=_EXAMPLES)(migrate)
