"""Why an attempt at items has failed."""

from __future__ import annotations

from dataclasses import dataclass

from persistq.items import FailureKind


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an attempt failed; the fields are those of `Failure`."""

    kind: FailureKind
    type: str
    message: str
    traceback: str = ""
    pid: int = 0
