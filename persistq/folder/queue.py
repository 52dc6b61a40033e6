"""`FolderQueue`: the interface of `persistq.PersistentQueue` over a directory of files."""

from __future__ import annotations

import os
import queue as stdlib
import time
import weakref
from collections.abc import Iterator
from multiprocessing import util
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from persistq import ending, forking
from persistq.codec import ItemCodec
from persistq.errors import ItemsFailed, PersistqError, UpstreamFailed, UsageError
from persistq.folder.alarms import Alarms
from persistq.folder.checks import CheckOption
from persistq.folder.claims import Claims
from persistq.folder.controls import read_controls
from persistq.folder.grouping import MembersOption, grouping_of
from persistq.folder.listing import list_folder, matches, owned, pattern_of
from persistq.folder.names import require_item_name, require_producer_name
from persistq.folder.options import FolderOptions, ProducersOption, expected_producers, times_of
from persistq.folder.order import OrderOption
from persistq.folder.over import Over
from persistq.folder.owner import Watch
from persistq.folder.place import Place, place_of
from persistq.folder.producer import ProducerFiles, Start, new_start
from persistq.folder.putting import Putter
from persistq.folder.reader import Reader, reported
from persistq.folder.rounds import last_round
from persistq.leases import extension_of
from persistq.queues.base import BaseQueue, patience_of
from persistq.queues.unfinished import ANY
from persistq.text.streams import say
from persistq.text.suggestions import options_by_name
from persistq.text.terminal import excerpt, printable

if TYPE_CHECKING:
    from persistq.channel import Channel
    from persistq.folder.rows import RowQueue

T = TypeVar("T")

_EXIT_PRIORITY: Final = -100
"""After multiprocessing has joined this process's children."""

_PAUSE_S: Final = 0.005

_open: weakref.WeakSet[FolderQueue[Any]] = weakref.WeakSet()


class FolderQueue(BaseQueue[T]):
    """A directory as a queue: its files are the items, and a rename claims one.

    No broker and no database: programs in any language take part with ``mv`` and ``touch``, also on
    several hosts that share the directory. `put` brings a file in, `get` answers the path of one
    that is claimed, `task_done` moves it to ``.done``, `task_failed` to ``.parked`` with its reason
    beside it. What a process has claimed when it dies waits again; what a live one has is never
    touched.

    ``DONE`` comes when every producer that has begun has closed, and nothing waits or is in
    anybody's hands.

    Example:
        >>> with FolderQueue("in", producer="north") as folder:        # doctest: +SKIP
        ...     folder.put("sales.csv")
        >>> for path in FolderQueue("in", match="*.csv"):              # doctest: +SKIP
        ...     load(path); folder.task_done()

    Args:
        path: The directory; it is made if it is missing.
        match: Which files are items: a pattern for the whole name, in which case counts.
        order: Gives the key of a path by which files are claimed; by default by name. One without a
            key comes last. See `persistq.folder.order`.
        check: What a file has to be before it is handed out, otherwise it is parked: ``nonempty``,
            ``json``, ``rows``, or a function of its path that answers false or raises.
        done: Where finished files go, as seen from the directory; ``delete`` deletes them.
        producer: The name under which this program puts. It is waited for until it is closed.
        producers: Who has to be done before ``DONE``: names, or how many there are.
        dead_producer: What a producer means that has died before it closed: ``fail``, ``wait``, or
            ``done``.
        drain: Whether ``DONE`` comes whenever nothing is left, whoever may put more.
        failed: Whether ``FAILED`` comes ``first``, before files that wait, or ``last``.
        group: A regular expression with ``(?P<group>...)`` and ``(?P<member>...)``; then `get`
            answers a list with all files of one group.
        members: The members of each complete group, a function of the group that gives them, or
            ``by file``: it is complete when there is a file ``GROUP.complete``.
        group_size: Or how many files it has.
        incomplete: What is done with groups that are not complete when all is over: ``park``,
            ``fail``, or ``deliver``.
        min_age: How long a file must not have changed before it is claimed, in seconds, where
            others write files in place.
        ready_max: Most files that may wait; `put` blocks beyond. 0 is no limit.
        drop_overflow: Whether `put` drops what is beyond instead, and counts it in `dropped`.
        max_crashes: After how many deaths with it in hand a file is parked.
        lease: How long an owner on another host may be silent before it counts as dead, in seconds;
            by default the setting ``lease``, which is 60.
        poll: Longest wait between two looks at an empty directory, in seconds.
        settle: How long nothing must have moved before ``DONE``, in seconds; by default 0.02, and
            65 on a network file system, which shows what has happened that late.

    Raises:
        UsageError: An argument is wrong, or a live process is this producer.
        FolderError: The directory is a stranger's, or cannot be used.

    Crash: what is claimed is given back by whoever looks next; what was put waits.
    """

    @options_by_name("FolderQueue")
    def __init__(
        self,
        path: str | os.PathLike[str],
        match: str = "*",
        *,
        order: OrderOption | None = None,
        check: CheckOption = None,
        done: str = ".done",
        producer: str = "",
        producers: ProducersOption | None = None,
        dead_producer: str = "fail",
        drain: bool = False,
        failed: str = "first",
        group: str | None = None,
        members: MembersOption = None,
        group_size: int | None = None,
        incomplete: str = "park",
        min_age: float = 0.0,
        ready_max: int = 0,
        drop_overflow: bool = False,
        max_crashes: int = 3,
        lease: float | None = None,
        poll: float = 0.5,
        settle: float | None = None,
    ) -> None:
        ending.install()
        if group is None and not (members is None and group_size is None):
            raise UsageError("members= and group_size= are for groups: say group= too")
        options = FolderOptions(
            match=match,
            order=order,
            check=check,
            grouping=None if group is None else grouping_of(group, members, group_size),
            producers=expected_producers(producers),
            dead_producer=dead_producer,
            drain=drain,
            failed=failed,
            incomplete=incomplete,
            ready_max=ready_max,
            drop_overflow=drop_overflow,
            max_crashes=max_crashes,
            times=times_of(min_age, lease, poll, settle),
        )
        self._open_at(place_of(path, done), options, producer)

    def _open_at(self, place: Place, options: FolderOptions, producer: str) -> None:
        if producer:
            require_producer_name(producer)
        place.prepare()
        with reported(place):
            self._connect(place, options, new_start(place, producer))
            if producer:
                self._leave_at_exit()
                self._producer.begin(self._watch)

    def _connect(self, place: Place, options: FolderOptions, start: Start) -> None:
        self._place = place
        self._options = options
        self._start = start
        self._codec = ItemCodec("json", allow_pickle=False)
        self._maxsize = options.ready_max
        self._pattern = pattern_of(options.match)
        self._finalizer: util.Finalize | None = None
        self.dropped = 0
        self._begin_here()
        _open.add(self)

    def _begin_here(self) -> None:
        """Start in this process: what its parent has is the parent's."""
        self._begin()
        self._claims = Claims(self._place, self._options.times.heartbeat)
        # One for all that waits here: it has to be looked twice.
        self._watch = Watch(self._place, self._options.times.lease, Alarms(self._place).notice)
        self._reader: Reader | None = None
        self._producer = ProducerFiles(self._place, self._claims, self._start)
        self._putter = Putter(self._place, self._claims, self._producer.require_open)

    # --- what it is ---

    @property
    def name(self) -> str:
        """The name of the directory."""
        return self._place.path.name

    @property
    def path(self) -> Path:
        """The directory."""
        return self._place.path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, match={self._options.match!r})"

    # --- putting ---

    def put(
        self,
        obj: Any,
        block: bool = True,
        timeout: float | None = None,
        *,
        delay: float | str | None = None,
        copy: bool = False,
        name: str | None = None,
    ) -> None:
        """Put a file: it is moved into the directory, where it appears whole, and survives.

        Crash: the file is in the directory or where it was. If it had to be copied, because it was
        on another file system, it may be at both places.

        Args:
            obj: The path of the file.
            block: Whether to wait for room if ``ready_max`` is said.
            timeout: Longest wait for room, in seconds; None waits for ever.
            delay: A folder has none.
            copy: Whether the file stays where it is, and a copy is put.
            name: What it is called in the directory; by default as it is called now.

        Raises:
            FileExistsError: A file of this name waits there; nothing was changed.
            UsageError: It is no regular file, or its name is none that ``match`` has.
            queue.Full: There was no room in time.
            QueueClosed: The producer was closed, by whichever process.
            UpstreamFailed: There is no room, and never will be: it has failed.
            FolderError: The directory cannot be written.
        """
        if delay is not None:
            raise UsageError("put(delay) is not for folders: a file waits until it is claimed")
        source = Path(obj)
        target = source.name if name is None else name
        self._require_item(target)
        if self._await_room(patience_of(block, timeout)):
            self._bring(lambda: self._putter.put(source, target, copy=copy))

    def _put_one(self, obj: T, due: int | None = None) -> None:
        self.put(obj, delay=due)

    def _offer(self, obj: T, patience: float | None, due: int | None = None) -> bool:
        try:
            self.put(obj, timeout=patience, delay=due)
        except stdlib.Full:
            return False
        return True

    def close(self) -> None:
        """Say that this producer puts nothing more, from any process; twice is harmless.

        Crash: before it returns it may not be said; who is dead by then counts as a dead producer.

        Raises:
            UsageError: The queue was opened without ``producer=``.
        """
        self._require_producer("close()")
        with reported(self._place):
            self._leave_at_exit()
            self._producer.end()

    def fail(self, reason: str = "the producer gave up") -> None:
        """Give up: every `get`, in every process, answers ``FAILED`` from now on.

        What waits stays, and the next start of this producer carries on.

        Crash: it is said or not.

        Args:
            reason: Shown to whoever is told.

        Raises:
            UsageError: The queue was opened without ``producer=``.
        """
        self._require_producer("fail()")
        with reported(self._place):
            self._leave_at_exit()
            self._producer.fail(excerpt(reason))

    # --- getting ---

    def _open_channel(self) -> Channel:
        if self._reader is None:
            self._leave_at_exit()
            began = self._start.began
            self._reader = Reader(self._place, self._options, self._claims, began, self._watch)
        return self._reader  # type: ignore[return-value]  # as much of one as a queue uses

    def task_retry(
        self,
        item: T | object = ANY,  # noqa: ARG002 - as every queue has it
        error: BaseException | str = "",  # noqa: ARG002
        *,
        delay: float | str | None = None,  # noqa: ARG002
        counts: bool = True,  # noqa: ARG002
    ) -> None:
        """Refuse: a folder has no retries.

        Raises:
            UsageError: Always; the file is still this process's.
        """
        raise UsageError(
            "task_retry() is not for folders: task_failed() parks a file, and who moves it back "
            "into the directory has it tried again"
        )

    def attempt(self, item: T | object = ANY) -> int:  # noqa: ARG002 - as every queue has it
        """Refuse: a folder counts no attempts.

        Raises:
            UsageError: Always.
        """
        raise UsageError("attempt() is not for folders: they count no attempts")

    def extend(self, seconds: float | str, item: T | object = ANY) -> None:  # noqa: ARG002
        """Ask other hosts to wait for this process: it may be silent for so long.

        For code that lets no other thread run, so that nothing can say that this process lives,
        and for machines that are paused: nobody takes it for dead within that time, neither as who
        has files in hand nor as a producer. On the same host its death is known at once, as always.
        Said again it is asked for anew; it never shortens what is allowed anyway.

        Crash: other hosts give back what a dead process had when the time is over that it has asked
        for, and not when its lease is.

        Args:
            seconds: Seconds from now, or a text like ``"10min"``; a day at most.
            item: As every queue has it. All that this process has in hand is waited for.

        Raises:
            UsageError: It is no length of time, 0, or more than a day.
            FolderError: The directory cannot be written; nothing was asked for.
        """
        more = extension_of(seconds)
        with reported(self._place):
            self._leave_at_exit()
            self._claims.extend(more)

    def dispose(self) -> None:
        """Stop getting: what this process got and did not finish goes to others at once.

        Crash: dying has the same effect.
        """
        if self._reader is not None:
            self._reader.give_back()
        self._begin()

    # --- waiting and looking ---

    def join(self, *, check: bool = False) -> None:
        """Wait until nothing waits and nothing is in anybody's hands.

        Args:
            check: Whether to raise if files are parked. A script that does not catch the error
                exits with 6.

        Raises:
            ItemsFailed: Files are parked, and ``check`` is set.
            UpstreamFailed: A producer has failed, and what waits is claimed by nobody.
        """
        while self._is_left():
            self._require_not_failed()
            time.sleep(_PAUSE_S)
        if check and (parked := self.parked()):
            raise ItemsFailed(self.name, len(parked))

    def join_thread(self) -> None:
        """Wait until all that this process has put is there; it is when `put` returns."""

    def cancel_join_thread(self) -> None:
        """Do nothing: there is nothing that this process would wait for at its end."""

    def flush(self) -> None:
        """Have what this process has put and settled survive a power cut."""
        with reported(self._place):
            self._claims.sync()

    def qsize(self) -> int:
        """Return how many files wait: put, and in nobody's hands."""
        with reported(self._place):
            return len(list_folder(self._place, self._pattern).items)

    def outstanding(self) -> Iterator[Any]:
        """Yield the paths of files that wait or are in somebody's hands, in the order of names."""
        with reported(self._place):
            waiting = list_folder(self._place, self._pattern).items
            found = [(name, self.path / name) for name in waiting]
            for owner, name in owned(self._place.taken):
                found.append((name.partition(".")[2], self._place.taken / owner / name))
        return iter([path for _, path in sorted(found)])

    def parked(self) -> list[Path]:
        """Return the paths of files that have failed for good; the reason is beside each."""
        from persistq.folder.standing import parked_files

        with reported(self._place):
            return parked_files(self._place)

    def requeue_outstanding(self) -> int:
        """Return 0: nothing is ever held back."""
        return 0

    # --- lifetime ---

    def release(self) -> None:
        """Give back what this process got and did not finish; done by itself at its exit.

        Crash: dying has the same effect.
        """
        if self._finalizer is not None:
            self._finalizer.cancel()
            self._finalizer = None
        self._leave()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close a producer, or `fail` it if the block raised; who only gets is released."""
        if self._start.producer:
            super().__exit__(kind, error, traceback)
        else:
            self.release()

    def __getstate__(self) -> dict[str, Any]:
        return {"place": self._place, "options": self._options, "start": self._start}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._connect(state["place"], state["options"], state["start"])

    @classmethod
    def rows(cls, path: str | os.PathLike[str], **options: Any) -> RowQueue[Any]:
        """Return the queue of a directory of batch files, whose items are rows.

        Args:
            path: The directory.
            options: Those of `persistq.folder.rows.RowQueue`.
        """
        from persistq.folder.rows import RowQueue

        return RowQueue(path, **options)

    # --- inside ---

    _unsafe = ()

    def _settle(self) -> None:
        """Wait for nothing: what was put is there."""

    def _bring(self, put: Any) -> None:
        with reported(self._place):
            self._leave_at_exit()
            put()

    def _require_item(self, name: str) -> None:
        require_item_name(name)
        if not matches(self._pattern, name):
            raise UsageError(
                f"{name!r} would never be claimed: it is not like match={self._options.match!r}"
            )

    def _require_producer(self, what: str) -> None:
        if not self._start.producer:
            raise UsageError(
                f"{what} speaks for a producer: open the folder with producer='a name'"
            )

    def _await_room(self, longest: float | None) -> bool:
        """Wait for room; False if what has none is dropped.

        Raises:
            queue.Full: There was none in time.
            UpstreamFailed: There never will be.
        """
        deadline = None if longest is None else time.monotonic() + longest
        while self._maxsize and self.qsize() >= self._maxsize:
            if self._options.drop_overflow:
                self.dropped += 1
                return False
            self._producer.require_open()
            self._require_not_failed()
            if deadline is not None and time.monotonic() >= deadline:
                raise stdlib.Full
            time.sleep(_PAUSE_S)
        return True

    def _require_not_failed(self) -> None:
        with reported(self._place):
            listing = list_folder(self._place, self._pattern)
            void = last_round(self._place).void
            controls = read_controls(self._place.path, listing.controls, void)
            reason = Over(self._place, self._options, self._watch).failure(controls)
        if reason:
            raise UpstreamFailed(self.name, reason)

    def _is_left(self) -> bool:
        return self.qsize() > 0 or any(owned(self._place.taken))

    def _leave_at_exit(self) -> None:
        if self._finalizer is None:
            self._finalizer = util.Finalize(None, self._leave_at_last, exitpriority=_EXIT_PRIORITY)

    def _leave_at_last(self) -> None:
        """Do as `release` at the end of the process, where nobody can be told by an error."""
        try:
            self._leave()
        except PersistqError as error:
            if self.path.exists():
                say(f"persistq: {printable(str(error))}")

    def _leave(self) -> None:
        with reported(self._place):
            self._claims.leave()
        self._begin_here()

    def _forget(self) -> None:
        """Start anew in a forked child."""
        self._finalizer = None
        self._begin_here()

    def _before_fork(self) -> None:
        """Do what a child must not do a second time."""


def _forget_all() -> None:
    for one in list(_open):
        one._forget()  # noqa: SLF001 - it is this module's class


def _before_fork() -> None:
    for one in list(_open):
        one._before_fork()  # noqa: SLF001 - it is this module's class


forking.at_fork(forking.Step.FOLDERS, before=_before_fork, after_in_child=_forget_all)
