"""Asking before something that cannot be taken back, or that concerns much."""

from __future__ import annotations

import sys

import typer

from worker.cli.terminal.faults import Stop


def confirm(question: str) -> None:
    """Returns when the answer is yes."""
    if not sys.stdin.isatty():
        raise Stop(f"{question} There is no terminal to answer on: repeat with --yes.")
    if not typer.confirm(question, err=True):
        raise Stop("nothing was changed")
