"""The settings of another shell: what programs and commands there need to reach what runs here."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from worker.local.http import KEY_FILE
from worker.local.server_error import plainly
from worker.local.stack import Stack
from worker.settings.child import given

_FILE: Final = "env"
_DRIVER: Final = "+psycopg"


def environment_of(stack: Stack) -> dict[str, str]:
    """Variables by name: settings as they are in force, and addresses for people and their programs."""
    settings = stack.settings
    database = str(settings.database_url)
    found = {
        **given(settings),
        "BALANCE_BROKER_URL": str(settings.broker_url),
        "BALANCE_DATABASE_URL": database.replace(_DRIVER, "", 1),  # psql and libpq take it as well
        "SQLALCHEMY_DATABASE_URL": database,
    }
    if stack.flower_url is not None:
        found["FLOWER_URL"] = stack.flower_url
    if stack.http_url is not None:
        found["DOOR_URL"] = stack.http_url
    if stack.http_api_key is not None:
        found["DOOR_KEY_FILE"] = str(stack.data_dir / KEY_FILE)
    return dict(sorted(found.items()))


def export_lines(environment: Mapping[str, str]) -> list[str]:
    """For a POSIX shell; the programs of this installation come first on its path."""
    programs = shlex.quote(str(Path(sys.executable).parent))
    settings = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    return [f'export PATH={programs}:"$PATH"', *settings]


def write(lines: list[str], data_dir: Path) -> Path:
    """The file for `. FILE`, which nobody else may read: there are passwords in it. Raises ServerError."""
    path = data_dir / _FILE
    with plainly(data_dir):
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join([*lines, ""]))
    return path
