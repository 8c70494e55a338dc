"""Become a child that does not outlive its parent, then become the wanted program.

Run as a script between fork and exec, because what it does is not safe in `preexec_fn` of a threaded process:
`python child_exec.py SIGNAL PARENT_PID UID GID program argument...` (UID and GID are -1 to stay who we are).
It replaces itself by the program, so the process id is the program's.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(signal_number: int, parent_pid: int) -> None:
    """Have the kernel send `signal_number` to this process when its parent dies. Elsewhere than on Linux: nothing."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # The parent may have died before the line above took effect: then nobody would ever tell us.
    if os.getppid() != parent_pid:
        os._exit(1)


def main(argv: list[str]) -> None:
    """Drop to the wanted user, tie our life to the parent's and execute the program (does not return)."""
    signal_number, parent_pid, uid, gid = (int(word) for word in argv[:4])
    os.umask(0o077)  # what it writes is for nobody else: jobs and signatures are in the files of a queue
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After the change of user, which clears the setting.
    die_with_parent(signal_number, parent_pid)
    os.execvp(argv[4], argv[4:])  # noqa: S606 -- replacing ourselves by our own command is what this file is for


if __name__ == "__main__":
    main(sys.argv[1:])
