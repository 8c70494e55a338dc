"""An official SDK of the second source API, unchanged, against the door: examples/http."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.acceptance.http.running import RunningDoor
from tests.acceptance.system import System
from tests.support.servers.node import need_node

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "http"


def test_the_sdk_opens_a_wallet_tops_it_up_and_reads_it(door: RunningDoor, system: System) -> None:
    environment = {**os.environ, "DOOR_URL": door.url, "DOOR_KEY": door.key}
    ran = subprocess.run(
        [need_node("examples/http"), "sdk.mjs"], cwd=EXAMPLE, env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    opened, first = said["opened"], said["first"]
    assert (opened["customerId"], opened["conversionRate"], opened["creditBalance"]) == ("customer-7", "0.5", "0")
    assert (first["wallet"]["creditBalance"], first["wallet"]["balance"]) == ("12.5", "6.25")
    moved = first["walletTransaction"]
    assert (moved["creditAmount"], moved["type"], moved["metadata"]) == ("12.5", "credit", {"invoice": "1042"})
    assert said["again"] == first, "the same key"
    assert said["read"] == first["wallet"]
    assert said["listed"]["items"] == [moved]
    assert said["listed"]["pagination"] == {"limit": 10, "offset": 0, "total": 1}
    assert said["refused"] == {"status": 409, "code": "idempotency_conflict"}, "that key is another wallet's"
    assert system.count("entries") == 1
