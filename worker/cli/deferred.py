"""A command of which the help says what it is, and whose code is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_group


class Deferred(TyperCommand):
    """Stands in a group for the command of this name that the module registers."""

    def __init__(self, name: str, module: str, about: str, *, hidden: bool = False) -> None:
        super().__init__(name, help=about, hidden=hidden, rich_markup_mode=None)
        self._name, self._module = name, module

    def load(self) -> Any:
        """The command itself, as click has it."""
        app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
        import_module(self._module).register(app)
        return get_group(app).commands[self._name]

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """That of the command itself: whoever parses arguments, runs it or shows its help goes by its context."""
        return self.load().make_context(info_name, args, parent, **extra)
