"""Everything that is written of policies and charges, once: for tests of what a role may write."""

from models.domain.charging.policies import ProviderName
from models.store.connection.session import transaction
from models.store.write.top_ups import switches
from tasks.apply.retries import RetryingApplier
from tasks.auto_topup.charging import Asker
from tasks.auto_topup.provider import ChargeAnswer, ChargeRequest, ProviderStatus
from tests.support.builders import done


def charge_something(applier: RetryingApplier) -> None:
    """Policies set and changed, a charge asked for, pending and settled, charging paused."""
    engine = applier.engine
    level = {"account": "user:1", "trigger": "balance_below_threshold", "threshold": 100, "amount": 5}
    done(engine, "auto_topup.set_policy", **level)
    done(engine, "auto_topup.set_policy", **level, provider="http", payer="p", cooldown_s=0)
    fired = done(engine, "auto_topup.run_now", account="user:1")
    pending = ChargeAnswer(ProviderStatus.PENDING, "r")

    class Undecided:
        def charge(self, _request: ChargeRequest) -> ChargeAnswer:
            return pending

    Asker(applier, {ProviderName.HTTP: Undecided()}).ask_due()
    done(engine, "charges.settle", charge_id=fired["job_id"], status="needs_action")
    done(engine, "auto_topup.resume", account="user:1")
    done(engine, "charges.settle", charge_id=fired["job_id"], status="succeeded")
    with transaction(engine) as connection:
        for on in (False, True):
            switches.switch(connection, switches.CHARGING, on=on, by="me", reason="r")
