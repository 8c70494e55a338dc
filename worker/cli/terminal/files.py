"""Files of arguments and what a command writes: what the operating system refuses, in a sentence with what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from worker.cli.terminal.faults import Stop
from worker.local.server_error import user

_SPACE: Final = "free some space, or name another file"
_REMEDIES: Final = {
    errno.ENOENT: "name one that is there, or one in a directory that is there",
    errno.ENOTDIR: "name another, in a directory",
    errno.EISDIR: "name a file",
    errno.EEXIST: "name another, or move what is there away",
    errno.ELOOP: "name another, whose links do not lead in a circle",
    errno.EACCES: "let {user} use it, or name another",
    errno.EPERM: "let {user} use it, or name another",
    errno.EROFS: "name one where something can be written",
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: _SPACE,
    errno.EIO: "see what is wrong with its device, or name another",
    errno.EINVAL: "name an ordinary file",
    errno.ESPIPE: "name an ordinary file",
    errno.ENAMETOOLONG: "name a shorter one",
    errno.EMFILE: "let {user} open more files (ulimit -n)",
}
# What only files can have, not connections: wherever it comes from, somebody wrote or read.
_OF_FILES: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


@contextmanager
def about(path: Path) -> Iterator[None]:
    """What goes wrong within goes wrong with this file. Raises Stop for an OSError."""
    try:
        yield
    except OSError as error:
        raise Stop(_sentence(str(path), error)) from error


def unusable(error: OSError) -> str | None:
    """What to do about a file that nobody foresaw; None when it is none."""
    if error.filename is not None and error.errno in _REMEDIES:
        return _sentence(_text(error.filename), error)
    if error.errno in _OF_FILES:
        return _sentence("what this command writes", error)
    return None


def _sentence(what: str, error: OSError) -> str:
    remedy = _REMEDIES.get(error.errno or 0, "name another file")
    return f"{what} cannot be used: {(error.strerror or str(error)).lower()}: {remedy.format(user=user())}"


def _text(filename: object) -> str:
    return filename.decode(errors="replace") if isinstance(filename, bytes) else str(filename)
