"""What a database error says, in one line: also that of several servers none could be used, and why not each."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy.exc import DBAPIError

# psycopg begins with what the last one said, often a standby that is well; the one that is away comes after.
_EACH: Final = re.compile(r"^- host: (?:'(.*?)'|None), port: (?:'(.*?)'|None), hostaddr: .*?: (.*)$", re.MULTILINE)
_WHERE: Final = re.compile(r"^connection failed: (?:connection to server (?:at|on) .*? failed: )?(?:FATAL: +)?")


def first_line(error: DBAPIError) -> str:
    said = str(error.orig).strip()
    if tried := _EACH.findall(said):
        each = "; ".join(f"{host}:{port}: {_WHERE.sub('', why)}" for host, port, why in tried)
        return f"none of {len(tried)} servers can be used: {each}"
    return said.split("\n", 1)[0]
