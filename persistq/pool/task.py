"""What a worker is for: a task is sent to its process, and there becomes work on items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persistq.channel import BatchChannel, Channel
    from persistq.client.outputs import Made
    from persistq.client.window import Delivery
    from persistq.pool.worker import Worker


class Work(Protocol):
    """Works on one item after the other, in one process."""

    def __call__(self, delivery: Delivery, channel: Channel) -> Made:
        """Do what is to be done with an item, and return what comes of it, encoded.

        Args:
            delivery: The item, still encoded.
            channel: Where it came from: makes its key, and takes what is too much to be returned.

        Raises:
            Drop: The item needs no work.
            Retry: It is to be tried again later.
            BaseException: Whatever else is raised fails the attempt.
        """


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

    def __call__(self, batch: Sequence[Opened]) -> Sequence[Made | BaseException]:
        """Do what is to be done with the items of a batch.

        Returns:
            For each what comes of it, encoded, or why it has failed.

        Raises:
            Drop: No item needs work.
            Retry: All are to be tried again later.
            BaseException: Whatever else is raised fails the attempt, and nobody knows by which.
        """


class Task(Protocol):
    """What all workers of a kind do; under spawn it is pickled, so what it holds must be too."""

    @property
    def name(self) -> str:
        """What it is called, for messages."""

    def connect(self) -> Channel:
        """Open, in the worker's process, where items come from and reports go."""

    def prepare(self, channel: Any) -> Worker[Any]:
        """Make, in the worker's process, what lasts as long as that.

        Args:
            channel: What `connect` has returned.
        """
