"""README and the quickstart as a newcomer follows them: one `up`, and every block typed into another shell, in order.

The commands of guides, too, that need no more than that.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import pytest

from balance_client import BalanceClient
from tests.acceptance.system import wait_until
from tests.support.documents import Block, block, blocks_of
from tests.support.servers import servers
from worker.local.ports import free_ports

PROGRAMS: Final = Path(sys.executable).parent
BARE: Final = {name: value for name, value in os.environ.items() if not name.startswith("BALANCE_")}
ON_SITE: Final = "redis://localhost:6379/0"  # where guides that are read on another machine say the broker is
LIMIT_S: Final = 60
README: Final = blocks_of("README.md")
STRAY: Final = """
import os
from celery import Celery
Celery(broker=os.environ["BALANCE_BROKER_URL"]).send_task("wallets.misspelt", queue="balance")
"""


class Shell:
    """The second terminal, in the directory in which `up` was started."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory, self.environment = directory, dict(environment)

    def run(self, each: Block, **replaced: str) -> str:
        """What the block writes. Fails where it ends badly, or writes something else than the document shows."""
        script = each.script.replace(ON_SITE, self.environment["BALANCE_BROKER_URL"])
        for old, new in replaced.items():
            assert old in script
            script = script.replace(old, new)
        words = ["python", "-c", script] if each.language == "python" else ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(
            words,
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, (each, done.stdout, done.stderr)
        assert each.has_shown(done.stdout), (each, done.stdout)
        return done.stdout


@contextmanager
def up(directory: Path) -> Iterator[Shell]:
    """`balance-worker up` in its terminal, until Ctrl-C; a shell that was given the lines it prints."""
    log = directory / "up.log"
    # Endpoints of webhooks have secrets; the ledger of docs/events.md has a key for those.
    given = {**BARE, "BALANCE_WEBHOOK_KEY": "0" * 64}
    with log.open("w") as output:
        process = subprocess.Popen(
            [PROGRAMS / "balance-worker", "up"], cwd=directory, env=given, stdout=output, stderr=output
        )
    try:

        def printed() -> list[str] | None:
            assert process.poll() is None, log.read_text()
            told, _, lines = log.read_text().partition("\nFor another shell")
            exports = [line for line in lines.splitlines() if line.startswith("export ")]
            return exports if "sample_wallet=wallet:w_1" in told and lines.endswith("\n") and exports else None

        lines = wait_until("`up` to be ready", printed, 120)
        assert (directory / ".balance-worker" / "env").read_text().splitlines() == lines
        script = "\n".join([*lines, "env -0"])
        done = subprocess.run(["bash", "-c", script], env=BARE, capture_output=True, text=True, check=True)
        yield Shell(directory, dict(pair.split("=", 1) for pair in done.stdout.split("\0") if "=" in pair))
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_S) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def directory() -> Iterator[Path]:
    with servers.server_directory() as directory:
        yield directory


def test_every_block_of_the_quickstart_and_of_readme_does_what_it_says(directory: Path) -> None:
    with up(directory) as shell:
        for each in blocks_of("docs/quickstart.md"):
            if each.script.strip() != "make up":
                shell.run(each)
        _readme(shell)


@pytest.mark.slow
def test_blocks_of_guides_do_what_they_say(directory: Path) -> None:
    with up(directory) as shell:
        _guides(shell)
        _anchors(shell)
        _letters(shell)


def _readme(shell: Shell) -> None:
    [_, _, _, typed, plain, door, _, look] = README
    assert shell.run(typed) == "applied\n"
    assert shell.run(typed) == "applied\n", "the first answer again"
    shell.run(plain)
    settled = "until balance-worker jobs show --producer rides --key ride-77; do :; done"
    assert "applied" in shell.run(Block("", "sh", settled, None))
    assert '"id":"w_2"' in shell.run(door)
    said = shell.run(look)
    assert "invoice-1041" in said
    assert "verify: ok" in said
    assert "doctor: 0 failure" in said


def _guides(shell: Shell) -> None:
    shell.run(block("clients/python/README.md", "from balance_client import BalanceClient"))
    charged = block("clients/python/README.md", "from balance_client import AsyncBalanceClient")
    asked = "\n\nimport asyncio\nprint(asyncio.run(charge('order-1', '1.50')))"
    assert shell.run(Block("", "python", charged.text + asked, None)) == "True\n"
    shell.run(block("docs/publishing.md", "from balance_client import BalanceClient, JobParked"))
    app = README[4].script.partition("app.send_task(")[0]
    shell.run(Block("", "python", app + block("docs/publishing.md", "app.send_task(").script, None))
    # shop.example is nobody's: the endpoint is added, and what it is sent waits.
    assert "whsec_" in shell.run(block("docs/events.md", "balance-worker webhooks add"))
    [_, keys, door] = block("docs/http.md", "pip install 'balance-worker[http]'").script.splitlines()
    assert "bwk_billing_" in shell.run(Block("", "sh", keys, None))
    assert door.startswith("BALANCE_HTTP_KEYS=/etc/balance-worker/http-keys.json balance-worker http ")


def _anchors(shell: Shell) -> None:
    anchors = block("docs/operations.md", "balance-worker anchor-keys")
    [make, _, write, compare] = anchors.script.splitlines()
    (shell.directory / "worm").mkdir()
    made = shell.run(Block("", "sh", make, None), **{"/etc/balance": "keys"})
    private, public = re.findall(r"keys/\S+", made)
    shell.environment |= {"BALANCE_ANCHOR_KEY": private, "BALANCE_ANCHOR_TO": "worm/ledger.anchors"}
    assert "anchor: number 1" in shell.run(Block("", "sh", write, None))
    places = {"/mnt/worm/ledger.anchors": "worm/ledger.anchors", "anchor-51d2f0c4a9b87e63.pub": public}
    assert "verify: ok" in shell.run(Block("", "sh", compare, None), **places)


def _letters(shell: Shell) -> None:
    shell.run(Block("", "python", STRAY, None))
    look = "until balance-worker dead-letters list --json | jq -er '.dead_letters[0].id'; do :; done"
    shell.environment["ID"] = shell.run(Block("", "sh", look, None)).split()[-1]
    letters = block("docs/operations.md", "balance-worker dead-letters list")
    assert "wallets.misspelt" in shell.run(letters)


@pytest.mark.slow
def test_two_clones_run_side_by_side(directory: Path) -> None:
    """Started in the same moment, each has ports of its own, and a ledger of its own behind them."""
    places = [directory / "one", directory / "two"]
    for place in places:
        place.mkdir(mode=0o711)
    clones = [up(place) for place in places]
    with ThreadPoolExecutor(2) as pool, ExitStack() as running:
        shells = list(pool.map(running.enter_context, clones))
        for name in ("BALANCE_BROKER_URL", "BALANCE_DATABASE_URL", "DOOR_URL", "FLOWER_URL"):
            assert shells[0].environment[name] != shells[1].environment[name]
        for shell, wallet in zip(shells, ("one", "two"), strict=True):
            opened = f"balance-worker publish wallets.create --arg wallet_id={wallet} --key {wallet}"
            shell.run(Block("", "sh", f'{opened} && curl -fsS "$FLOWER_URL"', None))
        for shell, wallet in zip(shells, ("one", "two"), strict=True):
            key = '"X-API-Key: $(cat "$DOOR_KEY_FILE")"'
            asked = f'curl -fsS "$DOOR_URL/v1/wallets/{wallet}" -H {key}'
            assert f'"id":"{wallet}"' in shell.run(Block("", "sh", asked, None))
            listed = shell.run(Block("", "sh", "balance-worker accounts list", None))
            assert [other for other in ("one", "two") if f"wallet:{other}" in listed] == [wallet]


def test_the_commands_that_run_it(directory: Path, redis_url: str, empty_database_url: str) -> None:
    """Each in a terminal of its own, with the two addresses; only ports are others than the usual ones here."""
    [migrate, *commands] = README[6].script.splitlines()
    flower, door = free_ports(2)
    environment = {
        **BARE, "PATH": f"{PROGRAMS}:{BARE['PATH']}", "BALANCE_BROKER_URL": redis_url,
        "BALANCE_DATABASE_URL": empty_database_url, "FLOWER_PORT": str(flower), "BALANCE_HTTP_PORT": str(door),
        "BALANCE_HTTP_KEYS": '{"k": {"hashes": ["sha256:' + "0" * 64 + '"], "producer": "p"}}',
    }  # fmt: skip
    assert "migrate: " in Shell(directory, environment).run(Block("", "sh", migrate, None))
    running: list[tuple[subprocess.Popen[bytes], Path]] = []
    try:
        for number, command in enumerate(commands):
            log = directory / f"{number}.log"
            with log.open("wb") as output:
                words = ["bash", "-c", f"exec {command}"]
                process = subprocess.Popen(words, cwd=directory, env=environment, stdout=output, stderr=output)
            running.append((process, log))
        with BalanceClient(redis_url) as client:
            assert client.users_upsert(idempotency_key="k", user_id=1).get(LIMIT_S).applied
        for url in (f"http://127.0.0.1:{flower}/healthcheck", f"http://127.0.0.1:{door}/healthz"):
            wait_until(url, partial(_answers, url))
        for process, log in running:
            assert process.poll() is None, log.read_text()
    finally:
        for process, _ in running:
            process.terminate()
        for process, _ in running:
            process.wait(LIMIT_S)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False
