"""The settings as rows: what is in force here, and what there is, for docs/settings.md."""

from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from worker.encoding.urls import mask_url
from worker.settings.child import plain
from worker.settings.settings import Settings
from worker.settings.texts import PREFIX, allowed

_UNITS = {"_ms": "ms", "_s": "s", "_days": "days", "_kopeks": "kopeks"}
_INTRODUCTION = """\
# Settings

Every setting is an environment variable. A wrong value stops the start with a sentence that names the variable.
`balance-worker config` shows what is in force and where it comes from; passwords are never shown.
This page is generated: `balance-worker config --markdown > docs/settings.md`.

| variable | default | unit | allowed | meaning |
|---|---|---|---|---|
"""


@dataclass(frozen=True)
class SettingRow:
    """One setting as it is in force; passwords in `value` are masked."""

    variable: str
    value: str
    default: str
    unit: str
    meaning: str
    source: Literal["env", "default"]


def effective(settings: Settings) -> list[SettingRow]:
    """All settings in the order of their definition."""
    return [
        SettingRow(
            variable=f"{PREFIX}{name.upper()}",
            value=_shown(getattr(settings, name)),
            default=_shown(field.default),
            unit=_unit(name, field),
            meaning=field.description or "",
            source="env" if name in settings.model_fields_set else "default",
        )
        for name, field in Settings.model_fields.items()
    ]


def settings_markdown() -> str:
    """The contents of docs/settings.md."""
    return _INTRODUCTION + "".join(
        f"| `{PREFIX}{name.upper()}` | {_code(_shown(field.default))} | {_unit(name, field)} "
        f"| {allowed(field)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    )


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "***"
    return mask_url(plain(value))


def _code(text: str) -> str:
    return f"`{text}`" if text else "unset"


def _unit(name: str, field: FieldInfo) -> str:
    if isinstance(field.json_schema_extra, dict) and "unit" in field.json_schema_extra:
        return str(field.json_schema_extra["unit"])
    return next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
