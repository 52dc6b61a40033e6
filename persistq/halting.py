"""When to stop a load early: the ``--halt`` grammar of GNU parallel.

``soon,fail=3`` ends the load when three items have failed, and lets items in flight finish;
``now,fail=5%`` also kills those in flight, when a twentieth of all finished items failed (and at
least three); ``success`` and ``done`` count items that succeeded, or ended either way. ``never`` is
the default. What earlier runs did does not count, so a resumed load gets a new chance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from persistq.errors import UsageError

PERCENT_ITEMS_MIN = 3
"""A percentage counts only once so many items are concerned, as in GNU parallel."""

_GRAMMAR = re.compile(
    r"(?P<when>soon|now),(?P<why>fail|success|done)=(?P<amount>\d+)(?P<percent>%?)"
)


@dataclass(frozen=True, slots=True)
class HaltRule:
    """A rule that ends a load early.

    Attributes:
        text: As it was written.
        now: Whether items in flight are killed rather than finished.
        why: What is counted: ``fail``, ``success`` or ``done``.
        amount: How many, or how many of a hundred.
        percent: Whether ``amount`` is of a hundred finished items.
    """

    text: str
    now: bool
    why: str
    amount: int
    percent: bool

    def broken_by(self, stage: str, *, failed: int, succeeded: int) -> str | None:
        """Return the reason to stop, or None while the rule is kept.

        Args:
            stage: The stage's name.
            failed: Items parked in this run.
            succeeded: Items done or dropped in this run.
        """
        finished = failed + succeeded
        count = {"fail": failed, "success": succeeded, "done": finished}[self.why]
        if self.percent:
            reached = count >= PERCENT_ITEMS_MIN and count * 100 >= self.amount * finished
        else:
            reached = count >= self.amount
        if not reached:
            return None
        what = {"fail": "failed", "success": "succeeded", "done": "finished"}[self.why]
        concerned = f"{count:,} of {finished:,} items of stage {stage!r}"
        return f"{concerned} {what}, and the rule is {self.text}"


def halt_rule(text: str) -> HaltRule | None:
    """Read a rule; None for ``never``.

    Raises:
        UsageError: It is not in the grammar.
    """
    if text == "never":
        return None
    found = _GRAMMAR.fullmatch(text)
    if found is None or int(found["amount"]) == 0:
        raise UsageError(
            f"halt={text!r} is no rule: write 'never', or like 'soon,fail=3' or 'now,fail=5%' "
            "(soon or now; fail, success or done; a number or percentage from 1)"
        )
    return HaltRule(
        text=text,
        now=found["when"] == "now",
        why=found["why"],
        amount=int(found["amount"]),
        percent=bool(found["percent"]),
    )
