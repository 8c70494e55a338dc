"""Prints each new event from a stream of Redis or Valkey as a line of JSON.

    python examples/events/redis_consumer.py --url redis://127.0.0.1:6379/0 --group shop --name shop-1

Needs: pip install redis
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from threading import Event
from typing import Any

import redis

REMEMBERED = 100_000


def entries(client: Any, given: argparse.Namespace) -> Iterator[tuple[str, dict[str, str]]]:
    """What a consumer has left that died or hangs, then what is new; nothing when a second brings nothing."""
    group, mine = given.group, given.name
    yield from client.xautoclaim(given.stream, group, mine, min_idle_time=given.idle_ms, count=100)[1]
    for _, found in client.xreadgroup(group, mine, {given.stream: ">"}, count=100, block=1000) or ():
        yield from found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="redis://127.0.0.1:6379/0")
    parser.add_argument("--stream", default="balance.events")
    parser.add_argument("--group", default="example", help="its consumers share the events")
    parser.add_argument("--name", default="example-1", help="of this consumer")
    parser.add_argument("--idle-ms", type=int, default=60_000, help="whose entry waits longer is taken for dead")
    given = parser.parse_args()
    stopping = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    client: Any = redis.Redis.from_url(given.url, decode_responses=True, protocol=2)
    try:
        client.xgroup_create(given.stream, given.group, id="0", mkstream=True)  # "$": only what comes from now on
    except redis.ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):  # the group is there
            raise
    print("ready", file=sys.stderr, flush=True)
    seen: dict[str, None] = {}  # a service has a unique key for the id, written with what it does for the event
    while not stopping.is_set():
        for entry, fields in entries(client, given):
            if fields and fields["id"] not in seen:  # empty: trimmed before it was acknowledged
                print(fields["event"], flush=True)
                seen[fields["id"]] = None
                if len(seen) > REMEMBERED:
                    del seen[next(iter(seen))]
            client.xack(given.stream, given.group, entry)
    client.close()


if __name__ == "__main__":
    main()
