"""What a worker is for: a task is sent to its process, and there becomes work on items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persistq.channel import BatchChannel, Channel
    from persistq.client.outputs import Made, Routed
    from persistq.client.window import Delivery
    from persistq.pool.recycling import Limits
    from persistq.pool.worker import Worker


class Work(Protocol):
    """Works on one item after the other, in one process."""

    def __call__(self, delivery: Delivery, channel: Channel) -> Made | Routed:
        """Do what is to be done with an item, and return what comes of it, encoded.

        Args:
            delivery: The item, still encoded.
            channel: Where it came from: makes its key, and takes what is too much to be returned.

        Raises:
            Drop: The item needs no work.
            Retry: It is to be tried again later.
            BaseException: Whatever else is raised fails the attempt.
        """


class AwaitedWork(Protocol):
    """Works on several items at the same time, in one process."""

    async def __call__(self, delivery: Delivery, channel: Channel) -> Made | Routed:
        """Do what is to be done with an item, as `Work` does."""

    def close(self, patience: float) -> None:
        """Wait for what cannot be cancelled, for so many seconds at most."""


class Opened(NamedTuple):
    """An item of a batch that can be worked on.

    Attributes:
        item_id: The item.
        value: What the handler gets of it.
        info: What the handler may learn about it.
    """

    item_id: int
    value: Any
    info: Any


class BatchWork(Protocol):
    """Works on several items at a time, in one process."""

    def open(self, delivery: Delivery, channel: BatchChannel) -> Opened:
        """Decode one item.

        Raises:
            BaseException: Whatever is raised fails this item.
        """

    def __call__(self, batch: Sequence[Opened]) -> Sequence[Made | Routed | BaseException]:
        """Do what is to be done with the items of a batch.

        Returns:
            For each what comes of it, encoded, or why it has failed.

        Raises:
            Drop: No item needs work.
            Retry: All are to be tried again later.
            BaseException: Whatever else is raised fails the attempt, and nobody knows by which.
        """


class GroupWork(Protocol):
    """Works on all items of a group at a time, in one process."""

    def __call__(self, deliveries: Sequence[Delivery], channel: BatchChannel) -> Made | Routed:
        """Do what is to be done with a group, and return what comes of it, encoded.

        Args:
            deliveries: The items, still encoded, in the order in which they were put.
            channel: Where they came from.

        Raises:
            BaseException: Whatever is raised fails the attempt at all of them.
        """


class Task(Protocol):
    """What all workers of a kind do; under spawn it is pickled, so what it holds must be too."""

    @property
    def name(self) -> str:
        """What it is called, for messages."""

    @property
    def limits(self) -> Limits:
        """How much one worker process does before another one takes its place."""

    @property
    def nice(self) -> int:
        """By how much a worker process yields to others."""

    @property
    def log_levels(self) -> Mapping[str, int]:
        """The levels of the supervisor's loggers, by name."""

    def connect(self) -> Channel:
        """Open, in the worker's process, where items come from and reports go."""

    def prepare(self, channel: Any) -> Worker[Any]:
        """Make, in the worker's process, what lasts as long as that.

        Args:
            channel: What `connect` has returned.
        """

    @property
    def cleans_up(self) -> bool:
        """Whether something of it has to be cleaned up, or cancelled, in this process."""

    def clean_up(self) -> None:
        """Undo, in the worker's process, what `prepare` has set up of the user's.

        Raises:
            BaseException: Whatever the user's code raises.
        """
