"""How storing an item has ended."""

from __future__ import annotations

from dataclasses import dataclass

from persistq.sinks.faults import Fault


@dataclass(frozen=True, slots=True)
class Stored:
    """An item is in the target, with its receipt; both are committed.

    Attributes:
        outputs: What came of it.
        before: Whether an earlier attempt has stored it, and the handler was not run.
    """

    outputs: bytes | None
    before: bool = False


@dataclass(frozen=True, slots=True)
class NotStored:
    """Nothing of an item is in the target, as far as its transaction goes.

    Attributes:
        fault: What is at fault.
        error: What was raised; the database's own error, as its driver has made it.
    """

    fault: Fault
    error: BaseException


Ending = Stored | NotStored
