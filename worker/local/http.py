"""The HTTP door of `up`: open for one key, which is made on the first start and kept on this machine."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from models.contracts.message import parse
from models.domain.outcome import Status
from tasks.apply.path import apply
from worker.database import engine_for
from worker.publishers.http_keys import hash_of, new_key
from worker.runtime import limits_of
from worker.settings.settings import Settings

KEY_FILE: Final = "http-key"
"""Under the directory of the data."""
_ID: Final = "up"
_PRODUCER: Final = "default"
_APP: Final = {"app_id": "demo", "store_id": "demo"}


def has_http() -> bool:
    """Whether what the door is made of is installed."""
    return all(importlib.util.find_spec(each) is not None for each in ("starlette", "uvicorn", "prometheus_client"))


def with_http_key(settings: Settings, data_dir: Path) -> tuple[Settings, str | None]:
    """Settings with a key for all three APIs, and the key. With keys that were given: these alone, and None."""
    if settings.http_keys is not None:
        return settings, None
    key = _kept(data_dir / KEY_FILE)
    producer = _PRODUCER
    if settings.producers is not None:  # where workers know their producers, one of them has to be it
        producer = next(iter(json.loads(_text(settings.producers.get_secret_value()))), _PRODUCER)
    entry = {"hashes": [hash_of(key.split("_", 2)[2])], "producer": producer, "app": _APP}
    return settings.model_copy(update={"http_keys": SecretStr(json.dumps({_ID: entry}))}), key


def ensure_app(settings: Settings) -> None:
    """The app that the key stands for is there: its balance can be set."""
    engine = engine_for(settings)
    try:
        asked = {"idempotency_key": "up-http-app", **_APP}
        [outcome] = apply(engine, [parse("apps.upsert", asked)], limits_of(settings))
    finally:
        engine.dispose()
    assert outcome.status is Status.APPLIED, outcome.code


def _text(given: str) -> str:
    return given if given.lstrip().startswith("{") else Path(given.strip()).read_text(encoding="utf-8")


def _kept(path: Path) -> str:
    if not path.exists():
        key, _ = new_key(_ID)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(key)
    return path.read_text(encoding="utf-8").strip()
