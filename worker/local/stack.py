"""All of it on one machine: the servers (embedded unless given), migrations, workers, beat, Flower and the door."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from models.store.schema.migrations import make_schema, upgrade
from worker.database import grant_roles, migrating_engine
from worker.encoding.urls import SecretUrl
from worker.local.children import METERED, Children, has_flower, web_ports
from worker.local.data_directory import hold, located
from worker.local.http import ensure_app, has_http, with_http_key
from worker.local.ports import free_ports
from worker.local.probes import web_address
from worker.local.server_error import plainly
from worker.local.servers.embedded import EmbeddedPostgres, EmbeddedValkey, check_installed
from worker.local.servers.keeper import ServerKeeper
from worker.local.supervisor import Announcer, Event, Supervisor
from worker.local.web_ports import FLOWER, HTTP, WebPort
from worker.local.webhook import checked, ensure_endpoint, with_key
from worker.settings.settings import Settings


def _ignore(_event: Event) -> None:
    """Nobody listens."""


class Stack:
    """The whole product under `data_dir`: `postgres`, `valkey`, `logs`, `beat-schedule`.

    PostgreSQL is embedded unless BALANCE_DATABASE_URL was given, Valkey unless BALANCE_BROKER_URL was. `on_event` hears
    of servers, migrations and children, from several threads, one call at a time. `webhook`: where events are sent as
    well.
    """

    def __init__(
        self,
        settings: Settings,
        data_dir: Path,
        on_event: Callable[[Event], None] = _ignore,
        *,
        webhook: str | None = None,
    ) -> None:
        self.data_dir = located(data_dir)
        self._webhook = None if webhook is None else checked(webhook)
        self.webhook_secret: str | None = None  # after start(): of the endpoint at `webhook`
        self.settings = settings  # after start(): with the addresses of the embedded servers
        self._tell = Announcer(on_event)
        given = settings.model_fields_set
        self._may_move = {port for port in web_ports() if port.may_move(settings)}
        self.http_api_key: str | None = None  # after start(): for all three APIs, unless keys were given
        self.postgres = None if "database_url" in given else EmbeddedPostgres(self.data_dir)
        fsync = settings.embedded_appendfsync
        self.valkey = None if "broker_url" in given else EmbeddedValkey(self.data_dir, appendfsync=fsync)
        self.supervisor: Supervisor | None = None
        self._keepers: list[ServerKeeper] = []
        self._metrics: dict[str, int] = {}  # the ports of processes
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def flower_url(self) -> str | None:
        """Where Flower is; None when it is not installed. Its port is known after start()."""
        return FLOWER.url(self.settings) if has_flower() else None

    @property
    def http_url(self) -> str | None:
        """Where the HTTP door is; None when what it is made of is not installed. As `flower_url`."""
        return HTTP.url(self.settings) if has_http() else None

    @property
    def metrics_urls(self) -> dict[str, str]:
        """By process, where it answers /metrics, /healthz and /readyz; known after start()."""
        address = self.settings.metrics_address
        urls = {name: web_address(address, port) for name, port in self._metrics.items()}
        return urls if self.http_url is None else {**urls, HTTP.name: self.http_url}

    def start(self, ready_timeout_s: float = 60.0) -> None:
        """Start everything and return when it is ready to take jobs; whatever was started is stopped when it fails.

        Raises ServerError (the directory, an embedded server, a port), NotReady (a worker, beat or Flower), or what the
        migrations ran into.
        """
        if self.postgres is not None or self.valkey is not None:
            check_installed()  # before anything is made or changed in the directory
        try:
            self._lock = hold(self.data_dir)
            for port in web_ports():
                self.settings = port.chosen(self.settings, may_move=port in self._may_move)
            self._start_servers()
            self._migrate()
            self._tell(Event("ready", "migrations", None, "the database is at the newest revision"))
            if self._webhook is not None:
                self.settings = with_key(self.settings, self.data_dir)
                self.webhook_secret = ensure_endpoint(self.settings, self._webhook)
            if has_http():
                self.settings, self.http_api_key = with_http_key(self.settings, self.data_dir)
                if self.http_api_key is not None:
                    ensure_app(self.settings)
            self._metrics = dict(zip(METERED, free_ports(len(METERED)), strict=True))
            children = Children(self.data_dir, lambda: self.settings, self._moved, self._metrics)
            self.supervisor = Supervisor(children.all(), self.data_dir / "logs", self._tell)
            with plainly(self.data_dir):
                self.supervisor.start()
            self.supervisor.wait_ready(ready_timeout_s)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the children, the workers warmly, and only then the servers. May be repeated."""
        if self.supervisor is not None:
            self.supervisor.stop()
            self.supervisor = None
        while self._keepers:
            self._keepers.pop().stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _start_servers(self) -> None:
        chosen: dict[str, object] = {}
        for server in (self.postgres, self.valkey):
            if server is not None:
                keeper = ServerKeeper(server, self._tell)
                self._keepers.append(keeper)
                keeper.start()
        if self.postgres is not None:
            chosen |= {"database_url": SecretUrl(self.postgres.worker_url), "owner_url": SecretUrl(self.postgres.url)}
            chosen |= {"flower_database_url": SecretUrl(self.postgres.reader_url)}
        if self.valkey is not None:
            chosen["broker_url"] = SecretUrl(self.valkey.url)
        self.settings = self.settings.model_copy(update=chosen)

    def _migrate(self) -> None:
        """As the owner, and the workers under a role of their own, where there are both."""
        settings = self.settings
        engine = migrating_engine(settings, lambda _silence: None)
        try:
            if settings.schema_name is not None:
                make_schema(engine, settings.schema_name)
            upgrade(engine)
        finally:
            engine.dispose()
        grant_roles(settings)

    def _moved(self, port: WebPort) -> bool:
        """Gives it another port, unless one was asked for."""
        if port not in self._may_move:
            return False
        self.settings = port.moved(self.settings)
        return True
