"""balance-worker distribute"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import typer

from models.domain.sharding.shard import SHARDS_MAX, schema_of
from models.store.schema import distribution
from models.store.schema.distribution import Ground, Step
from worker.cli.operations.migrate import named, telling
from worker.cli.terminal.faults import Stop
from worker.cli.terminal.output import AsJson, line, write_json
from worker.cli.terminal.progress import Advance
from worker.cli.terminal.waiting import Waiting
from worker.database import grant_roles, migrating_engine
from worker.encoding.urls import mask_url
from worker.settings.settings import Settings, load_settings

_EXAMPLES: Final = """\
\b
Examples:
  balance-worker distribute --shards 16 --dry-run     say what would be done
  balance-worker distribute --shards 16               do it; a second time there is nothing to do
"""
_IN_USE: Final = (
    "{where} holds a ledger that is not in shards, and it is not empty: its accounts cannot be divided yet. Distribute "
    "an empty database and let new accounts begin there, or unset BALANCE_SHARD and go on with this ledger as it is"
)
_OTHER_COUNT: Final = (
    "{where} has schemas of another number of shards than {count}: {schemas}. The number is chosen once: give the one "
    "that they were made with, or drop those schemas if nothing in them is wanted"
)


def distribute(
    shards: Annotated[
        int | None, typer.Option(metavar="COUNT", help="How many. Absent: as BALANCE_SHARD says.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Makes the schemas of all shards and brings their tables to this version. Running it again does no harm.

    COUNT is a power of two, chosen once and for all (docs/scale.md). Where the extension Citus is in the database, each
    schema is handed over to it, which keeps it whole on one node. With BALANCE_OWNER_URL set it runs as that owner, and
    the roles of workers and readers are granted what they need in each schema.
    """
    settings = load_settings()
    count = _count(shards, settings)
    settings = settings.model_copy(update={"shard": None})  # all of them, beside whatever search_path leads to
    where = mask_url(settings.owner_url or settings.database_url)
    ground = _survey(settings)
    if others := ground.others(count):
        raise Stop(_OTHER_COUNT.format(where=where, count=count, schemas=", ".join(others)))
    if ground.unsharded_rows:
        raise Stop(_IN_USE.format(where=where))
    steps = []
    with Advance("Shards", total=count) as progress:
        for number in range(count):
            steps.append(_one(settings, ground, schema_of(number, count), dry_run=dry_run))
            progress.by(1)
    nodes = {} if ground.citus is None else _nodes(settings)
    if as_json:
        _write(steps, ground, nodes, dry_run=dry_run)
    else:
        _say(steps, nodes, dry_run=dry_run)


def _count(shards: int | None, settings: Settings) -> int:
    given = None if settings.shard is None else settings.shard.count
    count = given if shards is None else shards
    if count is None:
        raise typer.BadParameter("say how many, such as 16", param_hint="--shards")
    if given is not None and count != given:
        raise Stop(f"BALANCE_SHARD is {settings.shard}, of {given} shards, and --shards is {count}: unset one of them")
    if not 2 <= count <= SHARDS_MAX or count & (count - 1):
        raise typer.BadParameter(f"{count} is no power of two from 2 to {SHARDS_MAX}", param_hint="--shards")
    return count


def _survey(settings: Settings) -> Ground:
    engine = migrating_engine(settings, telling("distribute"))
    try:
        with Waiting("Connecting to the database"):
            return distribution.survey(engine)
    finally:
        engine.dispose()


def _nodes(settings: Settings) -> dict[str, str]:
    engine = migrating_engine(settings, telling("distribute"))
    try:
        return distribution.nodes(engine)
    finally:
        engine.dispose()


def _one(settings: Settings, ground: Ground, schema: str, *, dry_run: bool) -> Step:
    engine = migrating_engine(settings, telling("distribute"), schema=schema)
    try:
        step = distribution.planned(engine, ground, schema)
        if not dry_run:
            distribution.carry_out(engine, step)
            grant_roles(settings, schema)
        return step
    finally:
        engine.dispose()


def _write(steps: list[Step], ground: Ground, nodes: Mapping[str, str], *, dry_run: bool) -> None:
    schemas = [
        {
            "schema": step.schema,
            "made": step.made,
            "from": step.before,
            "to": step.after,
            "handed_over": step.handed_over,
            "node": nodes.get(step.schema),
        }
        for step in steps
    ]
    changed = not dry_run and any(step.changed for step in steps)
    write_json({"shards": len(steps), "citus": ground.citus, "changed": changed, "schemas": schemas})


def _say(steps: list[Step], nodes: Mapping[str, str], *, dry_run: bool) -> None:
    count, changed = len(steps), [step for step in steps if step.changed]
    for step in changed:
        line(f"distribute: {step.schema}: {_said(step)}")
    if not changed:
        line(f"distribute: {count} shards are at {named(steps[0].after)} already, nothing to do")
    elif dry_run:
        line(f"distribute: dry run, nothing changed: {len(changed)} of {count} shards would be")
    else:
        line(f"distribute: {len(changed)} of {count} shards changed; their workers: BALANCE_SHARD=0/{count} and so on")
    for schema, node in sorted(nodes.items()):
        line(f"distribute: {schema} is on the node {node}: let the BALANCE_DATABASE_URL of its workers lead there")


def _said(step: Step) -> str:
    parts = ["schema made"] if step.made else []
    parts += [f"{named(step.before)} -> {named(step.after)}"] if step.before != step.after else []
    return ", ".join(parts + (["handed over to Citus"] if step.handed_over else []))


def register(app: typer.Typer) -> None:
    app.command("distribute", epilog=_EXAMPLES)(distribute)
