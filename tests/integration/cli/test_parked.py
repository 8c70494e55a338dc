"""balance-worker jobs parked"""

from __future__ import annotations

import json
import uuid
from base64 import b64decode

import pytest
from sqlalchemy import Engine

from models.store.dead_letters import DeadLetter, park
from models.store.session import transaction
from tests.integration.cli.conftest import Cli, told

BODY = '[[], {"amount": 1.10, "note": "\x1b[2J…"}, {}]'.encode()


@pytest.fixture
def letters(engine: Engine) -> list[str]:
    """Ids of three parked messages, the one seen last first; the first of all came twice."""
    made = []
    for number, body in enumerate([b"\xff\x00", BODY, BODY]):
        letter = DeadLetter(
            reason="unusable_key",
            error=f"no key, number {number}",
            task="wallets.top_up" if number else None,
            task_id=f"id-{number}",
            queue="balance",
            headers={"lang": "py", "number": number},
            body=body if number < 2 else body + b" ",
        )
        for _ in range(2 if number == 0 else 1):
            with transaction(engine) as connection:
                letter_id = park(connection, letter)
        made.append(str(letter_id))
    return made[::-1]


def test_list(cli: Cli, letters: list[str]) -> None:
    lines = cli.text("jobs", "parked").splitlines()
    assert lines[0].split("  ")[0] == "letter"
    assert [line.split()[0] for line in lines[1:]] == letters
    assert lines[1].split()[1:4] == ["unusable_key", "wallets.top_up", "1"]
    assert lines[1].endswith("no key, number 2")
    assert lines[3].split()[1:3] == ["unusable_key", "2"]


def test_list_as_json_comes_in_pages(cli: Cli, letters: list[str]) -> None:
    first = cli.json("jobs", "parked", "--limit", "2")
    assert [letter["id"] for letter in first["parked"]] == letters[:2]
    assert first["next"] == letters[1]
    assert set(first["parked"][0]) == {
        *("id", "reason", "task", "queue", "error", "attempts", "first_seen", "last_seen"),
    }
    second = cli.json("jobs", "parked", "--limit", "2", "--before", first["next"])
    assert [letter["id"] for letter in second["parked"]] == letters[2:]
    assert second["next"] is None


def test_show_prints_the_body_without_steering_the_terminal(cli: Cli, letters: list[str]) -> None:
    text = cli.text("jobs", "parked", "--show", letters[1])
    assert '[[], {"amount": 1.10, "note": "\\x1b[2J…"}, {}]' in text
    assert "\x1b" not in text
    assert "no key, number 1" in text
    assert '{"lang":"py","number":1}' in text


def test_show_as_json_has_the_bytes(cli: Cli, letters: list[str]) -> None:
    whole = cli.json("jobs", "parked", "--show", letters[1])
    assert whole["body"] == BODY.decode()
    assert b64decode(whole["body_base64"]) == BODY
    assert json.dumps(whole["headers"]) == '{"lang": "py", "number": 1}'
    garbage = cli.json("jobs", "parked", "--show", letters[2])
    assert garbage["body"] is None
    assert b64decode(garbage["body_base64"]) == b"\xff\x00"
    assert "\\xff" in cli.text("jobs", "parked", "--show", letters[2])


def test_nothing_parked_says_so(cli: Cli, engine: Engine) -> None:
    done = cli("jobs", "parked")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "nothing is parked\n")


def test_show_what_is_not_there(cli: Cli, engine: Engine) -> None:
    assert "no message is parked under" in told(cli("jobs", "parked", "--show", str(uuid.UUID(int=1))), 1)
