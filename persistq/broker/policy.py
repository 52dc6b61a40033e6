"""What becomes of an item that has failed, and of a load whose items fail: decisions, no deeds."""

from __future__ import annotations

import enum
import random
from typing import Final

from persistq.halting import halt_rule
from persistq.wire.messages import StageSpec

DEFERRED_S: Final = 0.01
"""The shortest time for which an item is put off: a handler that says 0 keeps nobody busy."""


class Verdict(enum.Enum):
    """What becomes of an item after a failed attempt."""

    RETRY = "retry"
    PARK = "park"
    STOP = "stop"
    """Park it, and end the load with FAILED."""


class FailurePolicy:
    """One stage's rules for failures.

    Args:
        stage: The stage, with its options.
        jitter: Source of randomness for retry delays.
    """

    def __init__(self, stage: StageSpec, jitter: random.Random) -> None:
        self._stage = stage
        self._jitter = jitter
        self._halt = halt_rule(stage.halt)

    def after_exception(self, exceptions: int) -> Verdict:
        """Decide on an item of which so many attempts have raised."""
        return self.last_resort if exceptions > self._stage.retries else Verdict.RETRY

    def after_crash(self, crashes: int) -> Verdict:
        """Decide on an item that was blamed for so many ends of workers, time-outs among them."""
        return self.last_resort if crashes >= self._stage.max_crashes else Verdict.RETRY

    def delay(self, exceptions: int, asked: float | None) -> float:
        """Return how long a retry waits, in seconds.

        Args:
            exceptions: How many attempts at the item have raised.
            asked: What the handler asked for, or None.
        """
        if asked is not None:
            return asked
        # Doubling with a cap, spread over its upper half so that retries do not arrive together.
        doubled = self._stage.backoff * 2.0 ** min(exceptions - 1, 60)
        return min(self._stage.backoff_max, doubled) * self._jitter.uniform(0.5, 1.0)

    def put_off(self, asked: float | None) -> float:
        """Return for how long an item is put off, in seconds; ``asked`` is as for `delay`."""
        return max(DEFERRED_S, self.delay(1, asked))

    def reason_to_stop(self, item_id: int) -> str:
        """Return what is said of a load that ends because of an item."""
        return f"item {item_id} of stage {self._stage.name!r} failed, and its rule is to stop"

    def reason_to_halt(self, *, failed: int, succeeded: int) -> str | None:
        """Return why so many failures end the load, or None if they do not.

        Args:
            failed: Items parked in this run.
            succeeded: Items done or dropped in this run.
        """
        if self._halt is None:
            return None
        return self._halt.broken_by(self._stage.name, failed=failed, succeeded=succeeded)

    @property
    def halts_at_once(self) -> bool:
        """Whether a load that ends by its halt rule does not wait for items in flight."""
        return self._halt is not None and self._halt.now

    @property
    def last_resort(self) -> Verdict:
        """What becomes of an item that is not tried again."""
        return Verdict.STOP if self._stage.on_error == "stop" else Verdict.PARK
