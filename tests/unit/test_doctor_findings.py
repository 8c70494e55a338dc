"""What an examination found, counted."""

from worker.doctor.finding import Counts, failure, ok, warning


def test_findings_are_counted_by_level() -> None:
    findings = [ok("a", "1"), warning("b", "2", "m", "a"), ok("c", "3"), failure("d", "4", "m", "a")]
    assert Counts.of(findings) == Counts(failure=1, warning=1, ok=2)
    assert Counts.of([]) == Counts(0, 0, 0)
