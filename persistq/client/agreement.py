"""Several programs with one queue open: what is said of it is said by the first one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persistq.client.leaving import say_farewell
from persistq.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persistq.client.starting import OpenedRun


def require_agreement(name: str, said: Mapping[str, Any], run: OpenedRun) -> None:
    """Leave a queue that another program has open, if that one has said something else of it.

    Args:
        name: Name of the load.
        said: What this program says of the queue's `Policy`, validated.
        run: What it has opened.

    Raises:
        UsageError: The two do not agree.
    """
    for option, value in said.items():
        if (theirs := getattr(run.welcome.policy, option)) != value:
            say_farewell(run.anchor)
            run.anchor.close()
            raise UsageError(
                f"queue {name!r} is open with {option}={theirs!r} in another program: one that "
                f"joins it says that too, or nothing, and not {option}={value!r}"
            )
