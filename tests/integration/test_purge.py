"""Jobs that were accepted are destroyed by no command of Celery's."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from balance_client import BalanceClient
from tests.support.servers.queues import taken

JOBS = 50
# Each as on the command line, in one process: starting Celery takes longest.
SCRIPT = """
import json, sys
from celery.bin.celery import celery
from click.testing import CliRunner
from worker.app import app

for command in json.loads(sys.argv[1]):
    done = CliRunner().invoke(celery, ["-A", "worker.app", *command])
    print(json.dumps([command, done.exit_code, done.output]))
try:
    app.control.purge()
except Exception as error:
    print(json.dumps([["app.control.purge"], 1, str(error)]))
"""


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_no_command_empties_a_queue_of_money_jobs_and_each_says_what_to_do(
    request: pytest.FixtureRequest, broker: str, unique_queue: str
) -> None:
    url: str = request.getfixturevalue(f"{broker}_url")
    keys = [f"k{number}" for number in range(JOBS)]
    with BalanceClient(url, queue=unique_queue) as client:
        client.submit_many([("users.upsert", {"idempotency_key": key, "user_id": 1}) for key in keys])
    refused = [
        ["purge", "-f"],
        ["purge", "-f", "-Q", unique_queue],
        ["amqp", "queue.purge", unique_queue],
        ["amqp", "queue.delete", unique_queue],
        ["amqp", "basic.get", unique_queue, "true"],
        ["worker", "--purge", "--pool=solo"],
        ["worker", "--discard", "--pool=solo"],
    ]
    allowed = ["purge", "-f", "-Q", f"{unique_queue}.io"]
    mine = {"BALANCE_BROKER_URL": url, "BALANCE_QUEUE": unique_queue, "BALANCE_IO_QUEUE": f"{unique_queue}.io"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps([*refused, allowed])],
        env={**os.environ, **mine}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[[")]
    told = {" ".join(command): (code, output) for command, code, output in results}
    assert len(told) == len(refused) + 2
    for command, (code, output) in told.items():
        if command == " ".join(allowed):
            assert (code, "would destroy" in output) == (0, False)
            continue
        assert "would destroy accepted jobs" in output, command
        assert "dead-letters list" in output, command
        assert "Traceback" not in output, command
        assert code == 1 or command.startswith("amqp"), command  # that program shows what went wrong, and ends with 0
    assert [message.payload[1]["idempotency_key"] for message in taken(url, unique_queue)] == keys
