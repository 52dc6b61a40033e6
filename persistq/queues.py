"""`PersistentQueue`: the interface of ``multiprocessing.JoinableQueue`` over a journal."""

from __future__ import annotations

import os
import queue
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from time import monotonic as _now
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

from persistq import ending
from persistq.client.connection import Connection
from persistq.client.consumer import Consumer
from persistq.client.openings import queue_opening, tell_what_is_left
from persistq.client.presence import Presence
from persistq.client.producer import settle_puts
from persistq.client.starting import open_run
from persistq.client.window import Delivery
from persistq.codec import CodecName, ItemCodec
from persistq.errors import ItemNotReadable, ItemsFailed, UpstreamFailed
from persistq.items import DONE, FAILED, Sentinel, item_id_of
from persistq.text.suggestions import options_by_name
from persistq.text.terminal import storable, text_of
from persistq.wire.messages import Fail, Join, Page, QueueSizes, Release, Role, Seal

T = TypeVar("T")

PUT_MANY_FIRST = 16
PUT_MANY_ITEMS = 1_000
PUT_MANY_BYTES = 1 << 20
"""`PersistentQueue.put_many` sends so many items at a time: few until their size is known, then as
many as have this many bytes, and never more than ``PUT_MANY_ITEMS``."""

PAGE_ITEMS = 1_000

_ANY: Final = object()


_Unfinished = tuple[int, Any, float]
"""An item that this process got and has not reported on: its id, its value, when it was got."""


class PersistentQueue(Generic[T]):
    """A queue between processes whose contents survive them.

    It has the interface and the behaviour of ``multiprocessing.JoinableQueue``, and it can be
    handed to child processes under any start method. Every item put and every item done is written
    to the journal of ``name``; what is put and not done is outstanding.

    Opening a name carries on the unfinished load of that name, if there is one: its outstanding
    items come first, and each item that an earlier run has put absorbs one equal put of this one,
    so a script can simply be started again. If a live program has the name open, this one joins it.

    Example:
        >>> queue = PersistentQueue("sales")            # doctest: +SKIP
        >>> queue.put_many(paths); queue.close()        # doctest: +SKIP
        >>> for path in queue:                          # doctest: +SKIP
        ...     load(path); queue.task_done()

    Args:
        name: Name of the load and of its journal file: letters, digits, ``.``, ``_`` and ``-``.
        maxsize: Most items that may wait; a `put` beyond it blocks. 0 is no limit: what does not
            fit in memory waits on disk. A bounded queue hands out items one at a time, and is
            slower.
        codec: ``auto``, ``json`` or ``pickle``; see `persistq.codec`.
        allow_pickle: Whether items may be stored and read as pickles.
        resume: Whether outstanding items of earlier runs are handed out at once; if False they wait
            for `requeue_outstanding`.
        fresh: Whether to begin a new load even if one is unfinished; that one is marked abandoned.
        journal: Directory of journals; by default the setting ``journal`` (``PERSISTQ_JOURNAL``).

    Raises:
        UsageError: The name or an argument is wrong.
        JournalError: The journal cannot be used, or a pipeline of this name is running.

    Crash: if the process dies, its children are told (`RunEnded`) and get no more work; the journal
    holds what is outstanding.
    """

    @options_by_name("PersistentQueue")
    def __init__(
        self,
        name: str,
        maxsize: int = 0,
        *,
        codec: CodecName = "auto",
        allow_pickle: bool = True,
        resume: bool = True,
        fresh: bool = False,
        journal: str | os.PathLike[str] | None = None,
    ) -> None:
        ending.install()
        opening, settings = queue_opening(name, resume=resume, fresh=fresh, journal=journal)
        self._codec = ItemCodec(
            codec, allow_pickle=allow_pickle, item_bytes_max=settings.item_bytes_max
        )
        self._maxsize = max(0, maxsize)
        run = open_run(opening, ack_interval=settings.ack_interval, timeout=settings.broker_timeout)
        tell_what_is_left(run)
        self._load_id = run.welcome.load_id
        self._carried_on = run.welcome.carried_on
        self._begin(Presence(run.handle, run))

    # --- what it is ---

    @property
    def name(self) -> str:
        """The name of the load."""
        return self._presence.handle.name

    @property
    def maxsize(self) -> int:
        """Most items that may wait, 0 for no limit."""
        return self._maxsize

    @property
    def journal(self) -> str:
        """Path of the journal file."""
        return self._presence.handle.journal

    @property
    def load_id(self) -> int:
        """Number of the load in its journal."""
        return self._load_id

    @property
    def carried_on(self) -> bool:
        """Whether this run carries on a load that an earlier one began."""
        return self._carried_on

    def __repr__(self) -> str:
        return f"PersistentQueue({self.name!r}, load={self.load_id}, journal={self.journal!r})"

    # --- putting ---

    def put(self, obj: T, block: bool = True, timeout: float | None = None) -> None:
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

        Raises:
            ItemNotStorable: The object cannot be encoded; the queue is as before.
            UsageError: It is ``DONE`` or ``FAILED``, of which every consumer is told by itself.
            queue.Full: There was no room in time.
            QueueClosed: The queue was closed, by whichever process.
            UpstreamFailed: There is no room in a bounded queue, and never will be: the load failed.
            BrokerLost: The broker is gone.
        """
        codec, payload = self._codec.encode(obj)
        if not self._maxsize:
            self._presence.producer.put_one(codec, payload)
            return
        patience = _patience(block, timeout)
        if not self._presence.producer.offer(codec, payload, self._maxsize, patience):
            raise queue.Full

    def put_nowait(self, obj: T) -> None:
        """Put one item if there is room at once; otherwise raise `queue.Full`. See `put`."""
        self.put(obj, block=False)

    def put_many(self, items: Iterable[T]) -> None:
        """Put many items, much faster than one by one.

        An iterator is drawn from as the items are sent, so it may be longer than memory.

        Crash: as for `put`; the items are journaled in their order, so what is journaled is a
        prefix.

        Raises:
            ItemNotStorable: One of the items cannot be encoded; of the up to a thousand that are
                sent with it none is put, those before are.
            UsageError: One of them is ``DONE`` or ``FAILED``; as above.
        """
        if self._maxsize:
            for item in items:
                self.put(item)
            return
        source, count = iter(items), PUT_MANY_FIRST
        while chunk := list(islice(source, count)):
            codecs, payloads = self._codec.encode_many(chunk)
            self._presence.producer.put(codecs, payloads)
            size = max(1, sum(map(len, payloads)) // len(payloads))
            count = max(1, min(PUT_MANY_ITEMS, PUT_MANY_BYTES // size))

    def close(self) -> None:
        """Seal the queue: nothing more will be put on this load, by any process.

        When everything put is settled too, every `get` answers ``DONE``. Closing twice is harmless.

        Crash: before it returns, the load may be unsealed, and is never DONE until the script has
        run again; after it, the seal is on disk.
        """
        settle_puts()
        self._presence.ask(Seal, self._queue_id)

    def fail(self, reason: str = "the producer gave up") -> None:
        """Give up: every `get`, in every process, answers ``FAILED`` from now on.

        The work stays in the journal, and the next start of the script carries on.

        Crash: the mark belongs to this run; if the broker dies first, the run ends anyway.

        Args:
            reason: Shown by iteration, the command line and logs.
        """
        settle_puts()
        self._presence.ask(Fail, reason)

    # --- getting ---

    def get(self, block: bool = True, timeout: float | None = None) -> T | Sentinel:
        """Return the next item, or ``DONE``, or ``FAILED``.

        An item is outstanding until `task_done` or `task_failed`; if this process dies first,
        another one gets it. Of several that it has not finished, its death is blamed on the one it
        got first.

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
        settle_puts()
        patience = None if block and timeout is None else _patience(block, timeout)
        consumer = self._presence.present_consumer or self._presence.consumer
        answer = consumer.get(patience)
        if isinstance(answer, tuple):
            return self._received(consumer, answer)
        if answer is None:
            raise queue.Empty
        self._failure = answer.reason
        return Sentinel(answer.outcome)

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

    def key(self, item: T | object = _ANY) -> str:
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
        item_id, _, _ = self._unfinished[self._position(item, "key()")]
        return self._presence.consumer.keys.of(item_id)

    def task_done(self, item: T | object = _ANY) -> None:
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
        item_id, _, got_at = self._take_unfinished(item, "task_done")
        consumer = self._presence.present_consumer or self._presence.consumer
        self._hold_oldest(consumer)
        consumer.done(item_id, got_at, _now())

    def task_failed(self, item: T | object = _ANY, error: BaseException | str = "") -> None:
        """Record that an item this process got has failed for good: it is parked.

        Crash: as for `task_done`.

        Args:
            item: As for `task_done`.
            error: What went wrong, kept with the item.

        Raises:
            ValueError: This process has no such unfinished item.
        """
        if isinstance(error, BaseException):
            kind, text = type(error).__name__, text_of(error)
        else:
            kind, text = "TaskFailed", storable(error)
        item_id, _, _ = self._take_unfinished(item, "task_failed")
        consumer = self._presence.consumer
        self._hold_oldest(consumer)
        settle_puts()
        consumer.failed(item_id, kind, text, "")

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

    def dispose(self) -> None:
        """Stop getting: what this process got and did not finish goes to others at once.

        Crash: dying has the same effect.
        """
        self._presence.drop_consumer()
        self._unfinished.clear()

    # --- waiting and looking ---

    def join(self, *, check: bool = False) -> None:
        """Wait until no item is outstanding: all are done, dropped or parked.

        What ``resume=False`` holds back is waited for as well.

        Args:
            check: Whether to raise if items are parked. A script that does not catch the error
                exits with 6.

        Raises:
            ItemsFailed: Items are parked, by this run or an earlier one, and ``check`` is set.
            UpstreamFailed: The load has failed, and nobody is at work on what is outstanding.
        """
        settle_puts()
        if (consumer := self._presence.present_consumer) is not None:
            consumer.report()
        # A connection of its own: this may take hours, and others have questions.
        connection, _ = Connection.dial(self._presence.handle, Role.CONTROL)
        try:
            connection.ask(Join, self._queue_id)
        finally:
            connection.close()
        if check and (parked := self._sizes().parked):
            failed = ItemsFailed(self.name, parked)
            # The end of the program says the same, and what to type.
            failed.told = self._presence.has_last_word
            raise failed

    def join_thread(self) -> None:
        """Wait until all that this process has put is journaled; there is no thread."""
        settle_puts()

    def cancel_join_thread(self) -> None:
        """Let this process exit without waiting for the journal.

        What it has put is on its way all the same; only an error would go unnoticed.
        """
        self._presence.hasty = True

    def flush(self) -> None:
        """Wait until all that this process has put and reported is on disk.

        Crash: after it returns, all of that survives a power cut.
        """
        settle_puts()
        if (consumer := self._presence.present_consumer) is not None:
            consumer.flush()

    def qsize(self) -> int:
        """Return how many items wait: put, and in nobody's hands."""
        settle_puts()
        consumer = self._presence.present_consumer
        return self._sizes().waiting + (consumer.buffered if consumer is not None else 0)

    def empty(self) -> bool:
        """Return whether no item waits. Others may change that before you look."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Return whether a `put` would block now."""
        return 0 < self._maxsize <= self.qsize()

    def outstanding(self) -> Iterator[T]:
        """Yield the items that are put and neither done, dropped nor parked, in order.

        Items that somebody is working on are among them. Memory stays constant.

        Raises:
            ItemNotReadable: An item cannot be decoded here.
        """
        settle_puts()
        after = item_id_of(self._queue_id, 0)
        while page := self._presence.ask(Page, self._queue_id, after, PAGE_ITEMS):
            for item_id, codec, payload in page:
                yield self._codec.decode(item_id, codec, payload)
            after = page[-1][0]

    def requeue_outstanding(self) -> int:
        """Hand out what ``resume=False`` has held back, after the items that wait already.

        Crash: nothing is written: the items were outstanding all the time.

        Returns:
            How many items were held back.
        """
        return int(self._presence.ask(Release, self._queue_id, kind=int))

    # --- lifetime ---

    def __enter__(self) -> PersistentQueue[T]:
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

    def release(self) -> None:
        """Disconnect this process: the queue object can no longer be used here.

        Done by itself when the process exits; the load goes on for others.

        Crash: what was put and is not journaled yet may be lost; what was got and not finished
        goes to others.

        Raises:
            BrokerLost: The broker is gone, and something that was put or finished with it.
            PersistqError: Something that was put was refused. What was raised before is not raised
                again.
        """
        self._presence.close()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "handle": self._presence.handle,
            "codec": self._codec,
            "maxsize": self._maxsize,
            "load": (self._load_id, self._carried_on),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._codec = state["codec"]
        self._maxsize = state["maxsize"]
        self._load_id, self._carried_on = state["load"]
        self._begin(Presence(state["handle"]))

    # --- inside ---

    def _begin(self, presence: Presence) -> None:
        self._presence = presence
        self._queue_id = presence.handle.queue_id
        self._unfinished: deque[_Unfinished] = deque()
        self._failure = ""
        # Items that the parent got before it forked are the parent's.
        presence.on_fork(self._unfinished.clear)

    def _received(self, consumer: Consumer, delivery: Delivery) -> T:
        item_id, codec, payload, _ = delivery
        consumer.hold(item_id)
        try:
            value: T = self._codec.decode(item_id, codec, payload)
        except ItemNotReadable as error:
            consumer.failed(item_id, type(error).__name__, error.reason, "")
            raise
        unfinished = self._unfinished
        unfinished.append((item_id, value, _now()))
        if len(unfinished) > 1:
            self._hold_oldest(consumer)
        return value

    def _take_unfinished(self, item: object, caller: str) -> _Unfinished:
        """Return the unfinished item that is meant, and forget it."""
        unfinished = self._unfinished
        if item is _ANY and unfinished:
            return unfinished.popleft()
        position = self._position(item, f"{caller}() called too many times")
        taken = unfinished[position]
        del unfinished[position]
        return taken

    def _hold_oldest(self, consumer: Consumer) -> None:
        """Have a death blamed on the item got first of those unfinished.

        It is the one at work if items are finished in their order. If they are finished together
        nobody knows which it was; but a suspect is handed out before others, so blame comes back
        to the same item, and after it to the next, until the culprit is found.
        """
        unfinished = self._unfinished
        consumer.hold(unfinished[0][0] if unfinished else 0)

    def _position(self, item: object, complaint: str) -> int:
        if item is _ANY and self._unfinished:
            return 0
        for position, (_, value, _) in enumerate(self._unfinished):
            if value is item:
                return position
        for position, (_, value, _) in enumerate(self._unfinished):
            if value == item:
                return position
        raise ValueError(f"{complaint}: this process has no such item unfinished")

    def _sizes(self) -> QueueSizes:
        return next(s for s in self._presence.sizes() if s.queue_id == self._queue_id)


def _patience(block: bool, timeout: float | None) -> float | None:
    """Return the longest wait in seconds, None for ever; as `queue.Queue` reads its arguments."""
    if not block:
        return 0.0
    if timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return timeout
