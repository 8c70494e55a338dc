"""What RabbitMQ has confirmed of the messages of a channel: sent one after the other, and waited for together."""

from __future__ import annotations

from itertools import takewhile
from time import monotonic
from typing import Any

from kombu import Connection


class Confirms:
    """Of a channel that nobody else publishes on: messages are known by their number, and the broker counts them."""

    def __init__(self, connection: Connection, channel: Any) -> None:
        self._connection = connection
        self._sent = 0  # the broker counts a channel's messages from 1
        self._unsettled: dict[int, str] = {}  # where each goes, by its number
        self._before = 0  # how many had been sent when this batch began
        self.refused: dict[int, str] = {}  # where those were to go that the broker did not take, by place in the batch
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)

    def begin(self) -> None:
        """Before the first message of a batch."""
        self._before = self._sent
        self.refused.clear()

    def sending(self, where: str) -> None:
        """Before each message is published."""
        self._sent += 1
        self._unsettled[self._sent] = where

    def wait(self, timeout_s: float) -> None:
        """Returns when the broker has answered for all of them. Raises what it or the network did instead."""
        deadline = monotonic() + timeout_s
        while self._unsettled:
            self._connection.drain_events(timeout=max(0.01, deadline - monotonic()))

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._settle(tag, multiple)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for number, where in self._settle(tag, multiple).items():
            self.refused[number - self._before - 1] = where

    def _settle(self, tag: int, multiple: bool) -> dict[int, str]:
        """Where those were to go that are settled now, by their number."""
        settled = [*takewhile(lambda number: number <= tag, self._unsettled)] if multiple else [tag]
        return {each: self._unsettled.pop(each) for each in settled if each in self._unsettled}
