"""A payment provider that says the same of every charge."""

from typing import Any

from tasks.auto_topup.provider import ChargeAnswer, ChargeRequest


class Answering:
    def __init__(self, *answer: Any) -> None:
        self._answer = ChargeAnswer(*answer)
        self.asked = list[ChargeRequest]()

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        self.asked.append(request)
        return self._answer
