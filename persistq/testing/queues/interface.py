"""What a queue has to have: the interface of `multiprocessing.JoinableQueue`, and more of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from persistq.queues import PersistentQueue


class JoinableQueue(Protocol):
    """The methods of `multiprocessing.JoinableQueue`; it can be handed to a child process."""

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put one item."""

    def put_nowait(self, obj: Any) -> None:
        """Put one item if there is room at once."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the next item."""

    def get_nowait(self) -> Any:
        """Return the next item if there is one."""

    def task_done(self) -> None:
        """Finish the item that was got first."""

    def join(self) -> None:
        """Wait until every item is finished."""

    def qsize(self) -> int:
        """Return how many items wait."""

    def empty(self) -> bool:
        """Return whether no item waits."""

    def full(self) -> bool:
        """Return whether a put would block."""

    def close(self) -> None:
        """Put nothing more."""

    def join_thread(self) -> None:
        """Wait until what was put has left this process."""

    def cancel_join_thread(self) -> None:
        """Do not wait for that at the end of this process."""


class DurableQueue(JoinableQueue, Protocol):
    """The methods of `persistq.PersistentQueue`, whose docstrings say what each does."""

    def put_many(self, items: Iterable[Any]) -> None:
        """Put many items."""

    def fail(self, reason: str = ...) -> None:
        """Give up."""

    def __iter__(self) -> Iterator[Any]:
        """Yield items until ``DONE``."""

    def task_done(self, item: Any = ...) -> None:
        """Record that an item is finished."""

    def task_failed(self, item: Any = ..., error: BaseException | str = "") -> None:
        """Record that an item has failed for good."""

    def task_retry(
        self,
        item: Any = ...,
        error: BaseException | str = "",
        *,
        delay: float | str | None = None,
        counts: bool = True,
    ) -> None:
        """Record that an attempt has failed, and have another one made."""

    def attempt(self, item: Any = ...) -> int:
        """Return which attempt at an item this is."""

    def extend(self, seconds: float | str, item: Any = ...) -> None:
        """Ask for more time for an item."""

    def mark_all_done(self) -> int:
        """Finish everything to the end."""

    def dispose(self) -> None:
        """Give back what is unfinished."""

    def flush(self) -> None:
        """Wait until all that this process has put and reported is on disk."""

    def outstanding(self) -> Iterator[Any]:
        """Yield what is put and not finished."""

    def requeue_outstanding(self) -> int:
        """Hand out what ``resume=False`` has held back."""

    def release(self) -> None:
        """Disconnect this process."""

    def __enter__(self) -> Any:
        """Return the queue."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the queue, or fail it if the block raised."""


class OpenQueue(Protocol):
    """Opens the queue of one place: the first time a new one, and then the same again.

    For `JoinableQueue` alone it is called once in each place, and with ``maxsize`` alone.
    """

    def __call__(
        self,
        maxsize: int = 0,
        *,
        resume: bool = True,
        fresh: bool = False,
        retries: int | None = None,
        backoff: float | None = None,
    ) -> DurableQueue:
        """Open the queue; the arguments are those of `persistq.PersistentQueue`."""


if TYPE_CHECKING:
    # To be seen by the type checker: what is shipped has what is asked of others.
    _shipped: type[DurableQueue] = PersistentQueue[Any]
