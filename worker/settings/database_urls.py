"""URLs of the database: whatever libpq and SQLAlchemy take, in the one form that both read alike.

    postgresql://user:password@host:5432/ledger?sslmode=verify-full
    postgresql://host1:5432,host2:5433/ledger          tried in turn; the first that can be written to is taken
    postgresql:///ledger?host=host1:5432&host=host2    the same, as SQLAlchemy writes it
    postgresql:///ledger?host=host1,host2&port=5432    the same, as libpq does
    postgresql:///ledger?host=/var/run/postgresql      a Unix socket; or in place of the host, with %2F for each slash
    postgresql:///?service=ledger                      what the service file says

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

_DRIVER: Final = "postgresql+psycopg"
_SCHEMES: Final = frozenset({"postgres", "postgresql", _DRIVER})
_URL: Final = re.compile(
    r"(?P<scheme>[^:]+)://(?:(?P<user>[^/?]*)@)?(?P<hosts>[^/?@]*)(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?"
)
_PLACE: Final = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]*)(?::(?P<port>[0-9]*))?")
_BARE: Final = re.compile(r"[/@].*|(?=.*:.*:)[0-9A-Fa-f:.]+(?:%\w+)?")  # a socket, or an IPv6 address as it is
_PORT_MAX: Final = 65_535
_CHOICES: Final = {
    "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
    "target_session_attrs": frozenset({"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}),
}
_WRITABLE: Final = {"target_session_attrs": "read-write"}
_MARKS: Final = "~!$&'()*+,;="  # that a name or password may have as they are


def canonical(url: str) -> str:
    """The URL as SQLAlchemy takes it for psycopg 3. Raises ValueError when it is none, or lacks a database name."""
    parts = _URL.fullmatch(url)
    if parts is None or parts["scheme"] not in _SCHEMES:
        raise ValueError(url)
    options = _options(parts["query"] or "")
    database = quote(options.pop("dbname", ""), safe=_MARKS) or parts["database"] or ""
    if not database and "service" not in options:
        raise ValueError(url)
    places = _named(options) if "host" in options else _in_place(parts["hosts"], options.pop("port", None))
    if len(places) > 1:
        options = {**_WRITABLE, **options}  # a standby among them would be taken, and could do nothing
    _check(options)
    user = f"{_user(parts['user'])}@" if parts["user"] else ""
    host, port = places[0]
    if len(places) == 1 and "/" not in host and "@" not in host:
        netloc = f"[{host}]" if ":" in host else host
        place = f"{netloc}:{port}" if port else netloc
    else:
        place = ""
        options["host"] = ",".join(host for host, _ in places)
        if any(port for _, port in places):
            options["port"] = ",".join(port for _, port in places)
    query = f"?{urlencode(options, safe='/:@,', quote_via=quote)}" if options else ""
    return f"{_DRIVER}://{user}{place}/{database}{query}"


def _options(query: str) -> dict[str, str]:
    """What stands behind the question mark. Only a host may stand there more than once."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in found and name != "host":
            raise ValueError(name)
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _in_place(hosts: str, port: str | None) -> list[tuple[str, str]]:
    """Where a URL names its hosts: (host, port) for each; the port may be behind the question mark."""
    places = [_place(each) for each in hosts.split(",")]
    return _with_ports(places, port)


def _named(options: dict[str, str]) -> list[tuple[str, str]]:
    """The same for hosts behind the question mark, which is what counts where both are given."""
    hosts, port = options.pop("host").split(","), options.pop("port", None)
    return _with_ports([(host, "") if _BARE.fullmatch(host) else _place(host) for host in hosts], port)


def _place(text: str) -> tuple[str, str]:
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return unquote(found["host"].strip("[]")), found["port"] or ""


def _with_ports(places: Sequence[tuple[str, str]], given: str | None) -> list[tuple[str, str]]:
    """`given`: one for all, or one for each."""
    ports = [port for _, port in places]
    if given is not None:
        ports = given.split(",") * (len(places) if "," not in given else 1)
    if len(ports) != len(places) or any(port and not 0 < _number(port) <= _PORT_MAX for port in ports):
        raise ValueError(ports)
    return [(host, port) for (host, _), port in zip(places, ports, strict=True)]


def _number(port: str) -> int:
    return int(port) if port.isascii() and port.isdigit() else 0


def _check(options: Mapping[str, str]) -> None:
    for name, allowed in _CHOICES.items():
        if name in options and options[name] not in allowed:
            raise ValueError(name)
    if options.keys() - _CHOICES.keys():
        from psycopg import ProgrammingError  # here: few URLs say more
        from psycopg.conninfo import make_conninfo

        try:
            make_conninfo("", **options)
        except ProgrammingError as error:
            raise ValueError(str(error)) from error


def _user(text: str) -> str:
    name, colon, password = text.partition(":")
    return quote(unquote(name), safe=_MARKS) + colon + quote(unquote(password), safe=_MARKS)
