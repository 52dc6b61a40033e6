"""What a worker is for: a task is sent to its process, and there becomes work on items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from persistq.channel import Channel
    from persistq.client.outputs import Made
    from persistq.client.window import Delivery


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


class Task(Protocol):
    """What all workers of a kind do; under spawn it is pickled, so what it holds must be too."""

    @property
    def name(self) -> str:
        """What it is called, for messages."""

    def connect(self) -> Channel:
        """Open, in the worker's process, where items come from and reports go."""

    def prepare(self) -> Work:
        """Make, in the worker's process, what lasts as long as that."""
