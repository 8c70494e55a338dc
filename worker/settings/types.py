"""The kinds of values that settings take: each checked, each with what is allowed in words."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic.config import JsonDict
from pydantic_settings import NoDecode

from balance_client.brokers.addresses import check_broker, redis_address
from models.domain.sharding.shard import SHARDS_MAX, Shard, parse
from worker.encoding.urls import SecretUrl
from worker.settings.database_urls import canonical


def _broker_url(url: str) -> SecretUrl:
    check_broker(url)
    return SecretUrl(url)


def _result_url(url: str) -> SecretUrl:
    if url != "rpc://":
        redis_address(url)
    return SecretUrl(url)


def _database_url(url: str) -> SecretUrl:
    return SecretUrl(canonical(url))


def _credentials(value: SecretStr) -> SecretStr:
    user, _, password = value.get_secret_value().partition(":")
    if not user or not password:
        raise ValueError
    return value


def _producers(value: SecretStr) -> SecretStr:
    from worker.publishers.producers import producers_in  # knows all jobs, which most commands need not load

    producers_in(value.get_secret_value())
    return value


def _pem_file(path: str) -> str:
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ValueError from error
    if "-----BEGIN " not in text:
        raise ValueError
    return path


def _shard(text: object) -> object:
    return parse(text) if isinstance(text, str) else text


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


BrokerUrl = Annotated[str, AfterValidator(_broker_url)]
ResultUrl = Annotated[str, AfterValidator(_result_url)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
ProducersText = Annotated[SecretStr, AfterValidator(_producers)]
PemFile = Annotated[str, AfterValidator(_pem_file)]
Credentials = Annotated[SecretStr, AfterValidator(_credentials)]
Directory = Path
ShardText = Annotated[Shard | None, NoDecode, BeforeValidator(_shard)]
Text = Annotated[str, AfterValidator(str.strip)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]

BROKERS: JsonDict = {"allowed": "a redis://, rediss://, sentinel://, sentinels://, amqp:// or amqps:// URL with a host"}
RESULTS: JsonDict = {"allowed": "a redis://, rediss://, sentinel:// or sentinels:// URL with a host, or rpc://"}
DATABASES: JsonDict = {
    "allowed": "a postgresql:// URL with a database name, as libpq takes it (host1:5432,host2:5432 for several)"
}
SHARDS: JsonDict = {
    "allowed": f"NUMBER/COUNT, such as 3/16: COUNT is a power of two from 2 to {SHARDS_MAX}, and NUMBER is less"
}
BROKER_MAPS: JsonDict = {
    "allowed": 'a JSON object of ranges of partitions, such as {"0-7": "redis://a", "8-15": "redis://b"}, or the path '
    "of a file with one"
}
NAME = r"^[A-Za-z0-9._-]{1,100}$"
NAMES: JsonDict = {"allowed": "1 to 100 letters, digits, dots, hyphens and underscores"}
ANCHOR_PLACES: JsonDict = {"allowed": "the path of a file, s3://bucket/prefix, or - for stdout"}
DIRECTORIES: JsonDict = {"allowed": "a directory; unset: balance-worker-UID in that for temporary files"}
PEM_FILES: JsonDict = {"allowed": "the path of a readable PEM file"}
PRODUCERS: JsonDict = {
    "allowed": 'a JSON object like {"billing": {"secrets": ["…"], "jobs": ["wallets.top_up"]}}, or the path of a file '
    "with one"
}
