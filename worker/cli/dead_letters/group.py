"""balance-worker dead-letters: all of its commands."""

from __future__ import annotations

import typer

from worker.cli.dead_letters import actions, commands


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Messages that could not be settled: look, replay, discard."
    )
    commands.register(group)
    actions.register(group)
    app.add_typer(group, name="dead-letters")
