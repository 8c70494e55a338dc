"""Where anchors are kept: a file, objects of an S3-compatible store, or whatever reads stdout.

Beside the anchors stand files with all that they are a digest of, so that what was changed can be named. These need not
be trusted: they fit an anchor or they do not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final, Protocol
from urllib.parse import urlsplit

from worker.anchors.faults import AnchorFault

STDOUT: Final = "-"
_S3: Final = "s3"
_LINE_MAX: Final = 65_536  # bytes; an anchor has 12,000


class Place(Protocol):
    keeps_files: bool

    def append(self, sequence: int, line: str) -> None:
        """Keeps the line for good. Raises AnchorFault."""

    def lines(self) -> Iterator[str]:
        """All lines in the order in which they stand, without their ends. Raises AnchorFault."""

    def last(self) -> str | None:
        """The newest line; None when there is none, or it cannot be told."""

    def write(self, name: str, content: IO[bytes]) -> None:
        """Keeps a file, whole; one of this name that is there already is the same. Raises AnchorFault."""

    def read(self, name: str) -> IO[bytes] | None:
        """A file's content; None when it is not there. Raises AnchorFault."""


def place_of(where: str) -> Place:
    """The place that a path or URL names. Raises AnchorFault."""
    if where == STDOUT:
        return Stdout()
    if urlsplit(where).scheme == _S3:
        return S3(where)
    return File(Path(where))


class Stdout:
    """For a log that others keep. Nothing can be read back."""

    keeps_files = False

    def append(self, _sequence: int, line: str) -> None:
        out = sys.__stdout__  # Celery has put a logger in the place of sys.stdout
        assert out is not None
        out.write(f"{line}\n")
        out.flush()

    def lines(self) -> Iterator[str]:
        raise AnchorFault("what was written to stdout cannot be read back", "name a file with the lines of the log")

    def last(self) -> str | None:
        return None

    def write(self, name: str, content: IO[bytes]) -> None:
        raise AnchorFault("files beside anchors cannot be written to stdout", "set BALANCE_ANCHOR_FILES=false")

    def read(self, _name: str) -> IO[bytes] | None:
        return None


class File:
    """A file that is only ever appended to, a line an anchor, and a directory beside it, called as it is and `.d`."""

    keeps_files = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_name(f"{path.name}.d")

    def append(self, _sequence: int, line: str) -> None:
        with _said(self._path), self._path.open("ab") as file:
            if (end := self._end()) != file.tell():
                os.ftruncate(file.fileno(), end)  # a power cut left half a line there
            try:
                file.write(f"{line}\n".encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.ftruncate(file.fileno(), end)
                raise
            if not end:
                _sync(self._path.parent)

    def lines(self) -> Iterator[str]:
        with _said(self._path):
            text = self._path.read_bytes()
        *whole, _torn = text.split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")

    def last(self) -> str | None:
        with _said(self._path):
            if not self._path.exists():
                return None
            if not self._path.is_file():  # a device may have no end
                raise OSError("it is no ordinary file")
        newest = None
        for line in self.lines():
            newest = line
        return newest

    def write(self, name: str, content: IO[bytes]) -> None:
        target = self._beside / name
        with _said(target):
            self._beside.mkdir(mode=0o700, exist_ok=True)
            if target.exists():
                return
            draft = target.with_name(f".{name}.{os.getpid()}")
            with draft.open("wb") as file:
                while block := content.read(1 << 20):
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
            _sync(self._beside)

    def read(self, name: str) -> IO[bytes] | None:
        target = self._beside / name
        with _said(target):
            return target.open("rb") if target.exists() else None

    def _end(self) -> int:
        """Bytes up to the end of the last whole line."""
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _LINE_MAX)
            file.seek(start)
            tail = file.read()
        return start + tail.rfind(b"\n") + 1 if b"\n" in tail else 0 if not start else size


class S3:
    """Objects below a prefix: `s3://bucket/prefix`. Credentials, region and AWS_ENDPOINT_URL_S3 are the SDK's own.

    A bucket with object lock or versioning keeps what was written from whoever has these credentials.
    """

    keeps_files = True

    def __init__(self, url: str, client: Any = None) -> None:
        parts = urlsplit(url)
        self._url, self._bucket = url, parts.netloc
        self._prefix = parts.path.strip("/") + "/" if parts.path.strip("/") else ""
        if not self._bucket:
            raise AnchorFault(f"{url} names no bucket", "write s3://bucket/prefix")
        self._client = _client() if client is None else client

    def append(self, sequence: int, line: str) -> None:
        with self._said():  # never in the place of another
            self._client.put_object(Bucket=self._bucket, Key=self._key(sequence), Body=line.encode(), IfNoneMatch="*")

    def lines(self) -> Iterator[str]:
        with self._said():
            for key in self._keys():
                yield self._get(key).decode(errors="replace")

    def last(self) -> str | None:
        with self._said():
            keys = self._keys()
            return self._get(keys[-1]).decode(errors="replace") if keys else None

    def write(self, name: str, content: IO[bytes]) -> None:
        with self._said():
            self._client.upload_fileobj(content, self._bucket, f"{self._prefix}files/{name}")

    def read(self, name: str) -> IO[bytes] | None:
        from botocore.exceptions import ClientError

        content = TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
        with self._said():
            try:
                self._client.download_fileobj(self._bucket, f"{self._prefix}files/{name}", content)
            except ClientError as error:
                if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                    return None
                raise
        content.seek(0)
        return content

    def _key(self, sequence: int) -> str:
        return f"{self._prefix}anchors/{sequence:012d}"

    def _keys(self) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._prefix}anchors/"
        )
        return sorted(found["Key"] for page in pages for found in page.get("Contents", ()))

    def _get(self, key: str) -> bytes:
        content: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return content

    @contextmanager
    def _said(self) -> Iterator[None]:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise AnchorFault(
                f"{self._url} refuses or does not answer: {error}",
                "see that the store is up, and what these credentials may do in the bucket",
            ) from error


def _client() -> Any:
    try:
        import boto3
    except ImportError:
        raise AnchorFault("s3:// needs the package boto3", "pip install 'balance-worker[s3]'") from None
    return boto3.client("s3")


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AnchorFault(
            f"{path} cannot be used: {error}", "let this process write and read it, or name another"
        ) from error


def _sync(directory: Path) -> None:
    """So that a file's name is there after a power cut, too."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
