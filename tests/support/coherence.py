"""What every test that has a ledger ends with."""

from __future__ import annotations

from sqlalchemy import Engine

from models.store.audit.ledger import audit


def assert_ledger_is_coherent(engine: Engine) -> None:
    """Raises AssertionError with the first findings when the ledger does not add up."""
    findings = audit(engine).findings
    shown = "\n".join(str(finding) for finding in findings[:10])
    assert not findings, f"the ledger does not add up, {len(findings)} findings:\n{shown}"
