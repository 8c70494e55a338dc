"""balance-worker dead-letters list | show | discard"""

from __future__ import annotations

import io
import json
import uuid
from base64 import b64decode

import pytest
from rich.console import Console
from sqlalchemy import Engine

from models.contracts.wire.dead_letter import DeadLetter
from models.store.connection.session import transaction
from models.store.write.dead_letters import park
from tests.integration.cli.conftest import Cli, told
from tests.support.builders import done, execute, rows
from worker.cli.terminal.progress import Advance

BODY = '[[], {"amount": 1.10, "note": "\x1b[2J…"}, {}]'.encode()


def made(engine: Engine, *letters: DeadLetter) -> list[str]:
    """Ids of letters that were parked together."""
    with transaction(engine) as connection:
        return [str(letter_id) for letter_id in park(connection, letters)]


def letter(
    number: int, body: bytes = BODY, reason: str = "unusable_key", task: str | None = "wallets.top_up"
) -> DeadLetter:
    return DeadLetter(
        reason=reason,
        error=f"no key, number {number}",
        task=task,
        task_id=f"id-{number}",
        queue="balance",
        headers={"lang": "py", "number": number},
        body=body,
        properties={"content_type": "application/json"},
    )


@pytest.fixture
def letters(engine: Engine) -> list[str]:
    """Ids of three letters, the one seen last first; the first of all came twice."""
    bad = letter(0, b"\xff\x00", "undecodable", None)
    oldest_first = [made(engine, *group)[0] for group in ([bad, bad], [letter(1)], [letter(2, BODY + b" ")])]
    return oldest_first[::-1]


def test_list(cli: Cli, letters: list[str]) -> None:
    lines = cli.text("dead-letters", "list").splitlines()
    assert lines[0].split("  ")[0] == "letter"
    assert [line.split()[0] for line in lines[1:]] == letters
    assert lines[1].split()[1:5] == ["parked", "unusable_key", "wallets.top_up", "1"]
    assert lines[1].endswith("no key, number 2")
    assert lines[3].split()[1:4] == ["parked", "undecodable", "2"]


def test_list_as_json_comes_in_pages(cli: Cli, letters: list[str]) -> None:
    first = cli.json("dead-letters", "list", "--limit", "2")
    assert [each["id"] for each in first["dead_letters"]] == letters[:2]
    assert first["next"] == letters[1]
    assert set(first["dead_letters"][0]) == {
        *("id", "status", "reason", "task", "queue", "error", "attempts", "first_seen", "last_seen", "producer"),
        *("idempotency_key", "closed_at", "closed_by", "discard_reason", "job_id", "job_status", "job_code"),
    }
    second = cli.json("dead-letters", "list", "--limit", "2", "--before", first["next"])
    assert [each["id"] for each in second["dead_letters"]] == letters[2:]
    assert second["next"] is None


def test_list_filters(cli: Cli, letters: list[str]) -> None:
    found = {"--reason": "unusable_key", "--task": "wallets.top_up", "--status": "parked", "--since": "1h"}
    options = [word for option in found.items() for word in option]
    page = cli.json("dead-letters", "list", *options, "--until", "2100-01-01")["dead_letters"]
    assert [each["id"] for each in page] == letters[:2]


def test_show_prints_the_body_without_steering_the_terminal(cli: Cli, letters: list[str]) -> None:
    text = cli.text("dead-letters", "show", letters[1])
    assert '"amount": 1.10,' in text  # indented, digit for digit
    assert '"note": "\\u001b[2J…"' in text
    assert "\x1b" not in text
    assert "no key, number 1" in text
    assert '"number": 1' in text
    assert f"balance-worker dead-letters replay {letters[1]}" in " ".join(text.split())


def test_show_as_json_has_the_bytes(cli: Cli, letters: list[str]) -> None:
    whole = cli.json("dead-letters", "show", letters[1])
    assert whole["body"] == BODY.decode()
    assert b64decode(whole["body_base64"]) == BODY
    assert json.dumps(whole["headers"]) == '{"lang": "py", "number": 1}'
    assert whole["properties"] == {"content_type": "application/json"}
    bad = cli.json("dead-letters", "show", letters[2])
    assert bad["body"] is None
    assert b64decode(bad["body_base64"]) == b"\xff\x00"
    assert "\\xff" in cli.text("dead-letters", "show", letters[2])


def test_a_letter_leads_to_the_job_of_its_key(cli: Cli, engine: Engine) -> None:
    made(engine, DeadLetter("failed", "e", "users.upsert", "t", "balance", {}, b"[]", producer="shop", key="k"))
    assert cli.json("dead-letters", "list")["dead_letters"][0]["job_id"] is None
    job = done(engine, "users.upsert", user_id=1, producer="shop", idempotency_key="k")
    [listed] = cli.json("dead-letters", "list")["dead_letters"]
    assert (listed["job_id"], listed["job_status"], listed["job_code"]) == (job["job_id"], "applied", "applied")
    assert f"balance-worker jobs show {job['job_id']}" in cli.text("dead-letters", "show", listed["id"])


def test_nothing_parked_says_so(cli: Cli, engine: Engine) -> None:
    finished = cli("dead-letters", "list")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "there are no such dead letters\n")


@pytest.mark.parametrize("command", [["show"], ["replay"], ["discard", "--reason", "r"]], ids=lambda c: str(c[0]))
def test_what_is_not_there(cli: Cli, engine: Engine, command: list[str]) -> None:
    assert "there is no dead letter" in told(cli("dead-letters", *command, str(uuid.UUID(int=1))), 1)


def test_what_is_discarded_stays_with_the_reason_and_the_time(cli: Cli, engine: Engine, letters: list[str]) -> None:
    said = cli.text("dead-letters", "discard", letters[0], "--reason", " by a test ", "--by", "olga")
    assert said == "discarded 1 letter\n"
    assert cli.json("dead-letters", "show", letters[0])["closed_by"] == "olga"
    [row] = rows(engine, "select * from dead_letters where status = 'discarded'")
    assert (str(row["id"]), row["discard_reason"], bytes(row["body"])) == (letters[0], "by a test", BODY + b" ")
    assert row["closed_at"] > row["last_seen"]
    said = told(cli("dead-letters", "discard", letters[0], letters[1], "--reason", "again", "--yes"), 1)
    assert f"letter {letters[0]} was discarded already" in said
    assert "(by a test)" in said
    assert said.endswith("nothing was changed")
    assert cli.json("dead-letters", "show", letters[1])["status"] == "parked"


def test_a_discarded_message_that_comes_again_is_a_new_letter(cli: Cli, engine: Engine, letters: list[str]) -> None:
    cli.text("dead-letters", "discard", letters[0], "--reason", "r")
    [again] = made(engine, letter(2, BODY + b" "))
    assert again != letters[0]
    assert cli.json("dead-letters", "show", letters[0])["discard_reason"] == "r"
    assert cli.json("dead-letters", "show", again)["attempts"] == 1


def test_discard_by_a_filter(cli: Cli, engine: Engine, letters: list[str]) -> None:
    options = ["dead-letters", "discard", "--reason", "r", "--parked-for", "unusable_key"]
    said = told(cli(*options))
    assert said == "balance-worker: Discard 2 letters? There is no terminal to answer on: repeat with --yes."
    assert cli.json(*options, "--yes") == {"discarded": 2}
    assert [row["reason"] for row in rows(engine, "select reason from dead_letters where status = 'parked'")] == [
        "undecodable"
    ]
    assert cli.json(*options, "--yes") == {"discarded": 0}


@pytest.mark.parametrize("command", [["replay"], ["discard", "--reason", "r"]], ids=["replay", "discard"])
def test_without_a_filter_all_has_to_be_said(cli: Cli, letters: list[str], command: list[str]) -> None:
    assert "say --all" in told(cli("dead-letters", *command))
    assert "by ID or a filter" in told(cli("dead-letters", *command, letters[0], "--all"))


def test_a_discard_needs_a_reason(cli: Cli, letters: list[str]) -> None:
    assert "--reason" in told(cli("dead-letters", "discard", letters[0]))
    assert "say why" in told(cli("dead-letters", "discard", letters[0], "--reason", " "))


def test_a_letter_of_another_time_is_not_touched_by_a_filter(cli: Cli, engine: Engine, letters: list[str]) -> None:
    long_ago = "update dead_letters set first_seen = now() - interval '2 days', last_seen = now() - interval '2 days'"
    execute(engine, f"{long_ago} where id = cast(:id as uuid)", id=letters[1])
    assert cli.json("dead-letters", "discard", "--reason", "old", "--until", "1d") == {"discarded": 1}
    assert cli.json("dead-letters", "show", letters[1])["status"] == "discarded"


def test_the_bar_shows_how_far_it_is_once_it_takes_long() -> None:
    screen = io.StringIO()
    with Advance("Replaying", 300, Console(file=screen, force_terminal=True, width=100), after_s=0) as advance:
        advance.by(100)
        advance.by(150)
    assert "Replaying" in screen.getvalue()
    assert "250/300" in screen.getvalue()


def test_the_bar_stays_away_when_it_is_quick() -> None:
    screen = io.StringIO()
    with Advance("Replaying", 3, Console(file=screen, force_terminal=True), after_s=60) as advance:
        advance.by(3)
    assert screen.getvalue() == ""
