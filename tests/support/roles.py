"""The role of the workers: what docs/deployment.md lets it do, and no more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "deployment.md"
ROLE: Final = "balance_app"


def sql_block() -> str:
    """The page's statements: they make the role and grant."""
    (block,) = re.findall(r"```sql\n(.*?)```", _PAGE.read_text(), re.DOTALL)
    return str(block)


def grants() -> list[str]:
    """The page's grants alone, for a role that is there already."""
    statements = [each.strip() for each in sql_block().split(";")]
    return [each for each in statements if each.startswith("grant ")]
