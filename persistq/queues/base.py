"""What all queues have in common: `JoinableQueue`'s methods over a place of items and reports."""

from __future__ import annotations

import queue
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from time import monotonic as _now
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from persistq.codec import VALUE, ItemCodec
from persistq.duration import due_of, seconds_of
from persistq.errors import ItemNotReadable, UpstreamFailed
from persistq.items import DONE, FAILED, Sentinel
from persistq.leases import extension_of
from persistq.queues.unfinished import ANY, Unfinished
from persistq.text.terminal import excerpt, text_of

if TYPE_CHECKING:
    from persistq.channel import Channel

T = TypeVar("T")


class BaseQueue(ABC, Generic[T]):
    """A queue whose items are outstanding from `put` until `task_done` or `task_failed`.

    It owns what its methods mean: how arguments are read, when ``DONE`` and ``FAILED`` come, which
    of several items is meant, on which of them a death is blamed. A kind of queue says where items
    go and come from, and when it is over.
    """

    _codec: ItemCodec
    _maxsize: int

    _unsafe: Collection[object]
    """Empty if all that this process has put, on any queue, is safe: asked before each item."""

    def _begin(self) -> None:
        """Start with empty hands: made, received or inherited, or done with what was got."""
        self._unfinished = Unfinished()
        self._channel: Channel | None = None
        self._failure = ""

    # --- what each kind of queue says ---

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of the load."""

    @abstractmethod
    def _open_channel(self) -> Channel:
        """Return where this process gets items and reports on them."""

    @abstractmethod
    def _settle(self) -> None:
        """Wait until all that this process has put, on any queue, is safe."""

    @abstractmethod
    def _put_one(self, obj: T, due: int | None = None) -> None:
        """Put an item on a queue without bounds; it waits until then, in ms since 1970."""

    @abstractmethod
    def _offer(self, obj: T, patience: float | None, due: int | None = None) -> bool:
        """Put an item if there is room within so many seconds, None for ever."""

    @abstractmethod
    def close(self) -> None:
        """Seal the queue: nothing more will be put on this load, by any process."""

    @abstractmethod
    def fail(self, reason: str = "the producer gave up") -> None:
        """Give up: every `get`, in every process, answers ``FAILED`` from now on."""

    @abstractmethod
    def flush(self) -> None:
        """Wait until all that this process has put and reported is on disk."""

    @abstractmethod
    def qsize(self) -> int:
        """Return how many items wait: put, and in nobody's hands."""

    # --- putting ---

    @property
    def maxsize(self) -> int:
        """Most items that may wait, 0 for no limit."""
        return self._maxsize

    def put(
        self,
        obj: T,
        block: bool = True,
        timeout: float | None = None,
        *,
        delay: float | str | None = None,
    ) -> None:
        """Put one item.

        The item is on its way when this returns: sent at once, or, in a burst of puts, within a
        millisecond together with those around it. `flush`, `task_done`, `close` and `join` return
        when all that this process has put is journaled. To tell another process that something
        was put, `flush` first.

        Crash: an item that is not journaled yet is lost if this process, the broker or the machine
        goes down now; the script puts it again when it is started again. What is journaled is a
        prefix of what was put. A journaled item survives everything.

        Args:
            obj: Any picklable object.
            block: Whether to wait for room in a bounded queue.
            timeout: Longest wait for room, in seconds; None waits for ever.
            delay: How long the item waits until somebody gets it, from now on, in seconds or as a
                text like ``"5min"``, a week at most; also if everything is killed in between.

        Raises:
            ItemNotStorable: The object cannot be encoded; the queue is as before.
            UsageError: It is ``DONE`` or ``FAILED``, of which every consumer is told by itself, or
                the delay is no length of time.
            queue.Full: There was no room in time.
            QueueClosed: The queue was closed, by whichever process.
            UpstreamFailed: There is no room in a bounded queue, and never will be: the load failed.
            BrokerLost: The broker is gone.
        """
        due = None if delay is None else due_of("put(delay)", delay)
        if not self._maxsize:
            self._put_one(obj, due)
        elif not self._offer(obj, patience_of(block, timeout), due):
            raise queue.Full

    def put_nowait(self, obj: T) -> None:
        """Put one item if there is room at once; otherwise raise `queue.Full`. See `put`."""
        self.put(obj, block=False)

    def put_many(self, items: Iterable[T]) -> None:
        """Put many items; see `put`.

        Crash: as for `put`; the items are journaled in their order, so what is journaled is a
        prefix.
        """
        for item in items:
            self.put(item)

    # --- getting ---

    def get(self, block: bool = True, timeout: float | None = None) -> T | Sentinel:
        """Return the next item, or ``DONE``, or ``FAILED``.

        An item is outstanding until `task_done` or `task_failed`; if this process dies first, or
        says `task_retry`, it is handed out again. Of several that it has not finished, its death is
        blamed on the one it got first.

        Crash: getting changes nothing in the journal.

        Args:
            block: Whether to wait for an item.
            timeout: Longest wait, in seconds; None waits for ever.

        Raises:
            queue.Empty: Nothing came in time.
            ItemNotReadable: The item cannot be decoded in this process; it is parked.
            RunEnded: The program that opened the queue is dead.
            BrokerLost: The broker is gone.
        """
        if self._unsafe:
            self._settle()
        channel = self._channel or self._connected()
        answer = channel.get(None if block and timeout is None else patience_of(block, timeout))
        if isinstance(answer, tuple):
            item_id, codec, value, failed = answer
            if codec != VALUE:
                value = self._decoded(item_id, codec, value, channel)
            unfinished, now = self._unfinished, _now()
            unfinished.append((item_id, value, now, failed))
            if len(unfinished) == 1:
                channel.hold(item_id, now)
            else:
                self._note_oldest(channel)
            return value  # type: ignore[no-any-return]
        if answer is None:
            raise queue.Empty
        self._failure = answer.reason
        return Sentinel(answer.outcome)

    def get_many(self, n: int, timeout: float | None = None) -> list[T] | Sentinel:
        """Return up to so many items: as soon as there are that many, or when time is up.

        Each is outstanding until `task_done` or `task_failed`, or `task_done_many` for all of them.

        Example:
            >>> while isinstance(rows := queue.get_many(500), list):    # doctest: +SKIP
            ...     store(rows); queue.task_done_many(rows)

        Crash: getting changes nothing in the journal.

        Args:
            n: Most items, at least 1.
            timeout: Longest wait, in seconds; None waits until there are ``n``, or no more will
                come.

        Returns:
            At least one item, or ``DONE`` or ``FAILED`` if no more will come. An item that cannot
            be decoded in this process is parked, and left out unless it is the first.

        Raises:
            queue.Empty: Nothing came in time.
            ValueError: ``n`` or ``timeout`` is no such number.
            ItemNotReadable: The first item cannot be decoded in this process; it is parked.
            RunEnded: The program that opened the queue is dead.
            BrokerLost: The broker is gone.
        """
        if n < 1:
            raise ValueError("'n' must be a positive number")
        patience = patience_of(True, timeout)
        deadline = None if patience is None else _now() + patience
        first = self.get(timeout=patience)
        if isinstance(first, Sentinel):
            return first
        return [first, *self._further(n - 1, deadline)]

    def _further(self, most: int, deadline: float | None) -> Iterator[T]:
        for _ in range(most):
            try:
                item = self.get(timeout=None if deadline is None else max(0.0, deadline - _now()))
            except (queue.Empty, ItemNotReadable):
                return
            if isinstance(item, Sentinel):
                return
            yield item

    def get_nowait(self) -> T | Sentinel:
        """Return the next item if there is one; otherwise raise `queue.Empty`. See `get`."""
        return self.get(block=False)

    def __iter__(self) -> Iterator[T]:
        """Yield items until ``DONE``.

        Raises:
            UpstreamFailed: The load ended with ``FAILED``.
        """
        while (item := self.get()) is not DONE:
            if item is FAILED:
                raise UpstreamFailed(self.name, self._failure)
            yield item

    def key(self, item: T | object = ANY) -> str:
        """Return the key of an item that this process got and has not finished.

        It names this item and no other, in any journal, and is the same at every attempt and in
        every run. So it is a key for what the work on the item stores.

        Example:
            >>> for order in queue:                                     # doctest: +SKIP
            ...     store(order, queue.key()); queue.task_done()

        Args:
            item: As for `task_done`: by default the one that was got first.

        Returns:
            At most 52 ASCII characters: lower-case hexadecimal digits and a hyphen.

        Raises:
            ValueError: This process has no such unfinished item.
        """
        item_id, _, _, _ = self._unfinished.find(item, "key()")
        return (self._channel or self._connected()).keys.of(item_id)

    def attempt(self, item: T | object = ANY) -> int:
        """Return which attempt at an item this is, that this process got and has not finished.

        Attempts count over all runs: those that have ended with `task_retry`, but for
        ``counts=False``, with the death of their process, or with a time-out.

        Args:
            item: As for `task_done`: by default the one that was got first.

        Returns:
            1 at the first attempt.

        Raises:
            ValueError: This process has no such unfinished item.
        """
        _, _, _, failed = self._unfinished.find(item, "attempt()")
        return failed + 1

    def extend(self, seconds: float | str, item: T | object = ANY) -> None:
        """Ask for more time for an item that this process got and has not finished.

        Where a process is ended that keeps an item for longer than the queue's ``timeout``, this
        one is not before so many seconds from now have passed. Said again it is asked for anew. It
        never shortens what is allowed anyway; a further attempt has the plain limit. Without a
        limit it changes nothing.

        Example:
            >>> for path in queue:                                      # doctest: +SKIP
            ...     if is_huge(path): queue.extend("20min")
            ...     load(path); queue.task_done()

        Crash: nothing is written; who is dead needs no time.

        Args:
            seconds: Seconds from now, or a text like ``"10min"``; a day at most.
            item: As for `task_done`: by default the one that was got first.

        Raises:
            ValueError: This process has no such unfinished item.
            UsageError: It is no length of time, 0, or more than a day.
        """
        until = _now() + extension_of(seconds)
        held = self._unfinished.find(item, "extend()")
        self._unfinished.prolong(held, until)
        self._note_oldest(self._channel or self._connected())

    def task_done(self, item: T | object = ANY) -> None:
        """Record that an item this process got is finished.

        First waits until all that this process has put, on any queue, is journaled: results never
        get lost behind the record that their source is done.

        Crash: the record may wait up to ``ack_interval`` of finished work before it is sent; until
        the broker has it, a death means that the item is done again.

        Args:
            item: The item, if it is not the one that was got first of those still unfinished. The
                very object counts before an equal one.

        Raises:
            ValueError: This process has no such unfinished item: it was called too many times.
        """
        channel = self._channel or self._connected()
        unfinished = self._unfinished
        if item is ANY and unfinished:
            item_id, _, got_at, _ = unfinished.popleft()
        else:
            item_id, _, got_at, _ = unfinished.take(item, "task_done() called too many times")
        if not unfinished:
            channel.hold(0)
        if unfinished:
            # Also where another thread has got one since.
            self._note_oldest(channel)
        channel.done(item_id, got_at, _now())

    def task_done_many(self, items: Iterable[T]) -> None:
        """Record that items this process got, as from `get_many`, are finished.

        Crash: as for `task_done`; of several, the first ones may be recorded and the others not.

        Args:
            items: The items. The very objects count before equal ones.

        Raises:
            ValueError: This process has not got one of them, or has finished it. Those before it
                are recorded.
        """
        for item in items:
            self.task_done(item)

    def task_failed(self, item: T | object = ANY, error: BaseException | str = "") -> None:
        """Record that an item this process got has failed for good: it is parked.

        It is not tried again, whatever the queue's ``retries`` are; `task_retry` is for that.

        Crash: as for `task_done`.

        Args:
            item: As for `task_done`.
            error: What went wrong, kept with the item.

        Raises:
            ValueError: This process has no such unfinished item.
        """
        kind, text = _told(error, "TaskFailed")
        item_id, channel = self._part_with(item, "task_failed()")
        channel.failed(item_id, kind, text, "", final=True)

    def task_retry(
        self,
        item: T | object = ANY,
        error: BaseException | str = "",
        *,
        delay: float | str | None = None,
        counts: bool = True,
    ) -> None:
        """Record that an attempt at an item has failed, and that another one may succeed.

        The item is handed out again, to whichever process, when its wait is over; it is parked if
        this was one attempt more than the queue's ``retries``. Meanwhile it is outstanding, so that
        `join` and ``DONE`` wait for it.

        Example:
            >>> for order in queue:                                     # doctest: +SKIP
            ...     try: send(order)
            ...     except ConnectionError as error: queue.task_retry(order, error)
            ...     else: queue.task_done(order)

        Crash: until the broker has it, a death means that the item is handed out again as what the
        dead held is; from then on the attempt and the end of its wait survive everything.

        Args:
            item: As for `task_done`.
            error: What went wrong, kept with the item.
            delay: How long the item waits, in seconds or as a text like ``"5min"``, a week at most;
                None leaves that to the queue's ``backoff``, which doubles with each attempt.
            counts: Whether the attempt counts as failed. If not, the item is put off as often as it
                takes, 10 ms each time at least: for a server that says when to come again.

        Raises:
            ValueError: This process has no such unfinished item.
            UsageError: The delay is no length of time; the item is still this process's.
        """
        seconds = None if delay is None else seconds_of("task_retry(delay)", delay)
        kind, text = _told(error, "TaskRetry")
        item_id, channel = self._part_with(item, "task_retry()")
        if counts:
            channel.failed(item_id, kind, text, "", seconds)
        else:
            channel.deferred(item_id, kind, text, seconds)

    def mark_all_done(self) -> int:
        """Record as done what this process got and everything still in the queue, to the end.

        For a stage that is one logical unit: get all items, swap the result in, then mark them.
        Blocks until ``DONE``.

        Crash: items are recorded as they come; those not yet recorded are outstanding.

        Returns:
            How many items were marked.

        Raises:
            UpstreamFailed: The load ended with ``FAILED``.
        """
        count = 0
        while self._unfinished:
            self.task_done()
            count += 1
        for _ in self:
            self.task_done()
            count += 1
        self.flush()
        return count

    # --- looking ---

    def empty(self) -> bool:
        """Return whether no item waits. Others may change that before you look."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Return whether a `put` would block now."""
        return 0 < self._maxsize <= self.qsize()

    # --- lifetime ---

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the queue, or `fail` it if the block raised."""
        if error is None:
            self.close()
        else:
            self.fail(f"{type(error).__name__}: {text_of(error)}")

    # --- inside ---

    def _connected(self) -> Channel:
        channel = self._channel = self._open_channel()
        return channel

    def _decoded(self, item_id: int, codec: int, payload: Any, channel: Channel) -> Any:
        """Decode an item, which may run code that kills this process: then it is to blame."""
        channel.hold(item_id, _now())
        try:
            return self._codec.decode(item_id, codec, payload)
        except ItemNotReadable as error:
            self._note_oldest(channel)
            channel.failed(item_id, type(error).__name__, error.reason, "", final=True)
            raise

    def _part_with(self, item: T | object, method: str) -> tuple[int, Channel]:
        """Forget an item that did not succeed; return its id, and where to report that."""
        channel = self._channel or self._connected()
        item_id, _, _, _ = self._unfinished.take(item, f"{method} called too many times")
        self._note_oldest(channel)
        self._settle()
        return item_id, channel

    def _note_oldest(self, channel: Channel) -> None:
        """Note the item that was got first of those unfinished: a death is blamed on it.

        It is the one at work if items are finished in their order. If they are finished together
        nobody knows which it was; but a suspect is handed out before others, so blame comes back to
        the same item, and after it to the next, until the one that kills is found. And it is the
        one that this process has had for the longest time, so no other is overdue before it.
        """
        unfinished = self._unfinished
        while True:
            oldest = unfinished.oldest()
            channel.hold(*oldest)
            if (until := unfinished.extended.get(oldest)) is not None:
                channel.extend(oldest[0], until)
            # Other threads get and finish items: the last one that notes something sees them all.
            if unfinished.oldest() == oldest:
                return


def _told(error: BaseException | str, kind: str) -> tuple[str, str]:
    """Return the class and the text of what went wrong; ``kind`` is for what is told in words."""
    if isinstance(error, BaseException):
        return type(error).__name__, text_of(error)
    return kind, excerpt(error)


def patience_of(block: bool, timeout: float | None) -> float | None:
    """Return the longest wait in seconds, None for ever; as `queue.Queue` reads its arguments."""
    if not block:
        return 0.0
    if timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return timeout
