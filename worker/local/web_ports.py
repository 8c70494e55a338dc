"""Where what people open in a browser listens: the usual port, or another when that is taken and none was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from worker.local.ports import free_port, refusal
from worker.local.probes import web_address
from worker.local.server_error import ServerError
from worker.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class WebPort:
    """A process that serves pages: BALANCE_<NAME>_ADDRESS and BALANCE_<NAME>_PORT are where."""

    name: str
    title: str
    probe: str  # a path that is answered once it serves

    def address(self, settings: Settings) -> str:
        return str(getattr(settings, f"{self.name}_address"))

    def port(self, settings: Settings) -> int:
        return int(getattr(settings, f"{self.name}_port"))

    def url(self, settings: Settings) -> str:
        return web_address(self.address(settings), self.port(settings))

    def may_move(self, settings: Settings) -> bool:
        return f"{self.name}_port" not in settings.model_fields_set

    def chosen(self, settings: Settings, *, may_move: bool) -> Settings:
        """Settings with a port that is free. Raises ServerError when one was asked for that is not."""
        refused = refusal(self.address(settings), self.port(settings))
        if refused is None:
            return settings
        if may_move:
            return self.moved(settings)
        variable = f"BALANCE_{self.name.upper()}"
        raise ServerError(
            f"{self.title} cannot listen on {self.address(settings)} port {self.port(settings)}: {refused}: set"
            f" {variable}_PORT or {variable}_ADDRESS to what is free here"
        )

    def moved(self, settings: Settings) -> Settings:
        return settings.model_copy(update={f"{self.name}_port": free_port()})


FLOWER: Final = WebPort("flower", "Flower", "healthcheck")
HTTP: Final = WebPort("http", "The HTTP door", "healthz")
