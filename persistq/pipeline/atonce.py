"""How many items a process of a stage works on at the same time, as the stage says it."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from persistq.errors import UsageError
from persistq.site.fence import SLOTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persistq.pipeline.stage import Stage

AT_ONCE_MAX: Final = 1_000
"""Each has a slot in the fence, of which there are some thousands for all processes."""


def concurrency_of(stage: str, options: Mapping[str, Any], *, awaits: bool) -> int | None:
    """Return how many items an asynchronous handler works on at the same time; None if it is none.

    Args:
        stage: The stage's name.
        options: What is said of the stage.
        awaits: Whether its handler is asynchronous.

    Raises:
        UsageError: The handler is not asynchronous, or the number cannot be.
    """
    said = options.get("concurrency")
    if said is not None and not awaits:
        raise UsageError(
            f"stage {stage!r}: concurrency= is for a handler that is async def; say threads= for "
            "one that blocks"
        )
    return _counted(stage, "concurrency", 1 if awaits and said is None else said)


def threads_of(stage: str, options: Mapping[str, Any], *, awaits: bool) -> int | None:
    """Return in how many threads a handler is called; None if in no others than the process has.

    Args:
        stage: The stage's name.
        options: What is said of the stage.
        awaits: Whether its handler is asynchronous.

    Raises:
        UsageError: The handler is asynchronous, or the number cannot be.
    """
    said = options.get("threads")
    if said is not None and awaits:
        raise UsageError(
            f"stage {stage!r}: threads= is for a handler that blocks; say concurrency= for one "
            "that is async def"
        )
    return _counted(stage, "threads", said)


def _counted(stage: str, option: str, said: Any) -> int | None:
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int) or not 1 <= said <= AT_ONCE_MAX:
        raise UsageError(
            f"stage {stage!r}: {option}={said!r} is refused: it should be a number from 1 to "
            f"{AT_ONCE_MAX:,}"
        )
    return said


def require_room(stages: Mapping[str, tuple[Stage, int]]) -> None:
    """Refuse more items at the same time than there are slots for.

    Args:
        stages: The stages by name, each with the number of its processes.

    Raises:
        UsageError: There are more.
    """
    wanted = {
        name: workers * (stage.concurrency or stage.threads or 1)
        for name, (stage, workers) in stages.items()
    }
    if sum(wanted.values()) > SLOTS:
        name, most = max(wanted.items(), key=itemgetter(1))
        raise UsageError(
            f"stage {name!r}: {most:,} items at the same time are refused: all stages together may "
            f"have {SLOTS:,}, which is workers= times concurrency= or threads= of each"
        )


def require_one_by_one(stage: Stage) -> None:
    """Refuse a stage that works on several items at the same time and gets them in another way.

    Raises:
        UsageError: It does.
    """
    if stage.concurrency is None and stage.threads is None:
        return
    said = "threads=" if stage.concurrency is None else "a handler that is async def"
    together = {
        "batch=": stage.batching,
        stage.stored_by: stage.sink,
        "group_by=": stage.grouping,
    }
    if other := [name for name, value in together.items() if value is not None]:
        raise UsageError(
            f"stage {stage.name!r}: {said} does not go with {other[0]}: it gets its items one by "
            "one"
        )
    if stage.stream and max(stage.concurrency or 0, stage.threads or 0) > 1:
        raise UsageError(
            f"stage {stage.name!r}: stream=True does not go with {said} of several items at a time"
        )
