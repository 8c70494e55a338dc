"""Endpoints for tests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from tests.support.builders import ask


def add(engine: Engine, url: str = "https://receiver.example/events", **fields: Any) -> str:
    """The id of a new endpoint."""
    outcome = ask(engine, "webhooks.add", name="a receiver", url=url, **fields)
    assert outcome["status"] == "applied", outcome
    return str(outcome["response"]["id"])
