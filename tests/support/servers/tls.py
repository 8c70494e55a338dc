"""Certificates of a test's own authority, and a proxy that speaks TLS in front of a server that does not."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
_PG_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


@dataclass(frozen=True)
class Authority:
    """A certificate authority with one certificate, for server and client alike, that names 127.0.0.1."""

    ca: str
    cert: str
    key: str


def authority(directory: Path, name: str, host: str = "IP:127.0.0.1") -> Authority:
    """Made with openssl; the test is skipped where there is none."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    files = {part: str(directory / f"{name}-{part}.pem") for part in ("ca", "cakey", "cert", "key", "csr", "ext")}
    Path(files["ext"]).write_text(f"subjectAltName={host}\nauthorityKeyIdentifier=keyid\n")
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    subject = ["-subj", f"/CN={name}"]
    sign = ["-CA", files["ca"], "-CAkey", files["cakey"], "-CAcreateserial", "-extfile", files["ext"], "-days", "2"]
    for command in (
        ["req", "-x509", *_KEY, *subject, *usage, "-days", "2", "-keyout", files["cakey"], "-out", files["ca"]],
        ["req", *_KEY, *subject, "-keyout", files["key"], "-out", files["csr"]],
        ["x509", "-req", "-in", files["csr"], *sign, "-out", files["cert"]],
    ):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    return Authority(files["ca"], files["cert"], files["key"])


class TlsProxy:
    """Listens with TLS on 127.0.0.1 and forwards to the server of `url`. Asks for a certificate when told so."""

    def __init__(self, url: str, known: Authority, *, ask: bool = False) -> None:
        self._target = urlsplit(url)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(known.cert, known.key)
        if ask:
            self._context.load_verify_locations(known.ca)
            self._context.verify_mode = ssl.CERT_REQUIRED
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> int:
        """The port."""
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def url(self, port: int, scheme: str) -> str:
        user, at, _ = self._target.netloc.rpartition("@")
        return urlunsplit(self._target._replace(scheme=scheme, netloc=f"{user}{at}127.0.0.1:{port}"))

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> int:
        postgres = self._target.scheme.startswith("postgresql")
        context = None if postgres else self._context
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if self._target.scheme.startswith("postgresql"):
                assert await reader.readexactly(8) == _PG_SSL_REQUEST, "the client must not speak in the clear"
                writer.write(b"S")
                await writer.start_tls(self._context)
            back, forth = await asyncio.open_connection(self._target.hostname, self._target.port)
            await asyncio.gather(_forward(reader, forth), _forward(back, writer))
        writer.close()
        self._tasks.discard(task)

    async def _end(self) -> None:
        self._server.close()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()


@contextlib.contextmanager
def encrypted(url: str, scheme: str, known: Authority, *, ask: bool = False) -> Iterator[str]:
    """A URL on which the server of `url` speaks TLS."""
    proxy = TlsProxy(url, known, ask=ask)
    port = proxy.start()
    try:
        yield proxy.url(port, scheme)
    finally:
        proxy.close()
