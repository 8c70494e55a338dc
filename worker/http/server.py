"""The door's process: uvicorn around the application, with a limit on all that a stranger can hold on to."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import httptools
import structlog
import uvicorn
from sqlalchemy import Engine
from starlette.routing import Router
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from balance_client import AsyncBalanceClient
from balance_client.publishing.result_reader import broker_connection, connect
from models.store.server.hindrance import look
from worker.database import engine_for
from worker.encoding.places import broker_places, database_place
from worker.http.app import make_app
from worker.http.door import Door
from worker.http.handlers import Bounds, Handlers
from worker.http.health import Readiness
from worker.http.metrics import DoorMetrics
from worker.http.reads import Reads
from worker.observability.log.configuring import configure_logging
from worker.publishers.http_keys import KeyRing
from worker.publishers.producers import producers_in
from worker.publishers.rate import RateLimiter
from worker.settings.settings import Settings
from worker.tracing.registry import tracer_of

_LOG: Final = structlog.get_logger(__name__)
_WAIT_MAX_S: Final = 300.0
_BROKER_TIMEOUT_S: Final = 3.0  # of one answer of the broker; there are three attempts
_HEADERS_MAX: Final = 32_768
_OF_UPGRADES: Final = (b"upgrade", b"http2-settings")
_IDLE_S: Final = 65  # longer than the usual proxy keeps a connection: it is never the door that closes under a request


class Unusable(Exception):
    """The door cannot be opened with these settings; the text says what to do."""


class Hindered(Exception):
    """The database is there, and takes nothing."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's, which waits for ever for a request to begin, and for one that has begun to come to its end; takes
    headers without end; and loses the body of a request that would rather speak another protocol.
    """

    request_timeout_s = 10.0
    _timer: asyncio.TimerHandle | None = None
    _in_head = _asks_upgrade = _refused = False
    _head_size = 0  # of the headers that are there, and of what has come since of one that is not

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin_timer()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._begin_timer()  # empty lines begin no request, and end uvicorn's own patience
        in_head = self._in_head
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_on(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse()
        else:
            self._head_size += len(data) if in_head and self._in_head else 0
            if self._in_head and self._head_size > _HEADERS_MAX:
                self._refuse()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_size, self._asks_upgrade = True, 0, False
        self._begin_timer()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._head_size += len(name) + len(value) + len(": \r\n")

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._head_size > _HEADERS_MAX:
            raise ValueError("larger than headers may be")  # which the parser hands on as an error of its own
        self._asks_upgrade = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if not self._asks_upgrade:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._asks_upgrade:
            self._end_timer()
            super().on_message_complete()

    def _read_on(self, rest: bytes) -> None:
        """An upgrade may be declined, but then the request counts: the parser has left its body out. Read once more,
        as if it did not ask. Java's client asks for h2c with the first request of a connection, whatever it is.
        """
        version = self.parser.get_http_version().encode()
        head = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            kept = [value]
            if name == b"connection":
                kept = [each for each in value.split(b",") if each.strip().lower() not in _OF_UPGRADES]
            if name not in _OF_UPGRADES:
                head.append(b"%b: %b" % (name, b",".join(kept)))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does, for pipelines
        self.data_received(b"\r\n".join((*head, b"", rest)))

    def _refuse(self) -> None:
        too_large = self._head_size > _HEADERS_MAX
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if too_large else HTTPStatus.BAD_REQUEST
        said = f"The headers may have {_HEADERS_MAX} bytes at the most" if too_large else "This is no HTTP request"
        if not self.transport.is_closing():
            self.transport.write(
                f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
                f"Content-Length: {len(said)}\r\nConnection: close\r\n\r\n{said}".encode()
            )
            self._refused = True
            if self.cycle is not None and not self.cycle.response_complete:
                self.transport.close()  # whose answer is nobody's to finish
                return
            # Closed with something unread, it is reset, and the answer lost: the other side closes it, or the timer.
            self.transport.write_eof()
            self._begin_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_timer()
        super().connection_lost(exc)

    def _begin_timer(self) -> None:
        self._end_timer()
        self._timer = self.loop.call_later(self.request_timeout_s, self._too_slow)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self.transport.close()


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or Ctrl-C; requests that wait for their outcome get it first. Raises Unusable."""
    if settings.http_keys is None:
        raise Unusable("BALANCE_HTTP_KEYS names nobody who may use the door: balance-worker http-key makes a key")
    configure_logging(settings.log_level, settings.log_format)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _nothing)  # uvicorn heeds it, and raises it once more when all is done
    listening = _listening(settings.http_address, settings.http_port)
    engine = engine_for(settings)
    try:
        app = _app(settings, engine, KeyRing(settings.http_keys.get_secret_value()))
        protocol = type("Bounded", (BoundedProtocol,), {"request_timeout_s": settings.http_request_timeout_s})
        uvicorn.Server(
            uvicorn.Config(
                app,
                loop="uvloop",
                http=protocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=settings.http_connections,
                timeout_keep_alive=_IDLE_S,
                timeout_graceful_shutdown=int(settings.http_wait_s) + 5,
            )
        ).run(sockets=[listening])
    finally:
        engine.dispose()
        listening.close()


def _listening(address: str, port: int) -> socket.socket:
    """Before anything else is made, and once and for all: who asks first whether a port is free may lose it."""
    try:
        return socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    except OSError as error:
        why = (os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)).lower()
        raise Unusable(
            f"cannot listen on {address} port {port}: {why}: set BALANCE_HTTP_PORT or BALANCE_HTTP_ADDRESS to what is"
            " free here"
        ) from error


def _nothing(*_: object) -> None:
    """The process ends with 0."""


def _app(settings: Settings, engine: Engine, keys: KeyRing) -> Router:
    producers = None if settings.producers is None else producers_in(settings.producers.get_secret_value())
    secrets = {} if producers is None else {name: each.secrets[0] for name, each in producers.by_name.items()}
    tls = settings.tls
    client = AsyncBalanceClient(
        str(settings.broker_url),
        result_url=settings.result_url,
        queue=settings.queue,
        timeout_s=_BROKER_TIMEOUT_S,
        partitions=settings.partitions,
        brokers=settings.broker_map,
        tls_ca=tls.ca,
        tls_cert=tls.cert,
        tls_key=tls.key,
    )
    handlers = Handlers(
        Door(client, secrets),
        keys,
        RateLimiter(settings.http_rate_per_s),
        DoorMetrics(),
        Bounds(settings.http_wait_s, _WAIT_MAX_S, settings.http_max_body_bytes),
    )
    readiness = Readiness({"broker": partial(_reach_broker, settings), "database": partial(_look_at_database, engine)})

    @asynccontextmanager
    async def around(_app: Any) -> AsyncIterator[None]:
        async with client:
            _LOG.info(
                "http.serving", address=settings.http_address, port=settings.http_port,
                broker=broker_places(settings.broker_url), database=database_place(settings.database_url),
            )  # fmt: skip
            yield

    return make_app(
        handlers, Reads(engine, settings.shard), readiness, around, tracer_of(settings, "balance-worker-http")
    )


def _reach_broker(settings: Settings) -> None:
    connection = broker_connection(str(settings.broker_url), _BROKER_TIMEOUT_S, settings.tls)
    try:
        connect(connection)
    finally:
        connection.release()


def _look_at_database(engine: Engine) -> None:
    """As workers do: what they could not write is not to be asked for."""
    if (hindrance := look(engine).hindrance) is not None:
        raise Hindered(hindrance.what)
