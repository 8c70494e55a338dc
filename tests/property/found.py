"""Small lives that once ended wrong, or that chance meets too rarely."""

from typing import Any, Final

from tests.property.steps import POLICY, History, Step


def _step(what: str, wait: int = 0, of: int = 0, **fields: Any) -> Step:
    return Step(what, wait, of, fields)


def _life(*steps: Step, floor: int = 0) -> History:
    return History(floor, steps)


FOUND: Final = {
    "debt is paid before anything expires": _life(
        _step("debit", credits=5), _step("top_up", credits=10, ends=2), _step("look", 3), floor=-10
    ),
    "what expired unspent is not taken back": _life(
        _step("top_up", credits=10, ends=2), _step("reverse", 3, force=True), _step("look", 9)
    ),
    "what expired pays no later debt": _life(
        _step("top_up", credits=5),
        _step("debit", credits=5),
        _step("top_up", credits=10, begins=1, ends=2),
        _step("reverse", 3, of=2, force=True),
        _step("top_up", credits=1),
    ),
    "what a late job may use pays nothing before it": _life(
        _step("top_up", credits=1, ends=1),
        _step("hold", 1, credits=1, lasts=2),
        _step("hold", credits=9, lasts=1),
        _step("top_up", 1, credits=1, since=-2),
        floor=-10,
    ),
    "holds that cover are cut before those that don't": _life(
        _step("top_up", credits=5),
        _step("hold", credits=5, lasts=6),
        _step("top_up", credits=5, ends=2),
        _step("hold", 1, credits=5, lasts=6),
        _step("reverse", 2, of=1, force=True),
    ),
    "a debt that no hold covers leaves no hold": _life(
        _step("top_up", credits=5, ends=1),
        _step("hold", credits=5, lasts=6),
        _step("top_up", credits=3),
        _step("debit", credits=3),
        _step("reverse", 2, of=1, force=True),
    ),
    "without force no hold is cut": _life(
        _step("update", overdraft_allowed=True),
        _step("top_up", credits=5),
        _step("hold", credits=5, lasts=6),
        _step("debit", credits=3, overdraft=3),
        _step("top_up", credits=4, begins=4),
        _step("reverse", force=False),
    ),
    "what is held and taken back is in one place": _life(
        _step("top_up", credits=4, ends=2),
        _step("hold", credits=4, lasts=6),
        _step("reverse", credits=2, force=True),
        _step("capture", credits=1, final=False),
        _step("release", 3),
        floor=-10,
    ),
    "voided in the moment of a reversal": _life(
        _step("top_up", credits=2, priority=0), _step("reverse", credits=1, force=False), _step("void", bonus=False)
    ),
    "voided after it paid": _life(
        _step("debit", credits=3), _step("top_up", credits=10, begins=1), _step("void", 2, bonus=False), floor=-10
    ),
    "given back after it paid": _life(
        _step("top_up", credits=10, priority=0),
        _step("debit", credits=4),
        _step("hold", credits=6, lasts=1),
        _step("reverse", of=1, credits=4, force=True),
        _step("reverse", 1, force=False),
        floor=-10,
    ),
    "exactly at the minimum": _life(_step("update", **POLICY), _step("top_up", credits=6), _step("look")),
    "refused, and one top-up would cover it": _life(
        _step("update", **POLICY), _step("top_up", credits=8), _step("debit", credits=9), _step("look")
    ),
    "a line of credit, and far below the minimum": _life(
        _step("update", **POLICY), _step("debit", credits=9), _step("look"), _step("look", 3), floor=-10
    ),
}
