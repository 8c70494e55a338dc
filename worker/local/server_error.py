"""Why a server of ours cannot run here: one sentence, and what to do."""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ANOTHER: Final = "or choose another directory with --data-dir"
_WRITE: Final = f"let {{user}} write there, {_ANOTHER}"
_AWAY: Final = f"move what is there away, {_ANOTHER}"
_SPACE: Final = f"free some space, {_ANOTHER}"
_REMEDIES: Final = {
    errno.EACCES: _WRITE,
    errno.EPERM: _WRITE,
    errno.EEXIST: _AWAY,
    errno.ENOTDIR: _AWAY,
    errno.EISDIR: _AWAY,
    errno.ENOTEMPTY: _AWAY,
    errno.ELOOP: _AWAY,
    errno.ENOENT: _AWAY,
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.ENAMETOOLONG: "choose a shorter one with --data-dir",
    errno.EROFS: "choose one that can be written to with --data-dir",
}


class ServerError(RuntimeError):
    """A server could not be started or stopped; the message says which, why, and what to do."""


@contextmanager
def plainly(directory: Path) -> Iterator[None]:
    """Says what the operating system refuses about this directory. Raises ServerError for an OSError."""
    try:
        yield
    except OSError as error:
        raise ServerError(_sentence(directory, error)) from error


def _sentence(directory: Path, error: OSError) -> str:
    said = "it is no directory" if isinstance(error, FileExistsError) else (error.strerror or str(error)).lower()
    where = f" ({error.filename})" if error.filename not in (None, str(directory)) else ""
    remedy = _REMEDIES.get(error.errno or 0, f"see what is wrong there, {_ANOTHER}")
    return f"{directory} cannot be used: {said}{where}: {remedy.format(user=user())}"


def user() -> str:
    """Who this process runs as, as an operator knows them."""
    try:
        return f"user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        return f"user {os.geteuid()}"
