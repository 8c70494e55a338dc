"""All faults."""

from __future__ import annotations

from typing import Final

from tests.chaos.faults.brokers import BrokerRefuses, BrokerRestart, ResultsFrozen, ResultsKilled
from tests.chaos.faults.clocks import BeatClock
from tests.chaos.faults.control import Canceled, ShutDown, Storm
from tests.chaos.faults.databases import DatabaseCrash, DatabaseRestart, HotLock, Revoked, Terminate
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.network import Cut, Delay, HalfOpen
from tests.chaos.faults.processes import Kill, Pause, Stop
from tests.chaos.faults.receivers import ReceiverDown, ReceiverFails, ReceiverSilent
from tests.chaos.faults.standby import Misdirected, Promoted, StandbyAway

FAULTS: Final[tuple[type[Fault], ...]] = (
    Kill, Kill, Kill, Stop, Pause, BrokerRestart, BrokerRefuses, DatabaseRestart, DatabaseCrash, Terminate, HotLock,
    Cut, Cut, Delay, HalfOpen, Promoted, StandbyAway, Misdirected, Revoked, BeatClock, ResultsFrozen, ResultsKilled,
    Canceled, ShutDown, Storm, ReceiverDown, ReceiverFails, ReceiverSilent,
)  # fmt: skip
"""A deck: each is dealt once, as often as it stands here, before any comes again."""
