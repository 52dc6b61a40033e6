"""One queue as the scheduler sees it: where each of its outstanding items is.

Every outstanding item is in exactly one place::

    backlog (on disk only) ─► ready ─► in flight (held by one consumer) ─► settled
                                ▲            │
                       suspects ┼────────────┤   its consumer died of it
           delayed ─► recalled ─┴────────────┘   its attempt failed; ids only, read again when due

Pure: no clock, no I/O; time and journal pages are handed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from persistq.blocks import Slice, count_of
from persistq.broker.filling import Filling
from persistq.broker.line import Line, footprint
from persistq.broker.pace import Pace
from persistq.broker.parting import divided, parted
from persistq.broker.rest import Rest
from persistq.broker.retries import Retries
from persistq.broker.span import Span
from persistq.items import IdRange, ids_in
from persistq.journal.base import QueueRow
from persistq.wire.messages import Patience

STUCK_S = 0.1
"""How long a suspect waits for somebody who has just finished, and comes with empty hands."""


@dataclass(slots=True)
class Window:
    """What one consumer is handed at a time: items, to be begun one by one or several together.

    Attributes:
        slices: The items, in order.
        count: How many they are.
        sizes: How many of them make each attempt; nothing if each is an attempt by itself.
        first: The number of the first attempt, from which the others follow. An attempt of one
            item is known by the item's id instead, which no number is as large as.
    """

    slices: list[Slice]
    count: int
    sizes: Sequence[int] = ()
    first: int = 0

    @property
    def ids(self) -> Iterator[IdRange]:
        """The ids of the items, in order."""
        return (part.ids for part in self.slices)


@dataclass(slots=True)
class Lane:
    """The places of one queue's outstanding items.

    Attributes:
        row: The queue's counters, which are only read here; see `persistq.broker.transitions`.
        ready_bytes_max: Most bytes of items kept in memory; further items wait on disk.
        ready: Items to hand out.
        suspects: Attempts whose worker died: each is handed out first, and alone.
        apart: Ids of items with which an attempt of several has died in an earlier run, so that
            each is an attempt by itself.
        filling: When a batch is handed out; None if items go one by one.
        retries: Items that wait for their next attempt, on disk.
        backlog: Ranges still to be read from the journal, in order.
        held_back: How many outstanding items of earlier runs wait to be requeued, and their ranges.
        waiting: Consumers that asked and got nothing yet, with their patience, longest wait first.
        holders: Consumers with items in flight.
        in_flight: Number of items in flight.
        consumers: How many consumers are connected.
        bounded: Whether items go out one at a time, because those in hand unseen would not count.
        resumed: Items done or dropped before this run began.
        parked_before: Items parked before this run began.
        blamed: Deaths of consumers in this run for which an item was blamed.
        stuck_since: Since when suspects wait, and all who could come for them hold something.
        stuck: Whether that has lasted, so that one of these gets one.
        rest: While it lasts, nothing is handed out.
    """

    row: QueueRow
    ready_bytes_max: int
    ready: Line = field(default_factory=Line)
    suspects: deque[list[Slice]] = field(default_factory=deque)
    apart: set[int] = field(default_factory=set)
    filling: Filling | None = None
    retries: Retries = field(default_factory=Retries)
    backlog: deque[Span] = field(default_factory=deque)
    held_back: deque[Span] = field(default_factory=deque)
    held_back_count: int = 0
    waiting: dict[int, Patience] = field(default_factory=dict)
    holders: set[int] = field(default_factory=set)
    in_flight: int = 0
    consumers: int = 0
    bounded: bool = False
    resumed: int = 0
    parked_before: int = 0
    blamed: int = 0
    stuck_since: float | None = None
    stuck: bool = False
    pace: Pace = field(default_factory=Pace)
    rest: Rest = field(default_factory=Rest)

    # --- items arriving ---

    def arrive(self, slices: Sequence[Slice]) -> None:
        """Take in newly journaled items, which have consecutive ids."""
        # An empty lane takes anything: one huge batch must not go round by the disk.
        full = self.ready and self.ready.bytes + footprint(slices) > self.ready_bytes_max
        if self.backlog or full:
            self._leave_on_disk(slices[0].ids.first - 1, slices[-1].ids.last)
        else:
            self.ready.append(slices)

    def arrive_on_disk(self, ids: IdRange) -> None:
        """Take in newly journaled items, with consecutive ids, that are read when there is room."""
        self._leave_on_disk(ids.first - 1, ids.last)

    def _leave_on_disk(self, after: int, last: int) -> None:
        end = self.backlog[-1] if self.backlog else None
        if end is not None and end.untouched and end.last == after:
            end.last = last
        else:
            self.backlog.append(Span(after, last, untouched=True))

    def page_wanted(self) -> Span | None:
        """Return the range to read next, if memory has run low and the disk holds more."""
        low = self.ready.bytes * 2 <= self.ready_bytes_max
        return self.backlog[0] if self.backlog and low else None

    def refill(self, slices: Sequence[Slice]) -> None:
        """Take in the page read for `page_wanted`; an empty page means that the range is read."""
        span = self.backlog[0]
        if not slices or slices[-1].ids.last >= span.last:
            self.backlog.popleft()
        else:
            span.after = slices[-1].ids.last
        self.ready.append(parted(self.retries.sift(slices)))

    def hold_back(self, span: Span, count: int) -> None:
        """Keep a range of earlier items until `requeue`."""
        self.held_back.append(span)
        self.held_back_count = count

    def requeue(self) -> int:
        """Let held-back items follow those that wait already; return how many."""
        count, self.held_back_count = self.held_back_count, 0
        self.backlog.extend(self.held_back)
        self.held_back.clear()
        return count

    def wake(self, now: float) -> None:
        """Notice what is due by now, and what has come."""
        self.rest.wake(now)
        self.retries.wake(now)
        if self.filling is not None:
            self.filling.note(self.ready, now)
        self._note_deadlock(now)

    def _note_deadlock(self, now: float) -> None:
        if not (self.suspects and self.waiting and self.deadlocked):
            self.stuck_since, self.stuck = None, False
            return
        if self.stuck_since is None:
            self.stuck_since = now
        # Who would not wait would never see the end of it.
        asked_once = Patience.NEVER in self.waiting.values()
        self.stuck = asked_once or now >= self.stuck_since + STUCK_S

    def recall(self, slices: Iterable[Slice]) -> None:
        """Take in the first of the retries that were wanted, at the front of the line."""
        self.retries.have_read(self.ready.put_back(slices))

    def unpark(self, item_ids: Sequence[int]) -> None:
        """Take in items that were parked, which are on disk: they are read when there is room."""
        self.parked_before = min(self.parked_before, self.row.parked)
        held = sum(span.after < n <= span.last for span in self.held_back for n in item_ids)
        self.held_back_count += held
        # What lies in a range that is still to be read will be found there.
        unread = [*self.backlog, *self.held_back]
        self.retries.recall(
            n for n in item_ids if not any(span.after < n <= span.last for span in unread)
        )

    # --- items leaving ---

    def suspect(self, attempt: list[Slice]) -> None:
        """Line up what its worker has died of: several items in halves, until it is one alone."""
        halves = divided(attempt, (count_of(attempt) + 1) // 2)
        self.suspects.extend(half for half in halves if half)

    def _must_wait(self, now: float) -> bool:
        """Return whether what is there is a part of a batch, and waits for the rest."""
        filling = self.filling
        if filling is None or not self.ready:
            return False
        filling.note(self.ready, now)
        return not self._is_complete(filling) and now < filling.due()

    def _is_complete(self, filling: Filling) -> bool:
        """Return whether a batch is full, or as full as it will be by waiting."""
        if filling.is_full(self.ready):
            return True
        if self.retries.recalled:
            # They are read when those that were read before have left.
            return self.retries.ready > 0
        if self.backlog:
            return self.page_wanted() is None
        return self.row.sealed_total is not None

    def next_window(
        self,
        *,
        seconds: float,
        most: int,
        idle: bool,
        together: int = 1,
        now: float = inf,
    ) -> Window:
        """Take the items for one consumer out of the line.

        Quick items go in bulk, slow ones one by one, and near the end everybody gets a fair part.

        Args:
            seconds: How much expected work to hand out.
            most: Most items to hand out.
            idle: Whether the consumer holds nothing. It is given a suspect first, alone; another
                one gets it only if nobody is left who could come for it with empty hands.
            together: Most items that the consumer begins together. What is there is handed out,
                be it more than would be fair; if batches are to be filled, only full ones, or all
                that is there if none is and the first has waited long enough.
            now: The present time.
        """
        if self.rest.until is not None:
            return Window([], 0)
        if self.suspects and (idle or (self.stuck and not self.ready and self.deadlocked)):
            return self._next_suspect(together)
        if self._must_wait(now):
            return Window([], 0)
        fair = self.ready.count // (2 * max(self.consumers, 1))
        most = 1 if self.bounded else most
        count = max(1, min(self.pace.items_in(seconds), most, fair))
        if together > 1:
            count = max(together, count - count % together)
        if self.filling is not None:
            count = self.filling.count(self.ready, count)
        slices = self.ready.take(count, exactly=together > 1)
        taken = count_of(slices)
        self.retries.have_left(taken, self.ready.count)
        return Window(slices, taken, self._sizes(slices, together) if together > 1 else ())

    def _next_suspect(self, together: int) -> Window:
        attempt, rest = divided(self.suspects.popleft(), together)
        if rest:
            self.suspects.appendleft(rest)
        count = count_of(attempt)
        return Window(attempt, count, (count,) if count > 1 else ())

    def _sizes(self, slices: Sequence[Slice], together: int) -> list[int]:
        """Return how many items make each attempt: as many as may, but what goes apart alone."""
        sizes, open_to_more = list[int](), False
        for item_id in ids_in(part.ids for part in slices):
            alone = item_id in self.apart
            if open_to_more and not alone and sizes[-1] < together:
                sizes[-1] += 1
            else:
                sizes.append(1)
            open_to_more = not alone
        return sizes

    # --- questions ---

    @property
    def unsettled_elsewhere(self) -> bool:
        """Whether items wait in a place from which they will be handed out, or may be released."""
        waiting = self.ready or self.suspects or self.retries
        return bool(waiting or self.backlog or self.held_back)

    @property
    def deadlocked(self) -> bool:
        """Whether all who wait hold items, and all who hold items wait."""
        waiting, holders = self.waiting, self.holders
        if any(waiting.get(holder, Patience.AHEAD) is Patience.AHEAD for holder in holders):
            return False
        return all(consumer in holders for consumer in waiting)

    @property
    def famished(self) -> bool:
        """Whether somebody waits while there is more to be read."""
        at_work = self.waiting and self.rest.until is None
        return bool(at_work and (self.retries.recalled or self.backlog))

    @property
    def over(self) -> bool:
        """Whether a waiting consumer can be told DONE.

        Usually the queue is settled. But consumers that hold every remaining item and all wait for
        more would wait for each other: nobody is left who could finish or lose an item, so the line
        is over for them too.
        """
        if self.row.sealed_total is None or self.unsettled_elsewhere:
            return False
        return all(self.waiting.get(holder) == Patience.WAIT for holder in self.holders)

    @property
    def queued(self) -> int:
        """Number of items in nobody's hands, held-back ones left out."""
        return self.row.outstanding - self.in_flight - self.held_back_count

    def due(self) -> float | None:
        """Return when the next delayed item is due, or a suspect for whoever there is, or a batch.

        Crash: nothing waits for it: the next run begins to wait anew.
        """
        if self.rest.until is not None:
            return self.rest.until
        times = [self.retries.due]
        if self.stuck_since is not None:
            times.append(self.stuck_since + STUCK_S)
        filling = self.filling
        if filling and self.waiting and self.ready and not self._is_complete(filling):
            times.append(filling.due())
        return min((time for time in times if time is not None), default=None)
