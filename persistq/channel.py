"""Where a process gets items, and where it says what became of them.

`persistq.client.consumer.Consumer` is both, over a connection to a broker. Who works on items needs
no more of it than this, so other places of work can offer the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persistq.blocks import Block
    from persistq.client.outputs import Made
    from persistq.client.window import Delivery, Together
    from persistq.wire.messages import Ended


class Keys(Protocol):
    """Names items for all the world."""

    def of(self, item_id: int) -> str:
        """Return the key of an item that was handed to this process."""


class Intake(Protocol):
    """Where items come from."""

    @property
    def keys(self) -> Keys:
        """Makes the keys of the items that come here."""

    def get(self, timeout: float | None = None) -> Delivery | Ended | None:
        """Return the next item, `Ended` if it is over, or None if nothing came in time.

        Args:
            timeout: Longest wait in seconds; 0 does not wait, None waits for ever.
        """

    def hold(self, item_id: int, since: float = 0.0) -> None:
        """Note which item is being worked on, 0 for none, so that a death is blamed on it.

        Args:
            item_id: The item.
            since: When work on it began, on the monotonic clock, in seconds.
        """


class Outlet(Protocol):
    """Where reports go.

    Crash: an item whose report was not sent is worked on again.
    """

    def done(self, item_id: int, started: float, now: float, made: Made = ()) -> None:
        """Report an item as finished, together with what came of it.

        Args:
            item_id: The item.
            started: When work on it began, on the monotonic clock, in seconds.
            now: When it ended.
            made: What was made of it, encoded, for the stages that this one feeds.
        """

    def spool(self, item_id: int, blocks: list[Block]) -> None:
        """Hand over some of what is made of an item while it is worked on.

        All of it together counts as made when the item is reported as done, and if the attempt ends
        otherwise, none of it.

        Args:
            item_id: The item.
            blocks: What was made, in order, at least one.
        """

    def stream(self, item_id: int, blocks: list[Block], *, first: bool) -> None:
        """Hand on some of what is made of an item while it is worked on, whatever becomes of it.

        Args:
            item_id: The item.
            blocks: What was made, in order, at least one.
            first: Whether this attempt has handed on nothing before.
        """

    def failed(
        self,
        item_id: int,
        error_type: str,
        message: str,
        traceback: str,
        retry_after: float | None = None,
        *,
        final: bool = False,
    ) -> None:
        """Report that an attempt failed.

        Args:
            item_id: The item.
            error_type: Name of the exception's class.
            message: What it says.
            traceback: Where it was raised, or empty.
            retry_after: When to try again, in seconds from now; None leaves that to the policy.
            final: Whether not to try again, because it would fail as well.
        """

    def dropped(self, item_id: int, reason: str) -> None:
        """Report that an item needs no work."""

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

    def done_together(self, made: Mapping[int, Made], seconds: float, now: float) -> None:
        """Report items as finished, together.

        Args:
            made: What was made of each, by item, encoded.
            seconds: How long they took together.
            now: When they ended, on the monotonic clock.
        """
