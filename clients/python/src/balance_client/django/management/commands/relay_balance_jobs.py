"""manage.py relay_balance_jobs"""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from balance_client import PublishFailed
from balance_client.client import CHUNK_MAX
from balance_client.django import outbox


class Command(BaseCommand):
    """Ends on SIGTERM and SIGINT, with what it has in hand done."""

    help = "Publishes the money jobs of the outbox until it is stopped; several of these share the work."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--database", help="the alias of the database with the outbox")
        parser.add_argument("--limit", type=int, default=500, help=f"so many at once, at most {CHUNK_MAX}")
        parser.add_argument("--pause", type=float, default=0.5, help="look again after so many seconds")
        parser.add_argument("--once", action="store_true", help="end when nothing waits any more")

    def handle(self, *_: Any, **options: Any) -> None:
        database, limit = options["database"], options["limit"]
        stopping = Event()
        if not 1 <= limit <= CHUNK_MAX:
            raise CommandError(f"--limit is {limit}; allowed is 1 to {CHUNK_MAX}")
        with outbox.client_of_settings() as client:
            if options["once"]:
                try:
                    while outbox.relay(client, using=database, limit=limit) == limit:
                        pass
                except PublishFailed as error:
                    raise CommandError(f"nothing was removed: {error}") from error
                return
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stopping.set())
            outbox.relay_until(stopping, client, using=database, limit=limit, pause_s=options["pause"])
