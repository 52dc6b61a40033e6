"""Where a process gets items, and where it says what became of them.

`persistq.client.consumer.Consumer` is both, over a connection to a broker. Who works on items needs
no more of it than this, so other places of work can offer the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from persistq.blocks import Block
    from persistq.client.outputs import Made, Routed
    from persistq.client.window import Delivery, Together
    from persistq.wire.messages import Ended


class Keys(Protocol):
    """Names items for all the world."""

    def of(self, item_id: int) -> str:
        """Return the key of an item that was handed to this process."""

    def runs(self, first: int, last: int) -> Iterator[tuple[str, int, int]]:
        """Yield who put consecutive items: a run, and the first and the last of those it put."""


class Intake(Protocol):
    """Where items come from."""

    @property
    def keys(self) -> Keys:
        """Makes the keys of the items that come here."""

    @property
    def at_once(self) -> int:
        """How many items are worked on at the same time, at most."""

    def get(self, timeout: float | None = None) -> Delivery | Ended | None:
        """Return the next item, `Ended` if it is over, or None if nothing came in time.

        Args:
            timeout: Longest wait in seconds; 0 does not wait, None waits for ever.
        """

    @property
    def item_at_work(self) -> int:
        """The item that is being worked on; 0 if it is none, or one of several."""

    @property
    def attempt_at_work(self) -> int:
        """Which attempt at that item this is, from 1; 0 if there is none."""

    def hold(self, item_id: int, since: float = 0.0) -> None:
        """Note which item is being worked on, 0 for none, so that a death is blamed on it.

        Args:
            item_id: The item.
            since: When work on it began, on the monotonic clock, in seconds.
        """

    def extend(self, item_id: int, until: float) -> None:
        """Ask for more time for an item that is being worked on, or for its batch.

        Crash: who is dead needs none.

        Args:
            item_id: The item. If it is not being worked on any more, nothing is done.
            until: Until when, at least, on the monotonic clock, in seconds.
        """


class Outlet(Protocol):
    """Where reports go.

    Crash: an item whose report was not sent is worked on again.
    """

    def done(self, item_id: int, started: float, now: float, made: Made | Routed = ()) -> None:
        """Report an item as finished, together with what came of it.

        Args:
            item_id: The item.
            started: When work on it began, on the monotonic clock, in seconds.
            now: When it ended.
            made: What was made of it, encoded, for the stages that this one feeds, or by queue.
        """

    def spool(self, item_id: int, blocks: list[Block], queue_id: int = 0) -> None:
        """Hand over some of what is made of an item while it is worked on.

        All of it together counts as made when the item is reported as done, and if the attempt ends
        otherwise, none of it.

        Args:
            item_id: The item.
            blocks: What was made, in order, at least one.
            queue_id: The queue that gets it; 0 is each that the stage feeds.
        """

    def stream(self, item_id: int, blocks: list[Block], queue_id: int = 0, *, first: bool) -> None:
        """Hand on some of what is made of an item while it is worked on, whatever becomes of it.

        Args:
            item_id: The item.
            blocks: What was made, in order, at least one.
            queue_id: The queue that gets it; 0 is each that the stage feeds.
            first: Whether this attempt has handed on nothing before.
        """

    def checkpoint(self, item_id: int, value: Block) -> bool:
        """Record how far work on an item has come; returns when that is on disk.

        Args:
            item_id: The item.
            value: The handler's own value, as a block of one.

        Returns:
            Whether the item is still this process's; if not, nothing is recorded.
        """

    def last_checkpoint(self, item_id: int) -> Block | None:
        """Return what was recorded last for an item, None if nothing was."""

    def failed(
        self,
        item_id: int | Sequence[int],
        error_type: str,
        message: str,
        traceback: str,
        retry_after: float | None = None,
        *,
        final: bool = False,
    ) -> None:
        """Report that an attempt failed.

        Args:
            item_id: The item, or several that were tried together.
            error_type: Name of the exception's class.
            message: What it says.
            traceback: Where it was raised, or empty.
            retry_after: When to try again, in seconds from now; None leaves that to the policy.
            final: Whether not to try again, because it would fail as well.
        """

    def deferred(
        self,
        item_id: int | Sequence[int],
        error_type: str,
        message: str,
        seconds: float | None = None,
    ) -> None:
        """Report that an item, or several, are put off, which is no failure of theirs.

        Args:
            item_id: The item, or the items of a group.
            error_type: Name of the class of what its handler has raised.
            message: What that says.
            seconds: For how long; None leaves that to the policy.
        """

    def apart(self, item_ids: Sequence[int], error_type: str, message: str) -> None:
        """Report that an attempt at several items failed, and that each should be tried alone.

        Args:
            item_ids: The items.
            error_type: Name of the exception's class.
            message: What it says.
        """

    def dropped(self, item_id: int | Sequence[int], reason: str) -> None:
        """Report that an item, or several, need no work."""

    def rest(self, item_ids: Sequence[int], reason: str, seconds: float | None = None) -> None:
        """Report that a stage cannot be worked at now, and give back items that are not to blame.

        Args:
            item_ids: The items.
            reason: What is shown.
            seconds: How long not; None leaves that to whoever hands items out.
        """

    def report(self) -> None:
        """Send what is finished and not reported yet."""

    def leave(self) -> None:
        """Report, and take no more; what was got and not finished goes to others."""


class Channel(Intake, Outlet, Protocol):
    """Both together, as a worker needs them."""


class BatchChannel(Channel, Protocol):
    """The same for who works on several items at a time."""

    def get_together(self, timeout: float | None = None) -> Together | Ended | None:
        """Return the next batch, `Ended` if it is over, or None if nothing came in time.

        Args:
            timeout: Longest wait in seconds; 0 does not wait, None waits for ever.
        """

    def done_together(self, made: Mapping[int, Made | Routed], seconds: float, now: float) -> None:
        """Report items as finished, together.

        Args:
            made: What was made of each, by item, encoded.
            seconds: How long they took together.
            now: When they ended, on the monotonic clock.
        """


class ConcurrentChannel(Channel, Protocol):
    """The same for who works on several items at the same time, and never waits for the next one.

    Attributes:
        ended: How it is over; None while it is not.
    """

    ended: Ended | None

    @property
    def buffered(self) -> int:
        """Number of items handed to this process that nobody got yet."""

    def fileno(self) -> int:
        """Return the descriptor that has something to read when something has come."""

    def attend(self, when_come: Callable[[], None]) -> None:
        """Wait for nothing from now on.

        Args:
            when_come: Called in any thread that has read what is for this one; it calls `heed`.
        """

    def heed(self) -> None:
        """Take in what has come, without waiting."""

    def take(self) -> Delivery | None:
        """Return the next item that has come, None if there is none."""

    def sit(self, number: int, item_id: int) -> None:
        """Say that the present context is one of the attempts, at an item; 0 is the first one."""

    def ask(self, room: int, *, busy: bool) -> None:
        """Ask for items, unless that was asked before.

        Args:
            room: How many would be begun at once.
            busy: Whether others are at work.
        """

    def report_if_due(self) -> None:
        """Report what is finished if it is time, or if there is nothing to begin."""

    def give_back(self) -> None:
        """Report, give back what was not begun, and take back what was asked for early."""
