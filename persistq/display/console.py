"""The contract of the ways to show a running load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from persistq.display.plan import LoadPlan
    from persistq.pool.attendance import Attendance
    from persistq.pool.workplace import AtWork
    from persistq.wire.messages import Progress


class Workers(Protocol):
    """Who is at work, for whoever wants to look."""

    def attendance(self) -> Attendance:
        """Return how many workers are there."""

    def at_work(self) -> Sequence[AtWork]:
        """Return the attempts that are going on, in no order."""


class Console(Protocol):
    """One of the ways to show progress."""

    @property
    def due(self) -> float | None:
        """When to `refresh`, on the monotonic clock; None if nothing waits to be shown."""

    def begin(self, plan: LoadPlan, workers: Workers) -> None:
        """Show from now on where a load stands.

        Args:
            plan: The load.
            workers: Who is at work; it is asked while the load is shown.
        """

    def refresh(self) -> None:
        """Show what waits to be shown, if it is time."""

    def show(self, progress: Progress) -> None:
        """Show where the load stands, and what has come up."""

    def inform(self, text: str) -> None:
        """Say one line that nobody needs who wants to know of nothing but faults."""

    def say(self, text: str) -> None:
        """Say one line."""

    def aside(self) -> AbstractContextManager[None]:
        """Let others write to the terminal, above what is drawn there."""

    def pass_on(self, stream: int, text: str) -> None:
        """Write to standard output (1) or standard error (2) as it is."""

    def close(self) -> None:
        """Show the last state and leave the terminal in order."""

    def conclude(self, text: str, facts: Mapping[str, Any], *, good: bool) -> None:
        """Say how it ended, when it is closed.

        Args:
            text: The sentence.
            facts: What it leaves behind, by name.
            good: Whether it has ended as it should, with nothing failed.
        """
