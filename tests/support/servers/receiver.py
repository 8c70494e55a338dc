"""An endpoint for webhooks that takes everything, unless it is told otherwise."""

from __future__ import annotations

from tests.support.servers.recording_proxy import Asked, RecordingProxy, Reply


class Receiver(RecordingProxy):
    """Nobody stands behind it. `url` has it on 127.0.0.1."""

    def __init__(self) -> None:
        super().__init__("http://receiver.invalid")

    def reply(self, asked: Asked) -> Reply:
        return Reply(200, b"thanks")

    @property
    def port(self) -> int:
        return self._port

    @property
    def ids(self) -> list[str]:
        """Of the events that came, in their order."""
        return [asked.headers["webhook-id"] for asked in self.asked]
