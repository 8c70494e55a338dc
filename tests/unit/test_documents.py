"""Every fenced block of every document is run by a test, or stands here with the reason why it cannot be."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from typer.core import TyperGroup

from balance_client.publishing.handles import Outcome
from models.contracts.replies.outcome import EntryDocument
from tests.support.documents import ROOT, block, blocks_of, documents, text_of
from worker.cli.deferred import Deferred
from worker.cli.main import make_app
from worker.providers.exchange import Answer
from worker.providers.http import _told
from worker.publishers.http_keys import keys_in
from worker.publishers.producers import producers_in

MAKE: Final = "the targets are looked up below"
SERVERS: Final = "servers and passwords of a deployment: the commands are looked up below"
FIRST: Final = "tests/acceptance/test_first_ten_minutes.py"
HERE: Final = "tests/unit/test_documents.py"
PUBLISHING: Final = "tests/integration/test_publishing_guide.py"
FINANCE: Final = "tests/integration/cli/test_finance_page.py"
PRUNE: Final = "tests/integration/store/test_prune.py"
RESTORE: Final = "tests/acceptance/test_runbook_restore.py"
SECURITY: Final = "tests/unit/test_signature.py"

# By document: how each block begins, in their order, and the test that runs it; or why none does.
BLOCKS: Final[dict[str, list[tuple[str, str]]]] = {
    "CONTRIBUTING.md": [("$ make demo", MAKE)],
    "README.md": [
        ("make demo", MAKE),
        ("pip install '.[", "tests/recipes/test_install.py"),
        ("publisher ──►", "a drawing"),
        ("import os", FIRST),
        ("import os", FIRST),
        ('curl -X POST "$DOOR_URL', FIRST),
        ("balance-worker migrate", FIRST),
        ("balance-worker jobs list", FIRST),
    ],
    "benchmarks/README.md": [("make bench", MAKE)],
    "clients/python/README.md": [
        ("$ pip install balance-client", "tests/recipes/test_python.py"),
        ("from balance_client import BalanceClient", FIRST),
        ("from balance_client import AsyncBalanceClient", FIRST),
    ],
    "docs/architecture.md": [("flowchart", "a drawing"), ("sequenceDiagram", "a drawing")],
    "docs/auto-top-up.md": [("stateDiagram", "a drawing")],
    "docs/chaos.md": [("make chaos", MAKE), ("soak: 9 turns", "what a run of hours wrote")],
    "docs/credits.md": [("from balance_client", "tests/acceptance/test_credits_guide.py")],
    "docs/deployment.md": [
        ("cp .env.example", "needs Docker; the file and its commands are run by tests/acceptance/test_compose.py"),
        ("export BALANCE_DATABASE_URL", SERVERS),
        ("export BALANCE_BROKER_URL", SERVERS),
        ("rabbitmqctl", "tests/acceptance/test_rabbitmq_refusals.py"),
        ("create role balance_app", "tests/acceptance/test_deployment.py"),
    ],
    "docs/events.md": [("balance-worker webhooks add", FIRST)],
    "docs/finance.md": [("$ balance-worker", FINANCE)] * 3 + [("$ balance-worker why", FINANCE), ("$ printf", FINANCE)],
    "docs/flower.md": [
        ("$ psql", "asks for a password at a terminal; its grants: tests/integration/flower/test_reader.py"),
    ],
    "docs/high-availability.md": [
        ("scope: balance", "tests/unit/test_high_availability_page.py"),
        ("export BALANCE_DATABASE_URL", "tests/unit/test_high_availability_page.py"),
    ],
    "docs/http.md": [
        ("pip install 'balance-worker[http]'", FIRST),
        ("curl -X POST", "tests/acceptance/http/test_source_documents.py"),
        ('{"billing"', HERE),
    ],
    "docs/operations.md": [
        ("balance-worker verify", "needs a ledger of an earlier version: tests/integration/cli/test_repair.py"),
        ("balance-worker anchor-keys", FIRST),
        ("balance-worker dead-letters", FIRST),
    ],
    "docs/outcomes.md": [("{", HERE)],
    "docs/payments.md": [
        ("POST /charges", "tests/unit/test_payments_guide.py"),
        ("import base64", "tests/unit/test_payments_guide.py"),
        ('{"status"', HERE),
    ],
    "docs/publishing.md": [
        ("from balance_client", FIRST),
        ("import asyncio", PUBLISHING),
        ("from threading", PUBLISHING),
        ("    with transaction", PUBLISHING),
        ("from datetime", PUBLISHING),
        ("app.send_task(", FIRST),
        ("    arguments =", PUBLISHING),
        *[("{", PUBLISHING)] * 2,
    ],
    "docs/quickstart.md": [(each.begins, FIRST) for each in blocks_of("docs/quickstart.md")],
    "docs/runbook.md": [
        ("pg_dump", RESTORE),
        ("createdb", RESTORE),
        ("balance-worker verify", RESTORE),
        ("begin;", PRUNE),
    ],
    "docs/scale.md": [
        ("BALANCE_OWNER_URL=", "tests/integration/cli/test_distribute.py"),
        ("export BALANCE_SHARD", "tests/unit/test_shards.py"),
        ("client = BalanceClient(", "tests/unit/test_shards.py"),
    ],
    "docs/security.md": [
        ("user balance_worker", "tests/acceptance/test_acl.py"),
        ("{", HERE),
        ("balance2", "how a signature is made, in no language; the vectors are " + SECURITY),
        ("body      =", "the same"),
        ("[", SECURITY),
        ("import hashlib", SECURITY),
        ("line=$(sed", "tests/integration/anchors/test_anchor_places.py"),
    ],
    "examples/events/README.md": [("$ python", "tests/integration/events/test_consumers.py")],
    "examples/http/README.md": [("npm ci", "tests/acceptance/http/test_sdk.py")],
    "examples/payment_service/README.md": [("$ python", "tests/integration/providers/conftest.py")],
    "examples/publishers/README.md": [("$ python", "tests/recipes/test_node.py")],
}
# Made by commands of ours, and compared with what those write.
GENERATED: Final = {"docs/cli.md"}


def test_every_block_stands_in_the_table() -> None:
    found = {name: [each.begins for each in blocks_of(name)] for name in documents() if name not in GENERATED}
    found = {name: begins for name, begins in found.items() if begins}
    assert found.keys() == BLOCKS.keys()
    for name, begins in found.items():
        known = [start for start, _ in BLOCKS[name]]
        assert len(begins) == len(known), name
        assert [line for line, start in zip(begins, known, strict=True) if not line.startswith(start)] == [], name


@pytest.mark.parametrize("name", BLOCKS)
def test_a_test_that_is_named_reads_the_document_or_runs_what_it_shows(name: str) -> None:
    for begins, by in BLOCKS[name]:
        if by.startswith("tests/"):
            text = (ROOT / by).read_text(encoding="utf-8")
            directory = name.removesuffix("/README.md")
            named = {Path(name).name, directory, *directory.rsplit("/", 1)[-1:]}
            assert any(each in text for each in named), (name, begins, by)


# Commands: what a document says exists, exists.


def _shown() -> list[tuple[str, str]]:
    """Every line that a document shows to be typed, in a block or in a sentence: (document, text)."""
    found = []
    for name in documents():
        if name in GENERATED or name.startswith("docs/decisions/") or name == "CHANGELOG.md":
            continue  # those say what was
        lines = [line for each in blocks_of(name) for line in each.script.replace("\\\n", " ").splitlines()]
        sentences = re.sub(r"^```.*?^```$", "", text_of(name), flags=re.DOTALL | re.MULTILINE)
        found += [(name, text) for text in (*lines, *re.findall(r"`([^`\n]+)`", sentences))]
    return found


def _commands() -> set[tuple[str, str]]:
    """Words after our name."""
    said = ((name, re.search(r"(?:^|[ (])balance-worker ([a-z][^|>;)#]*)", text)) for name, text in _shown())
    return {(name, match[1].strip()) for name, match in said if match and not match.string.startswith("pip")}


@pytest.mark.parametrize(("name", "words"), sorted(_commands()))
def test_a_command_that_is_shown_exists_with_its_options(name: str, words: str) -> None:
    command: Any = make_app()
    rest = shlex.split(words)
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        known = command.commands.get(rest.pop(0))
        assert known is not None, f"{name}: there is no `balance-worker {words}`"
        command = known.load() if isinstance(known, Deferred) else known
    options = {each for parameter in command.params for each in (*parameter.opts, *parameter.secondary_opts)}
    given = {word.partition("=")[0] for word in rest if re.fullmatch(r"--[a-z].*", word)}
    assert given <= options | {"--help"}, f"{name}: `balance-worker {words}`"


def test_a_target_of_make_that_is_shown_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = ((name, re.match(r"make ([a-z-]+)", text)) for name, text in _shown())
    shown = {(name, match[1]) for name, match in asked if match}
    assert len(shown) > 10
    assert [each for each in sorted(shown) if each[1] not in targets] == []


# Documents within documents.


def test_keys_of_the_door_are_such_as_the_door_takes() -> None:
    text = block("docs/http.md", '{"billing"').text.replace("sha256:…", "sha256:" + "0" * 64)
    assert {*keys_in(text)} == {"billing", "shop"}


def test_producers_are_such_as_workers_take() -> None:
    assert {*producers_in(block("docs/security.md", '{\n  "billing"').text).by_name} == {"billing", "support"}


def test_the_outcome_that_is_shown_is_one() -> None:
    shown = json.loads(block("docs/outcomes.md", "{").text)
    for name in ("entry", "bonus_entry"):
        EntryDocument.model_validate(shown[name])
    assert shown["entry"]["balance_after"] == shown["bonus_entry"]["balance_before"]
    assert {*shown} == {each.name for each in fields(Outcome)} - {"raw"}


def test_the_answer_of_a_payment_service_is_understood() -> None:
    told = _told(Answer(200, httpx.Headers(), block("docs/payments.md", '{"status"').text.encode()))
    assert (told.status.value, told.reference, told.code) == ("declined", "ch_42", "insufficient_funds")
