"""The user that PostgreSQL runs as when we are root: it refuses to be root itself."""

import logging
import os
import pwd
import shutil
from pathlib import Path

from worker.local.spawn import Identity

_log = logging.getLogger("balance.embedded")
_USERS = ("postgres", "nobody")
_SEARCH_BY_GROUP = 0o010
_SEARCH_BY_OTHERS = 0o001


def unprivileged_identity(data_dir: Path) -> Identity | None:
    """Whom to run as: None when we are an ordinary user, otherwise the owner of `data_dir` or a system account.

    Raises LookupError when we are root and the system has neither a `postgres` nor a `nobody` user.
    """
    if os.geteuid() != 0:
        return None
    if data_dir.exists() and data_dir.stat().st_uid != 0:
        owner = data_dir.stat()
        return Identity(owner.st_uid, owner.st_gid)
    for name in _USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Identity(entry.pw_uid, entry.pw_gid)
    raise LookupError("running as root, and there is no user 'postgres' or 'nobody' to run PostgreSQL as")


def admit(directory: Path, identity: Identity | None) -> None:
    """Close a directory of ours to everybody but us and the identity's group, who may pass through and not list it."""
    directory.chmod(0o700)
    if identity is not None:
        os.chown(directory, -1, identity.gid)
        directory.chmod(0o710)


def let_through(path: Path, identity: Identity) -> None:
    """Let the identity pass through the directories above `path` that are not ours to give away.

    Needed when root keeps the program or the data under a closed directory such as /root: every user can pass through
    then (search only: they still cannot list it). Said in the log.
    """
    for directory in reversed(path.resolve().parents):
        status = directory.stat()
        mode = status.st_mode
        needed = _SEARCH_BY_GROUP if status.st_gid == identity.gid else _SEARCH_BY_OTHERS
        if not mode & needed and status.st_uid != identity.uid:
            directory.chmod(mode | needed)
            _log.warning(
                "%s was closed to other users and can be passed through now (not listed): PostgreSQL has to reach %s",
                directory,
                path,
            )


def give(path: Path, identity: Identity | None) -> None:
    """Make `path` the identity's own (nothing when there is none)."""
    if identity is not None:
        shutil.chown(path, identity.uid, identity.gid)
