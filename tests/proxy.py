"""A TCP proxy in front of a server, whose connections a test can cut."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit


class CuttableProxy:
    """Forwards bytes both ways; `cut` ends every connection that is open, and new ones work again."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The server's URL with the proxy's address in it."""
        credentials, at, _ = self._target.netloc.rpartition("@")
        address = f"{credentials}{at}127.0.0.1:{self._listener.getsockname()[1]}"
        return urlunsplit(self._target._replace(netloc=address))

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # how the thread ends: the listener was closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._target.hostname, self._target.port))
                self._open += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    @staticmethod
    def _forward(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):  # how a connection ends: either side is gone
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):  # it had ended by itself
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()


@contextlib.contextmanager
def cuttable(url: str) -> Iterator[CuttableProxy]:
    proxy = CuttableProxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
