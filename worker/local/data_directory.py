"""The directory that one process keeps its data in: made, held, and known to be usable before anything starts there."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final
from unicodedata import category

from worker.local.server_error import ServerError, plainly
from worker.local.servers.unprivileged import admit, unprivileged_identity

_PROBE: Final = bytes(64 * 1024)
_LENGTH_MAX: Final = 800  # bytes; PostgreSQL has room for 1,024 in the path of a file
_MB: Final = 1_000_000


def located(directory: Path) -> Path:
    """Its whole path. Raises ServerError where there is none."""
    try:
        whole = directory.expanduser().absolute()
    except (RuntimeError, FileNotFoundError) as error:  # nobody's home; the working directory was removed
        raise ServerError(f"{directory} leads nowhere ({error}): choose a whole path with --data-dir") from error
    if any(category(letter) in ("Cc", "Cs") for letter in str(whole)):
        raise ServerError(f"{str(whole)!r} cannot be used: choose a name in UTF-8, without control characters")
    if len(os.fsencode(whole)) > _LENGTH_MAX:
        raise ServerError(f"{whole} cannot be used: choose a path of at most {_LENGTH_MAX} bytes with --data-dir")
    return whole


def hold(directory: Path) -> IO[str]:
    """Makes the directory and takes it for this process, until the file is closed. Raises ServerError."""
    with plainly(directory):
        _make(directory)
        return _lock(directory)


def check_room(directory: Path, needed: int) -> None:
    """Whether there is space for so many bytes, and for a little more. Raises ServerError."""
    with plainly(directory):
        free = shutil.disk_usage(directory).free
        if free < needed:
            raise ServerError(
                f"{directory} cannot be used: {free // _MB} MB are free there, and {needed // _MB} MB are needed to"
                " begin: free some space, or choose another directory with --data-dir"
            )
        with TemporaryFile(dir=directory) as probe:  # quotas and devices say only then that they are full
            probe.write(_PROBE)
            probe.flush()
            os.fsync(probe.fileno())


def _make(directory: Path) -> None:
    """Makes it and what is missing above it, for us alone; as root also for whom PostgreSQL runs as to pass through."""
    whole = (directory, *directory.parents)
    missing = [each for each in whole if not os.path.lexists(each)]
    whole[len(missing)].mkdir(exist_ok=True)  # raises where it is no directory
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        with suppress(LookupError):  # said by PostgreSQL, which alone needs somebody
            admit(each, unprivileged_identity(each))


def _lock(directory: Path) -> IO[str]:
    lock = os.fdopen(os.open(directory / "lock", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip()
        lock.close()
        raise ServerError(
            f"{directory} is in use by process {owner}: stop that one, or choose another directory with --data-dir"
        ) from None
    except OSError:
        lock.close()
        raise
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
