"""TCP ports: which can be had, and who listens on one."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
# Below the range that Linux takes source ports from: a remembered port is seldom taken by somebody's connection.
_PORTS: Final = range(15_000, 32_000)
_LISTENING: Final = "0A"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    while not is_free(port := secrets.choice(_PORTS)):
        continue
    return port


def free_ports(count: int) -> list[int]:
    """So many of them, no two alike."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return [*found]


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    return refusal(HOST, port) is None


def refusal(address: str, port: int) -> str | None:
    """Why a server could not listen there now; None: it could."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return None


def listens(pid: int, port: int) -> bool:
    """Whether this process itself listens on the port. Where the system does not tell (it is not Linux): True."""
    process = Path(f"/proc/{pid}")
    if not Path("/proc/self/net/tcp").exists():
        return True
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(process / "net" / table, port)}
    try:
        return any(os.readlink(file) in sockets for file in (process / "fd").iterdir())
    except FileNotFoundError:  # it ended, or closed a file meanwhile: asked again
        return False


def _listening(table: Path, port: int) -> list[str]:
    """The inodes of the sockets that listen on the port."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except FileNotFoundError:  # there is no IPv6
        return []
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]
