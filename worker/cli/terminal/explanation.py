"""What went wrong in a command, in a sentence that says what to do."""

from __future__ import annotations

from worker.cli.terminal.files import unusable
from worker.database_trouble import database_trouble
from worker.local.server_error import ServerError
from worker.local.supervisor import NotReady
from worker.settings.settings import SettingsError, load_settings


def explain(error: Exception) -> str | None:
    """What is wrong and what to do about it; None for an error that nobody expected."""
    if isinstance(error, (SettingsError, ServerError, NotReady)):
        return str(error)
    if isinstance(error, OSError):
        return unusable(error)
    return database_trouble(error, lambda: load_settings().database_url)
