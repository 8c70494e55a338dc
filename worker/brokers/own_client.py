"""Jobs that are published from here, by commands and by pages: signed as whichever producer they are published for."""

from __future__ import annotations

from typing import Final

from balance_client import BalanceClient
from models.contracts.wire.envelope import DEFAULT_PRODUCER
from models.domain.deciding.decision import Limits
from worker.publishers.producers import producers_in
from worker.settings.settings import Settings

_UNKNOWN: Final = "BALANCE_PRODUCERS names no producer {producer!r}, so its jobs would be parked; there are {known}"
_REVERSE: Final = "entries.reverse"
_NO_REVERSER: Final = (
    "BALANCE_PRODUCERS names nobody who may reverse a job of {owner!r}: give one the job {job} and, under reverses, "
    "{owner!r}"
)


class UnknownProducer(Exception):
    """Nobody whom workers know, or who may do this; the text says who is."""


def client_of(settings: Settings, producer: str | None = None) -> BalanceClient:
    """A client that publishes as this producer, signed where workers know theirs.

    Raises UnknownProducer, and ValueError for what can be no producer's name.
    """
    name = producer or DEFAULT_PRODUCER
    return BalanceClient(
        settings.broker_url,
        name,
        settings.result_url,
        settings.queue,
        partitions=settings.partitions,
        brokers=settings.broker_map,
        secret=secret_of(settings, name),
        tls_ca=settings.broker_tls_ca,
        tls_cert=settings.broker_tls_cert,
        tls_key=settings.broker_tls_key,
    )


def reverser_of(settings: Settings, owner: str) -> str:
    """The producer in whose name a job of `owner` is reversed from here: one that BALANCE_PRODUCERS names for it, or
    the owner itself; the usual one where producers are not known. Raises UnknownProducer when nobody may."""
    if settings.producers is None:
        return DEFAULT_PRODUCER
    known = producers_in(settings.producers.get_secret_value()).by_name
    limits = Limits(reversers={name: each.reverses for name, each in known.items()})
    may = [name for name, each in known.items() if _REVERSE in each.jobs and limits.may_reverse(name, owner)]
    if not may:
        raise UnknownProducer(_NO_REVERSER.format(owner=owner, job=_REVERSE))
    return next((name for name in may if name != owner), owner)


def secret_of(settings: Settings, producer: str) -> str | None:
    """What signs this producer's messages; None where workers take messages as they come. Raises UnknownProducer."""
    if settings.producers is None:
        return None
    known = producers_in(settings.producers.get_secret_value()).by_name
    if producer not in known:
        raise UnknownProducer(_UNKNOWN.format(producer=producer, known=", ".join(known)))
    return known[producer].secrets[0]
