"""`PersistentQueue`: the interface of ``multiprocessing.JoinableQueue`` over a journal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from persistq import ending
from persistq.blocks import ITEMS_MAX, Slice
from persistq.client.agreement import require_agreement
from persistq.client.connection import Connection
from persistq.client.consumer import Consumer
from persistq.client.openings import queue_opening, tell_what_is_left
from persistq.client.presence import Presence
from persistq.client.producer import settle_puts, unsettled
from persistq.client.starting import open_run
from persistq.client.window import deliveries
from persistq.codec import TOGETHER_FIRST, CodecName, ItemCodec
from persistq.errors import ItemsFailed
from persistq.items import item_id_of
from persistq.queues.base import BaseQueue
from persistq.text.suggestions import options_by_name
from persistq.wire.messages import Fail, Join, Page, QueueSizes, Requeue, Role, Seal

T = TypeVar("T")

PUT_MANY_FIRST = TOGETHER_FIRST
PUT_MANY_ITEMS = 2 * ITEMS_MAX
PUT_MANY_BYTES = 1 << 20
"""`PersistentQueue.put_many` sends so many items at a time: few until their size is known, then as
many as have this many bytes, and never more than ``PUT_MANY_ITEMS``."""

PAGE_ITEMS = 1_000


class PersistentQueue(BaseQueue[T]):
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
        retries: How often an item is handed out again after a `task_retry`, before it is parked; by
            default the setting ``retries``.
        backoff: Seconds before the first of them; they double with each, up to the setting
            ``backoff_max``. By default the setting ``backoff``.
        timeout: Seconds that a process may have an item in hand, from `get` to the report. It is
            killed then, from outside and whatever it is doing: by SIGTERM, two seconds later by
            SIGKILL; the item counts as one that killed its process. So items go to child processes
            alone, and a `get` of the process that opened the queue is refused. None is no limit.

    Raises:
        UsageError: The name or an argument is wrong, or another program has the queue open and has
            said something else of ``retries``, ``backoff`` or ``timeout``.
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
        retries: int | None = None,
        backoff: float | None = None,
        timeout: float | None = None,
    ) -> None:
        ending.install()
        said = _validated(name, retries=retries, backoff=backoff, timeout=timeout)
        opening, settings = queue_opening(
            name, resume=resume, fresh=fresh, journal=journal, said=said
        )
        self._codec = ItemCodec(
            codec, allow_pickle=allow_pickle, item_bytes_max=settings.item_bytes_max
        )
        self._maxsize = max(0, maxsize)
        run = open_run(opening, ack_interval=settings.ack_interval, timeout=settings.broker_timeout)
        require_agreement(name, said, run)
        tell_what_is_left(run)
        self._load_id = run.welcome.load_id
        self._carried_on = run.welcome.carried_on
        self._connect(Presence(run.handle, run))

    # --- what it is ---

    @property
    def name(self) -> str:
        """The name of the load."""
        return self._presence.handle.name

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

    def _put_one(self, obj: T, due: int | None = None) -> None:
        codec, payload = self._codec.encode(obj)
        self._presence.producer.put_one(codec, payload, due=due)

    def _offer(self, obj: T, patience: float | None, due: int | None = None) -> bool:
        codec, payload = self._codec.encode(obj)
        return self._presence.producer.offer(codec, payload, self._maxsize, patience, due)

    def put_many(self, items: Iterable[T]) -> None:
        """Put many items, much faster than one by one.

        An iterator is drawn from as the items are sent, so it may be longer than memory.

        Crash: as for `put`; the items are journaled in their order, so what is journaled is a
        prefix.

        Raises:
            ItemNotStorable: One of the items cannot be encoded; of the about a thousand that are
                sent with it none is put, those before are.
            UsageError: One of them is ``DONE`` or ``FAILED``; as above.
        """
        if self._maxsize:
            super().put_many(items)
            return
        source, count = iter(items), PUT_MANY_FIRST
        while chunk := list(islice(source, count)):
            blocks = self._codec.encode_many(chunk)
            self._presence.producer.put(blocks)
            size = max(1, sum(len(block.data) for block in blocks) // len(chunk))
            count = _whole_blocks(self._codec.fitting, size)

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

    def _open_channel(self) -> Consumer:
        return self._presence.consumer

    def dispose(self) -> None:
        """Stop getting: what this process got and did not finish goes to others at once.

        Crash: dying has the same effect.
        """
        self._presence.drop_consumer()

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

    def outstanding(self) -> Iterator[T]:
        """Yield the items that are put and neither done, dropped nor parked, in order.

        Items that somebody is working on are among them. Memory stays constant.

        Raises:
            ItemNotReadable: An item cannot be decoded here.
        """
        settle_puts()
        after = item_id_of(self._queue_id, 0)
        page: list[Slice]
        while page := self._presence.ask(Page, self._queue_id, after, PAGE_ITEMS, kind=list[Slice]):
            for item_id, codec, payload, _ in deliveries(page):
                yield self._codec.decode(item_id, codec, payload)
            after = page[-1].ids.last

    def requeue_outstanding(self) -> int:
        """Hand out what ``resume=False`` has held back, after the items that wait already.

        Crash: nothing is written: the items were outstanding all the time.

        Returns:
            How many items were held back.
        """
        return int(self._presence.ask(Requeue, self._queue_id, kind=int))

    # --- lifetime ---

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
        self._connect(Presence(state["handle"]))

    # --- inside ---

    _unsafe = unsettled
    _settle = staticmethod(settle_puts)

    def _connect(self, presence: Presence) -> None:
        self._begin()
        self._presence = presence
        self._queue_id = presence.handle.queue_id
        # What was got then belongs to others, and to the parent what it had got before a fork.
        presence.on_parting(self._begin)

    def _sizes(self) -> QueueSizes:
        return next(s for s in self._presence.sizes() if s.queue_id == self._queue_id)


def _validated(name: str, **policy: float | None) -> dict[str, Any]:
    """Return what is said of a queue's `persistq.policy.Policy`, within its bounds.

    Raises:
        UsageError: A value is wrong.
    """
    from persistq.settings import options_of

    return options_of(f"queue {name!r}", **policy)


def _whole_blocks(fitting: int, size: int) -> int:
    """Return how many items of so many bytes are sent together, where so many fit in a block."""
    most = min(PUT_MANY_ITEMS, PUT_MANY_BYTES // size)
    return fitting * max(1, most // fitting)
