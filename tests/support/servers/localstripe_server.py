"""localstripe, a stand-in for Stripe that nobody of us wrote: python -m tests.support.servers.localstripe_server

On a port of its own, on this machine alone and in memory; by itself it listens to all the world, at a port that must be
free, and keeps what it knows in one file for everybody.
"""

from __future__ import annotations

import socket
import sys

from aiohttp import web
from localstripe.resources import Store
from localstripe.server import app


def main() -> None:
    Store.dump_to_disk = lambda _store: None
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    web.run_app(app, sock=listener, print=None)


if __name__ == "__main__":
    main()
