"""Messages of RabbitMQ whose properties py-amqp cannot read: delivered all the same, so that they can be parked.

RabbitMQ passes on whatever bytes a publisher writes into a property, a header or a routing key. py-amqp raises on some
of them (text that is not UTF-8, a year that Python has not, tables nested a thousand levels deep) in the middle of its
read loop: the worker ends, gets the same message again when it is back, and ends again.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import pack
from typing import Any, Final

from amqp import basic_message, serialization, spec
from amqp.method_framing import frame_handler as stock_frame_handler

UNREADABLE: Final = "balance_unreadable"
"""The one header of such a message: the bytes of its properties, hexadecimal."""

_Message: Any = basic_message.Message  # its stubs leave out what it is made by

Frame = tuple[int, int, bytes]
"""Type, channel, payload."""

_HEADER: Final = 2  # the type of the frame that holds a message's size and properties
_SIZE_END: Final = 12  # class, weight and size of the body come first
_HEADERS_ALONE: Final = pack(">H", 0x2000)  # the flag of the property `headers`
_DELIVER: Final = "sLbss"  # consumer tag, delivery tag, redelivered, exchange, routing key
_METHOD_END: Final = 4
_SHORT_MAX: Final = 255  # bytes of a short string


def frame_handler(connection: Any, callback: Callable[..., Any]) -> Callable[[Frame], Any]:
    """py-amqp's, which reads a second time, without what is unreadable, what it cannot read the first time."""

    def on_method(channel: int, method: tuple[int, int], arguments: bytes, content: Any) -> Any:
        try:
            return callback(channel, method, arguments, content)
        except UnicodeDecodeError:
            if method != spec.Basic.Deliver or _is_read(serialization.loads, _DELIVER, arguments, _METHOD_END):
                raise
        return callback(channel, method, _with_readable_names(arguments), content)

    on_frame = stock_frame_handler(connection, on_method)

    def on_any_frame(frame: Frame) -> Any:
        try:
            return on_frame(frame)
        except Exception:
            kind, channel, payload = frame
            if kind != _HEADER or _is_read(_Message().inbound_header, payload):
                raise
        return on_frame((kind, channel, _without_properties(payload)))

    return on_any_frame


def _is_read(read: Callable[..., Any], *arguments: Any) -> bool:
    try:
        read(*arguments)
    except Exception:  # noqa: BLE001 - whatever it is, it is why the caller asks
        return False
    return True


def _without_properties(header: bytes) -> bytes:
    kept = serialization.dumps("F", ({UNREADABLE: header[_SIZE_END:].hex()},))
    return bytes(header[:_SIZE_END]) + _HEADERS_ALONE + kept


def _with_readable_names(arguments: bytes) -> bytes:
    """The arguments of a delivery with the bytes of its exchange and routing key spelled out."""
    end_of_consumer = _METHOD_END + 1 + arguments[_METHOD_END]
    names_at = end_of_consumer + 8 + 1  # the delivery tag, and the bit
    cleaned = bytes(arguments[:names_at])
    for _ in range(2):
        length, start = arguments[names_at], names_at + 1
        name = bytes(arguments[start : start + length]).decode("utf-8", "backslashreplace").encode()[:_SHORT_MAX]
        cleaned += bytes([len(name)]) + name
        names_at = start + length
    return cleaned
