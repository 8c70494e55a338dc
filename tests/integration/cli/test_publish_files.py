"""balance-worker publish --csv and --jsonl: a line, a key; what came of each; and going on after anything."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine

from tests.acceptance.system import wait_until
from tests.integration.cli.conftest import NOWHERE, Cli, told
from tests.support.command import SCRIPT
from tests.support.servers.queues import taken
from worker.cli.jobs.job_lines import csv_lines

HEADER = "idempotency_key,wallet_id,credits_to_add,transaction_reason,metadata"
GIFTS = "\n".join(
    [
        HEADER,
        *(f"gift-{number},w1,0.01,FREE_CREDIT_GRANT," for number in range(1, 4)),
        'gift-4,w1,1e1,FREE_CREDIT_GRANT,"{""note"":\n ""of two lines""}"',
        "gift-5,nobody,1,FREE_CREDIT_GRANT,",
        ",w1,1,FREE_CREDIT_GRANT,",
        "gift-7,w1,a lot,FREE_CREDIT_GRANT,",
        "gift-8,w1,1",
        "gift-9,w1,1.5,FREE_CREDIT_GRANT,",
        "",
    ]
)


def results(path: Path) -> list[tuple[Any, ...]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert all((each["job_id"] is None) == (each["status"] not in ("applied", "rejected")) for each in lines)
    return [(each["line"], each["key"], each["status"], each["code"]) for each in lines]


def test_each_line_is_applied_or_refused_with_its_number_and_code(
    with_worker: Cli, engine: Engine, tmp_path: Path
) -> None:
    file, out = tmp_path / "gifts.csv", tmp_path / "gifts.csv.results.jsonl"
    file.write_text("\ufeff" + GIFTS)
    command = ["publish", "wallets.top_up", "--csv", str(file), "--wait", "30"]
    first = with_worker(*command)
    assert first.returncode == 1, first.stderr
    assert first.stderr.splitlines()[0] == "line 8: invalid_request: idempotency_key is missing"
    assert "line 10: malformed_line: there are 3 cells under 5 names" in first.stderr
    assert "line 7: wallet_not_found" in first.stderr
    assert [word.split() for word in first.stdout.splitlines()][:3] == [
        ["invalid", "3"], ["applied", "5"], ["rejected", "1"],
    ]  # fmt: skip
    told_lines = [
        (2, "gift-1", "applied", "applied"),
        (3, "gift-2", "applied", "applied"),
        (4, "gift-3", "applied", "applied"),
        (5, "gift-4", "applied", "applied"),
        (7, "gift-5", "rejected", "wallet_not_found"),
        (8, None, "invalid", "invalid_request"),
        (9, "gift-7", "invalid", "invalid_request"),
        (10, None, "invalid", "malformed_line"),
        (11, "gift-9", "applied", "applied"),
    ]
    assert sorted(results(out)) == told_lines
    assert with_worker.json("accounts", "show", "wallet:w1")["balance"] == 1153

    assert "--resume goes on where it ends" in told(with_worker(*command))
    # What was never published is read again: the file may have been mended.
    file.write_text("\ufeff" + GIFTS.replace("a lot", "2"))
    again = with_worker(*command, "--resume", "--json")
    assert json.loads(again.stdout)["lines"] == {"done before": 6, "invalid": 2, "applied": 1}
    # And to begin anew changes nothing.
    anew = with_worker(*command, "--results", str(tmp_path / "other"), "--json")
    assert json.loads(anew.stdout)["lines"] == {"invalid": 2, "applied": 6, "rejected": 1}
    assert with_worker.json("accounts", "show", "wallet:w1")["balance"] == 1353


def test_lines_of_json_name_their_jobs(on_redis: Cli, tmp_path: Path) -> None:
    file = tmp_path / "jobs.jsonl"
    lines = [
        '{"job": "wallets.hold", "idempotency_key": "k1", "wallet_id": "w1", "credits": 0.100000000000000001}',
        '{"job": "users.upsert", "idempotency_key": "k2", "user_id": 7, "producer": "p7"}',
        '{"job": "users.upset", "idempotency_key": "k3"}',
        '{"idempotency_key": "k4"}',
        '["k5"]',
        '{"idempotency_key": ',
        "[" * 100_000,
    ]
    file.write_text("\n".join([*lines[:2], "", *lines[2:]]))
    ended = on_redis("publish", "--jsonl", str(file), "--wait", "0", "--producer", "p", "--json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["lines"] == {"invalid": 5, "published": 2}
    codes = [(line, code) for line, _, _, code in results(tmp_path / "jobs.jsonl.results.jsonl")]
    malformed = [(number, "malformed_line") for number in (5, 6, 7, 8)]
    assert sorted(codes, key=str) == sorted([(1, None), (2, None), (4, "unknown_job"), *malformed], key=str)
    sent = [json.loads(message.body or b"")[1] for message in taken(on_redis.settings["broker_url"], "balance")]
    assert sent == [
        {"idempotency_key": "k1", "producer": "p", "wallet_id": "w1", "credits": "0.100000000000000001"},
        {"idempotency_key": "k2", "producer": "p7", "user_id": 7},
    ]


def test_it_goes_on_where_the_broker_went_away(on_redis: Cli, tmp_path: Path) -> None:
    file, out = tmp_path / "users.csv", tmp_path / "told"
    file.write_text("job,idempotency_key,user_id\n" + "".join(f"users.upsert,k{n},7\n" for n in range(700)))
    command = ["publish", "--csv", str(file), "--results", str(out)]
    said = told(on_redis(*command, "--wait", "0", broker_url=f"redis://{NOWHERE}/0"))
    assert "--resume goes on then" in said
    assert results(out) == []
    # Some lines are settled, the last one was being written: the others are published.
    applied = {"status": "applied", "code": "applied", "job_id": "x"}
    settled = [json.dumps({"line": n + 2, "key": f"k{n}", **applied}) for n in range(690)]
    out.write_text("\n".join([*settled, '{"line": 7']))
    assert on_redis.json(*command, "--wait", "0", "--resume")["lines"] == {"done before": 690, "published": 10}
    assert [key for _, key, _, _ in results(out)] == [f"k{n}" for n in range(700)]
    messages = taken(on_redis.settings["broker_url"], "balance")
    keys = [json.loads(each.body or b"")[1]["idempotency_key"] for each in messages]
    assert keys == [f"k{n}" for n in range(690, 700)]

    file.write_text("job,idempotency_key,user_id\nusers.upsert,other,1\n")
    assert "line 2 had another key than 'other'" in told(on_redis(*command, "--resume"))


def test_it_goes_on_after_it_was_killed(on_redis: Cli, tmp_path: Path) -> None:
    file, out, lines = tmp_path / "users.csv", tmp_path / "told", 20_000
    file.write_text("job,idempotency_key,user_id\n" + "".join(f"users.upsert,k{n},7\n" for n in range(lines)))
    command = ["publish", "--csv", str(file), "--results", str(out), "--wait", "0"]
    settings = {f"BALANCE_{name.upper()}": value for name, value in on_redis.settings.items()}
    with subprocess.Popen([SCRIPT, *command], env={**os.environ, **settings}) as process:
        wait_until("the first results", lambda: out.exists() and out.stat().st_size)
        process.kill()
    assert len(out.read_bytes().splitlines()) < lines
    assert sum(on_redis.json(*command, "--resume")["lines"].values()) == lines
    assert {key for _, key, _, _ in results(out)} == {f"k{n}" for n in range(lines)}
    with Redis.from_url(on_redis.settings["broker_url"]) as server:
        frames = server.lrange("balance", 0, -1)
    assert isinstance(frames, list)
    sent = [json.loads(frame)["headers"]["kwargsrepr"] for frame in frames]
    assert len(set(sent)) == lines
    assert len(sent) < 2 * lines, "it went on, and did not begin anew"


def test_without_a_worker_lines_have_no_outcome_yet(on_redis: Cli, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("idempotency_key,user_id\nk1,1\n")
    ended = on_redis("publish", "users.upsert", "--csv", str(file), "--wait", "0.2")
    assert (ended.returncode, "--resume asks again" in ended.stderr) == (3, True)
    assert results(tmp_path / "users.csv.results.jsonl") == [(2, "k1", "published", None)]


@pytest.mark.parametrize(
    ("text", "words", "says"),
    [
        (b"user_id\n1\n", ["users.upsert"], "there is no column idempotency_key"),
        (b"idempotency_key\nk\n", [], "there is no column job"),
        (b"", ["users.upsert"], "there is no column idempotency_key"),
        (b"idempotency_key,user_id,user_id\nk,1,2\n", ["users.upsert"], "names user_id twice"),
        (b'idempotency_key,user_id\n"k"k,1\n', ["users.upsert"], "line 2: this is not CSV"),
        (b"idempotency_key,user_id\n\xff,1\n", ["users.upsert"], "line 2: this is not UTF-8"),
        (b"idempotency_key\n", ["users.upset"], "did you mean users.upsert?"),
        (b"idempotency_key\n", ["users.upsert", "--key", "k"], "a file goes with NAME"),
    ],
)
def test_what_is_no_file_of_jobs_is_said_in_a_sentence(
    on_redis: Cli, tmp_path: Path, text: bytes, words: list[str], says: str
) -> None:
    file = tmp_path / "jobs.csv"
    file.write_bytes(text)
    assert says in told(on_redis("publish", *words, "--csv", str(file)))
    assert list(taken(on_redis.settings["broker_url"], "balance")) == []


def test_a_file_that_is_not_there_and_options_without_one_are_said_in_a_sentence(on_redis: Cli, tmp_path: Path) -> None:
    there = tmp_path / "there.csv"
    there.write_text("idempotency_key,user_id\nk,1\n")
    publish = ["publish", "users.upsert"]
    assert "no such file" in told(on_redis(*publish, "--csv", str(tmp_path / "none")))
    assert "is a directory" in told(on_redis(*publish, "--csv", str(there), "--results", str(tmp_path), "--resume"))
    assert "go with a file" in told(on_redis(*publish, "--resume"))
    (tmp_path / "strange").write_text("no result\n")
    strange = on_redis(*publish, "--csv", str(there), "--results", str(tmp_path / "strange"), "--resume")
    assert "line 1: this is no result of a line" in told(strange)


def test_lines_are_read_as_they_are_needed() -> None:
    class Counting(io.BytesIO):
        read_lines = 0

        def __next__(self) -> bytes:
            self.read_lines += 1
            return super().__next__()

    file = Counting(b"idempotency_key,user_id\n" + b"k,1\n" * 1_000)
    lines = csv_lines(file, "users.upsert")
    assert [next(lines).number for _ in range(3)] == [2, 3, 4]
    assert file.read_lines == 4


def test_jobs_come_through_a_pipe(with_worker: Cli, engine: Engine, tmp_path: Path) -> None:
    pipe = tmp_path / "jobs"
    os.mkfifo(pipe)
    command = ["publish", "users.upsert", "--jsonl", str(pipe), "--wait", "30"]
    assert "need a FILE for what came of them" in told(with_worker(*command)), "none is made beside a pipe"
    writer = Thread(target=pipe.write_text, args=('{"idempotency_key": "piped", "user_id": 77}\n',))
    writer.start()
    done = with_worker(*command, "--results", str(tmp_path / "out"))
    writer.join(10)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "out") == [(1, "piped", "applied", "applied")]
