"""How a command ends when it cannot do what it was asked: one sentence on stderr and an exit code, no traceback.

0    done
1    the answer is no: the ledger does not add up, the deployment has a failure, the job was refused, there is no such
     job or account
2    it could not be done: wrong arguments or settings, database or broker out of reach, migrations missing, a directory
     or a port that cannot be used
3    published, but with no outcome yet when the waiting time was over
70   a mistake in this program: the traceback is for its authors
130  interrupted
"""

from __future__ import annotations

import sys
import traceback
from typing import Final, NoReturn

from worker.encoding.urls import mask_url
from worker.encoding.visible import visible

NO: Final = 1
FAULT: Final = 2
UNKNOWN: Final = 3
BUG: Final = 70


class Stop(Exception):
    """Ends the command: the text is for stderr, `code` is the exit code."""

    def __init__(self, message: str, code: int = FAULT) -> None:
        super().__init__(message)
        self.code = code


def said_of(error: Exception) -> str | None:
    """What is wrong and what to do about it, in a sentence; None for an error that nobody expected."""
    if isinstance(error, Stop):
        return str(error)
    # It knows whatever can go wrong, the database's ways too: a command that stops for a reason of its own needs none.
    from worker.cli.terminal.explanation import explain

    return explain(error)


def stop(error: Exception) -> NoReturn:
    """Ends the process as the error demands."""
    if (sentence := said_of(error)) is not None:
        _say(sentence)
        sys.exit(error.code if isinstance(error, Stop) else FAULT)
    sys.stderr.write(visible(mask_url("".join(traceback.format_exception(error))), keep="\n\t"))
    _say("this is a mistake in balance-worker; please report it with the lines above")
    sys.exit(BUG)


def _say(message: str) -> None:
    for line in message.splitlines():
        sys.stderr.write(f"balance-worker: {visible(line)}\n")
