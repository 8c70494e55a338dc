"""Dead letters that nobody has looked after, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

_PARKED: Final = text("""
    select reason, count(*) as letters
    from (select reason from dead_letters where status = 'parked' order by last_seen desc, id desc limit :most) as l
    group by reason order by letters desc, reason
""")


@dataclass(frozen=True, slots=True)
class ParkedLetters:
    """By their reasons. `whole`: False when there are more than were counted."""

    letters: int
    whole: bool
    reasons: dict[str, int]


def parked_letters(connection: Connection, most: int) -> ParkedLetters:
    """Counts the `most` that were seen last."""
    rows = connection.execute(_PARKED, {"most": most}).all()
    letters = sum(row.letters for row in rows)
    return ParkedLetters(letters, letters < most, {row.reason: row.letters for row in rows})
