"""A receiver of webhooks as a process of its own, of which some requests fail: `python -m tests.load.receiver …`.

It verifies by the specification of Standard Webhooks, and not by what signs here. What it was sent, and what it said to
it, is in its log: a line a request.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import random
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from typing import IO, Final, Literal

Word = Literal["taken", "failed", "reset", "held", "unsigned"]
FAILURES: Final[tuple[Word, ...]] = ("failed", "reset", "held")
_THANKS: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_FAILED: Final = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno"
_HALF: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nhalf"
_HELD_S: Final = 60.0  # longer than anybody waits


class Receiver:
    """`share`: of the requests that fail, in one way or another."""

    def __init__(self, secret: str, share: float, seed: int, log: IO[str]) -> None:
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._share, self._random, self._log = share, random.Random(seed), log

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answered(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever sent it waits no longer
        finally:
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether there may be another request on this connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.decode().split("\r\n")[1:])
        }
        body = await reader.readexactly(int(headers["content-length"]))
        word = self._word(headers, body)
        event = json.loads(body)
        self._log.write(f"{headers['webhook-id']} {event['account']} {event['seq']} {word}\n")
        match word:
            case "taken":
                writer.write(_THANKS)
                return True
            case "failed" | "unsigned":
                writer.write(_FAILED)
                return True
            case "reset":
                writer.write(_HALF)
                await writer.drain()
                away: socket.socket = writer.get_extra_info("socket")
                away.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case "held":
                await asyncio.wait_for(reader.read(1), _HELD_S)
        return False

    def _word(self, headers: Mapping[str, str], body: bytes) -> Word:
        said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.digest(self._key, said, hashlib.sha256)).decode()
        if wanted not in headers["webhook-signature"].split():
            return "unsigned"
        return self._random.choice(FAILURES) if self._random.random() < self._share else "taken"


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("--port", int), ("--secret", str), ("--share", float), ("--seed", int), ("--log", str)):
        parser.add_argument(name, type=kind, required=True)
    given = parser.parse_args()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    with open(given.log, "w", encoding="utf-8") as log:
        receiver = Receiver(given.secret, given.share, given.seed, log)
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", given.port)
        sys.stdout.write(f"ready on http://127.0.0.1:{given.port}\n")
        sys.stdout.flush()
        await ended.wait()
        server.close()


if __name__ == "__main__":
    asyncio.run(_main())
