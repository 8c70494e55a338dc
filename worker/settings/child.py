"""Settings as text: what a child process is started with."""

from __future__ import annotations

from pydantic import SecretStr

from worker.settings.settings import Settings
from worker.settings.texts import PREFIX


def given(settings: Settings) -> dict[str, str]:
    """Variables for the environment of a child process: the settings that were given, and not the defaults."""
    return {f"{PREFIX}{name.upper()}": plain(getattr(settings, name)) for name in settings.model_fields_set}


def plain(value: object) -> str:
    """A setting's value as text for the environment, secrets included."""
    return value.get_secret_value() if isinstance(value, SecretStr) else "" if value is None else str(value)
