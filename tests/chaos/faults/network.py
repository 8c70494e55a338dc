"""Networks that fail: of one process to one server, or of all processes to it."""

from __future__ import annotations

import random
from abc import abstractmethod

from tests.chaos.faults.fault import NETWORK, Fault
from tests.chaos.site import Site
from tests.support.servers.proxy import Proxy


class _OfNetwork(Fault):
    holds = frozenset({NETWORK})

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        server = how.choice(("broker", "broker", "database"))
        names = [name for name in site.networks if name.endswith(f"/{server}")]
        chosen = names if how.random() < 0.4 else [how.choice(names)]
        self.what = f"of {'all' if len(chosen) > 1 else chosen[0].partition('/')[0]} to the {server}"
        self.links = [link for name in chosen for link in site.networks[name]]
        self.seconds = how.uniform(1, 5)

    def begin(self) -> None:
        for link in self.links:
            self.act(link)

    @abstractmethod
    def act(self, link: Proxy) -> None: ...

    def end(self) -> None:
        for link in self.links:
            link.heal()


class Cut(_OfNetwork):
    counts = "network cut"

    def act(self, link: Proxy) -> None:
        link.refuse()


class Delay(_OfNetwork):
    counts = "network delayed"

    def act(self, link: Proxy) -> None:
        link.delay_s = self.how.uniform(0.02, 0.2)


class HalfOpen(_OfNetwork):
    """Nothing passes and nobody is told. In the end what was held up arrives after all, or the connections break."""

    counts = "network half-open"

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(4, 9)  # around the socket timeout
        self._breaks = how.random() < 0.5

    def act(self, link: Proxy) -> None:
        link.go_silent(for_all=True)

    def end(self) -> None:
        if self._breaks:
            for link in self.links:
                link.cut()
        super().end()
