"""An account's statement of a period as a spreadsheet, sent while it is read."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from models.domain.accounts import Account, AccountKey
from models.domain.deciding.commands import TelegramUser
from models.store.read.accounts import account, now
from models.store.read.finance.statements import period, stated
from worker.encoding.written import Unreadable, account_name, moment
from worker.flower.pages.base import PageHandler
from worker.statements.spreadsheet import Csv
from worker.statements.totals import Totals

_CHUNK: Final = 64 * 1024
_PATIENCE_S: Final = 30.0  # with who takes no chunk: a connection to the database waits for them
_UNSAFE: Final = re.compile("[^A-Za-z0-9_-]+")


class StatementHandler(PageHandler):
    """Of the account `name`, from `since` up to `until`."""

    name = "accounts"

    async def get(self) -> None:
        named, since, until = self.asked("name") or "", self.asked("since"), self.asked("until")
        loop = asyncio.get_running_loop()

        def send(chunk: str) -> None:
            asyncio.run_coroutine_threadsafe(self._send(chunk), loop).result(_PATIENCE_S)

        try:
            target = account_name(named)
            times = tuple(None if each is None else moment(each) for each in (since, until))
            self.set_header("Content-Type", "text/csv; charset=utf-8")
            self.set_header("Content-Disposition", f'attachment; filename="{_UNSAFE.sub("-", named)}.csv"')
            await self.read(lambda connection: _write(connection, target, times, send))
        except Unreadable as error:
            raise HTTPError(400, "%s", f"{error}.") from error
        except (StreamClosedError, TimeoutError):
            self.request.connection.stream.close()  # who asked has gone, or takes nothing more
        except Exception:
            if self._headers_written:
                self.request.connection.stream.close()  # what was sent must not look whole
            raise

    async def _send(self, chunk: str) -> None:
        self.write(chunk)
        await self.flush()


def _write(
    connection: Connection,
    target: AccountKey | TelegramUser,
    times: Sequence[datetime | timedelta | None],
    send: Callable[[str], None],
) -> None:
    found = account(connection, target)
    if found is None:
        raise Unreadable("there is no such account")
    today = now(connection)
    start, end = (
        usual if each is None else today - each if isinstance(each, timedelta) else each
        for each, usual in zip(times, (found.created_at, today), strict=True)
    )
    if start > end:
        raise Unreadable("a statement ends after it begins: see since and until")
    _write_period(connection, found, start, end, send)


def _write_period(
    connection: Connection, found: Account, since: datetime, until: datetime, send: Callable[[str], None]
) -> None:
    of, totals, buffer = period(connection, found.id, since, until), Totals(), io.StringIO()
    form = Csv(found, of, buffer)
    form.begin()
    for each in stated(connection, found.id, of):
        totals.add(each)
        form.entry(each)
        if buffer.tell() > _CHUNK:
            send(buffer.getvalue())
            buffer.seek(0)
            buffer.truncate()
    form.end(totals)
    if not totals.make(of):
        raise ValueError(f"the entries of {found.key} do not add up to its balance: `balance-worker verify` says where")
    send(buffer.getvalue())
