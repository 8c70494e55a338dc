"""Text of strangers made safe to show: nothing in it moves the cursor, begins a line, or turns the direction."""

from __future__ import annotations

import json


def visible(text: str, keep: str = "") -> str:
    """The text with what is not printable (but for `keep`) spelled out as in JSON: \\n, \\u202e.

    JSON stays JSON, with the same values, when its line feeds are kept.
    """
    if text.isprintable():
        return text
    if "\n" in keep:
        return "\n".join(visible(line, keep.replace("\n", "")) for line in text.split("\n"))
    return "".join(char if char.isprintable() or char in keep else json.dumps(char)[1:-1] for char in text)
