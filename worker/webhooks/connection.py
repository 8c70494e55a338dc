"""HTTP/1.1 on one connection: a request and its answer, then the next."""

from __future__ import annotations

import ssl
from typing import Final

import h11

from worker.webhooks.answers import Answer, NoAnswer
from worker.webhooks.wire import Wire

BODY_MAX: Final = 2_048
_HEAD_MAX: Final = 16_384
_RECEIVED_MAX: Final = 65_536  # all of one answer: interim answers, extensions of chunks and trailers are no body

_BEGINNING: Final = b"HTTP/"

Headers = list[tuple[str, str]]


class Connection:
    """`born`: when it was made, by the loop's clock. `used`: it has carried an answer before."""

    def __init__(self, wire: Wire, born: float) -> None:
        self.born, self.used = born, False
        self._wire = wire
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_MAX)

    @property
    def usable(self) -> bool:
        """For one more request."""
        unasked, _ = self._http.trailing_data
        return self._http.our_state is h11.IDLE and not unasked and self._wire.silent

    async def ask(self, target: str, headers: Headers, body: bytes, answer: Answer) -> None:
        """Fills the answer, to its end or to BODY_MAX. Raises NoAnswer; h11.LocalProtocolError for what is no request.

        Afterwards the connection is usable, or to be closed.
        """
        head = self._http.send(h11.Request(method="POST", target=target, headers=headers)) or b""
        data = self._http.send(h11.Data(data=body)) or b""
        self._wire.write(b"".join((head, data, self._http.send(h11.EndOfMessage()) or b"")))
        try:
            await self._read(answer)
        except h11.RemoteProtocolError:
            lost = self._http.trailing_data[1]  # the other side was done in the middle of it
            raise NoAnswer("connection_lost" if lost else "unreadable_answer") from None
        except ssl.SSLError:  # a certificate of ours that it wants is asked for after the handshake
            raise NoAnswer("tls_failed") from None
        except OSError:
            raise NoAnswer("connection_lost") from None
        self.used = True
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()

    def close(self) -> None:
        self._wire.abort()

    async def _read(self, answer: Answer) -> None:
        received = 0
        while True:
            match self._http.next_event():
                case h11.NEED_DATA if received > _RECEIVED_MAX:
                    if answer.status is None:
                        raise NoAnswer("unreadable_answer")
                    answer.cut = True
                    return
                case h11.NEED_DATA:
                    data = await self._wire.read()
                    # Some protocols greet and then wait: they need not be waited for.
                    if not received and data and not (data.startswith(_BEGINNING) or _BEGINNING.startswith(data)):
                        raise NoAnswer("unreadable_answer")
                    received += len(data)
                    self._http.receive_data(data)
                case h11.Response(status_code=status, headers=headers):
                    answer.status, answer.headers = status, [*headers]
                case h11.Data(data=data):
                    answer.body += data[: BODY_MAX - len(answer.body) + 1]
                    if len(answer.body) > BODY_MAX:
                        answer.cut = True
                        return
                case h11.EndOfMessage():
                    return
                case h11.PAUSED | h11.ConnectionClosed():
                    raise NoAnswer("connection_lost")
