"""The endpoint of `up --webhook`: added when it is not there, with a secret that can be made again on this machine."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy import Engine

from models.contracts.message import parse
from models.domain.outcome import Status
from models.domain.webhooks.endpoints import Endpoint
from models.domain.webhooks.secrets import shown_secret
from models.domain.webhooks.urls import UnusableUrl, webhook_url
from models.store.connection.session import snapshot
from models.store.read.webhooks import endpoint, endpoint_list
from tasks.apply.path import apply
from worker.database import engine_for
from worker.local.server_error import ServerError
from worker.runtime import limits_of
from worker.settings.settings import Settings
from worker.webhooks.registry import keys_of

_MANY: Final = 10_000


def with_key(settings: Settings, data_dir: Path) -> Settings:
    """Settings with a key for secrets: the one that was given, or one that is kept under `data_dir`."""
    if settings.webhook_key is not None:
        return settings
    path = data_dir / "webhook-key"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return settings.model_copy(update={"webhook_key": SecretStr(path.read_text())})


def checked(url: str) -> str:
    """Raises ServerError for what is no URL of an endpoint."""
    try:
        webhook_url(url)
    except UnusableUrl as error:
        raise ServerError(f"--webhook {url}: {error}") from error
    return url


def ensure_endpoint(settings: Settings, url: str) -> str:
    """The secret of the endpoint at `url`, which is added unless it is there and takes everything."""
    engine = engine_for(settings)
    try:
        found = _known(engine, url) or _added(engine, settings, url)
        secret = keys_of(settings).secret(found.id, found.secret)
        if secret is None:
            found = _added(engine, settings, url)  # the key is another one than it was
            secret = keys_of(settings).secret(found.id, found.secret)
        assert secret is not None, "it was made from the key of these settings"
        return shown_secret(secret)
    finally:
        engine.dispose()


def _known(engine: Engine, url: str) -> Endpoint | None:
    with snapshot(engine) as connection:
        known = (each.endpoint for each in endpoint_list(connection, _MANY, removed=False).rows)
        return next((each for each in known if each.url == url and each.disabled is None), None)


def _added(engine: Engine, settings: Settings, url: str) -> Endpoint:
    fields = {"idempotency_key": f"up-{uuid4()}", "name": "up --webhook", "url": url}
    [outcome] = apply(engine, [parse("webhooks.add", fields)], limits_of(settings))
    assert outcome.status is Status.APPLIED, outcome.code
    with snapshot(engine) as connection:
        shown = endpoint(connection, UUID(outcome.document()["response"]["id"]))
    assert shown is not None, "it was just added"
    return shown.endpoint
