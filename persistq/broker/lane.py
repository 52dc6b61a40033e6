"""One queue as the scheduler sees it: where each of its outstanding items is.

Every outstanding item is in exactly one place::

    backlog (on disk only) ─► ready ─► in flight (held by one consumer) ─► settled
                                ▲            │
                       suspects ┼────────────┤   its consumer died of it
           delayed ─► recalled ─┴────────────┘   its attempt failed; ids only, read again when due

Pure: no clock, no I/O; time and journal pages are handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from persistq.blocks import Slice, count_of
from persistq.broker.backlog import Backlog
from persistq.broker.capacity import Capacity, room_in
from persistq.broker.filling import Filling
from persistq.broker.gathering import Gathering
from persistq.broker.line import Line, footprint
from persistq.broker.metering import Meter
from persistq.broker.pace import Pace
from persistq.broker.parting import parted
from persistq.broker.ranking import Ranking
from persistq.broker.rest import Rest
from persistq.broker.retries import Retries
from persistq.broker.span import Span
from persistq.broker.suspects import Suspects
from persistq.items import IdRange, ids_in, ranges_of
from persistq.journal.queuerow import QueueRow
from persistq.wire.messages import Patience

STEP_S = 1.0
"""How much longer than a rest what may be its reason lets others go first, whatever its rank."""

STUCK_S = 0.1
"""How long a suspect waits for somebody who has just finished, and comes with empty hands."""


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
        meter: How often the handler may be called; None if there is no limit.
        gathering: The groups in which items are handed out; None if that is not in groups.
        ranking: Where those wait that are handed out by their ranks; None if by their ids.
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
        capacity: How much the queue may hold; None if there is no limit.
        last: Whether nothing is handed out before it is sealed.
        results: Whether what is put here is kept, and never handed out.
        downstream: The queues that its stage feeds: nothing is handed out while one is full.
    """

    row: QueueRow
    ready_bytes_max: int
    ready: Line = field(default_factory=Line)
    suspects: Suspects = field(default_factory=Suspects)
    apart: set[int] = field(default_factory=set)
    filling: Filling | None = None
    meter: Meter | None = None
    gathering: Gathering | None = None
    ranking: Ranking | None = None
    retries: Retries = field(default_factory=Retries)
    backlog: Backlog = field(default_factory=Backlog)
    held_back: Backlog = field(default_factory=Backlog)
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
    capacity: Capacity | None = None
    last: bool = False
    results: bool = False
    downstream: list[Capacity] = field(default_factory=list)

    # --- items arriving ---

    def arrive(self, slices: Sequence[Slice]) -> None:
        """Take in newly journaled items, which have consecutive ids."""
        if self.gathering is not None:
            self._gather(slices)
            return
        if self.ranking is not None:
            self._rank(self.ranking, self.retries.sift(slices))
            return
        # An empty lane takes anything: one huge batch must not go round by the disk.
        full = self.ready and self.ready.bytes + footprint(slices) > self.ready_bytes_max
        if self.backlog or full:
            self.backlog.leave(slices[0].ids.first - 1, slices[-1].ids.last)
        else:
            self.ready.append(self.retries.sift(slices) if self.retries.noted else slices)

    def arrive_on_disk(self, ids: IdRange) -> None:
        """Take in newly journaled items, with consecutive ids, that are read when there is room."""
        self.backlog.leave(ids.first - 1, ids.last)

    def page_wanted(self) -> Span | None:
        """Return the range to read next, if memory has run low and the disk holds more."""
        low = self.keeps_ids or self.ready.bytes * 2 <= self.ready_bytes_max
        return self.backlog[0] if self.backlog and low else None

    def refill(self, slices: Sequence[Slice]) -> None:
        """Take in the page read for `page_wanted`; an empty page means that the range is read."""
        self.backlog.have_read(slices)
        if self.gathering is not None:
            self.gathering.note(slices)
            return
        slices = self.retries.sift(slices)
        if self.ranking is not None:
            self._rank(self.ranking, slices)
        else:
            self.ready.append(parted(slices))

    @property
    def keeps_ids(self) -> bool:
        """Whether nothing but their ids stays here of items that wait for others, or their turn."""
        return self.gathering is not None or self.ranking is not None

    def _rank(self, ranking: Ranking, slices: Sequence[Slice]) -> None:
        """Take in items of any rank; what has been read and is no longer the first goes back."""
        if ranking.add(slices) and self.ready:
            ranking.add(self.ready.take(self.ready.count, exactly=True))

    def _gather(self, slices: Sequence[Slice]) -> None:
        """Take in items in the order of their ids, so that groups are the same in each run."""
        assert self.gathering is not None
        if self.backlog:
            self.backlog.leave(slices[0].ids.first - 1, slices[-1].ids.last)
        else:
            self.gathering.note(slices)

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
        if self.gathering is not None:
            self.gathering.wake(now)
        if self.filling is not None:
            self.filling.note(self.ready, now)
        if self.meter is not None:
            self.meter.look(now)
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
        if self.ranking is None:
            self.retries.have_read(self.ready.put_back(slices))
            return
        found = [*slices]
        self.retries.have_read(count_of(found))
        # They have their places, and are no reason to wait with the others that are due.
        self.retries.ready = 0
        self._rank(self.ranking, found)

    def unpark(self, item_ids: Sequence[int]) -> None:
        """Take in items that were parked, which are on disk: they are read when there is room."""
        self.parked_before = min(self.parked_before, self.row.parked)
        held = self.held_back.found_in(item_ids)
        self.held_back_count += len(held)
        # What lies in a range that is still to be read will be found there.
        unread = held | self.backlog.found_in(item_ids)
        wanted = [n for n in item_ids if n not in unread]
        if self.gathering is None:
            self.retries.recall(wanted)
        else:
            self.backlog.extend(Span(first - 1, last) for first, last in ranges_of(wanted))

    # --- items leaving ---

    def suspect(self, attempt: list[Slice]) -> None:
        """Line up what its worker has died of; a group stays whole, and is alone anyway."""
        if self.gathering is not None:
            self.gathering.put_back(attempt)
        else:
            self.suspects.halve(attempt)

    def put_back(self, slices: Sequence[Slice]) -> None:
        """Line up what was handed out and not finished: at the front, or where its rank is."""
        if self.gathering is not None:
            self.gathering.put_back(slices)
        elif self.ranking is not None:
            self._rank(self.ranking, slices)
        else:
            self.ready.put_back(slices)

    def step_back(self, slices: Sequence[Slice]) -> None:
        """Line up what may be the reason for a rest, so that the next to be tried is another."""
        if self.gathering is not None or self.rest.until is None:
            self.put_back(slices)
        elif self.ranking is not None:
            for item_id in ids_in(part.ids for part in slices):
                self.retries.delay(item_id, self.rest.until + STEP_S)
        else:
            self.ready.append(parted(slices))

    def note_delay(self, item_id: int, due: float) -> None:
        """Have an item of an earlier run, which is still to be read, wait until a time."""
        if self.gathering is None:
            self.retries.note(item_id, due)
        else:
            self.gathering.dues[item_id] = due

    def must_wait(self, now: float) -> bool:
        """Return whether what is there is a part of a batch, and waits for the rest."""
        filling = self.filling
        if filling is None or not self.ready:
            return False
        filling.note(self.ready, now)
        return not self.is_complete(filling) and now < filling.due()

    def is_complete(self, filling: Filling) -> bool:
        """Return whether a batch is full, or as full as it will be by waiting."""
        if filling.is_full(self.ready) or (self.capacity is not None and self.capacity.lacks):
            return True
        if self.retries.recalled:
            # They are read when those that were read before have left.
            return self.retries.ready > 0
        if self.backlog:
            return self.page_wanted() is None
        return self.row.sealed_total is not None

    # --- questions ---

    @property
    def has_some(self) -> bool:
        """Whether there is anything that may be handed out now, or when it has been read."""
        return bool(self.has_ready or self.retries.recalled or self.backlog or self._unread)

    @property
    def _unread(self) -> bool:
        """Whether there is something whose turn it is, and which has to be read."""
        if self.gathering is not None:
            return self.gathering.unread
        return self.ranking is not None and self.ranking.count > 0 and not self.ready

    @property
    def ranked_wanted(self) -> bool:
        """Whether to read those that come first; not before somebody waits for them."""
        wanted = self.ranking is not None and self._unread and bool(self.waiting)
        return wanted and not self.backlog and not self.stands

    def gets_on_by(self, time: float) -> bool:
        """Return whether an item is in hand, or will be by a time, if nothing more is put."""
        gathered = self.gathering.due if self.gathering is not None else None
        dues = [due for due in (self.retries.due, gathered) if due is not None]
        return bool(self.in_flight or self.has_some) or any(due <= time for due in dues)

    @property
    def unsettled_elsewhere(self) -> bool:
        """Whether items wait in a place from which they will be handed out, or may be released."""
        waiting = self.ready or self.suspects or self.retries or self.gathering or self.ranking
        return bool(waiting or self.backlog or self.held_back)

    @property
    def has_ready(self) -> bool:
        """Whether something can be handed out without being read."""
        gathered = self.gathering is not None and self.gathering.ready
        return bool(self.ready or self.suspects or gathered)

    @property
    def falls_short(self) -> bool:
        """Whether there are groups to which nothing more can come."""
        gathering = self.gathering
        over = self.row.sealed_total is not None and not self.backlog
        return gathering is not None and over and gathering.incomplete

    @property
    def deadlocked(self) -> bool:
        """Whether all who wait hold items, and all who hold items wait."""
        waiting, holders = self.waiting, self.holders
        if any(waiting.get(holder, Patience.AHEAD) is Patience.AHEAD for holder in holders):
            return False
        return all(consumer in holders for consumer in waiting)

    @property
    def stands(self) -> bool:
        """Whether nothing is handed out now, whatever is there."""
        early = self.is_early or (self.meter is not None and self.meter.holds)
        return early or self.rest.holds or not room_in(self.downstream)

    @property
    def is_early(self) -> bool:
        """Whether nothing is handed out before the queue is sealed, which it is not."""
        return self.last and self.row.sealed_total is None

    @property
    def famished(self) -> bool:
        """Whether somebody waits while there is more to be read."""
        more = self.waiting and (self.retries.recalled or self.backlog or self._unread)
        if self.meter is not None and self.ready:
            # They wait for their time, or for who has done what is in hand.
            return False
        return bool(more and not self.stands)

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
        if self.meter is not None and self.meter.holds and self.waiting and self.has_some:
            times.append(self.meter.due)
        if self.stands:
            # Whatever makes room is something that has happened.
            return min((time for time in times if time is not None), default=None)
        if self.gathering is not None:
            times += [self.gathering.due, 0.0 if self.falls_short else None]
        if self.stuck_since is not None:
            times.append(self.stuck_since + STUCK_S)
        filling = self.filling
        if filling and self.waiting and self.ready and not self.is_complete(filling):
            times.append(filling.due())
        return min((time for time in times if time is not None), default=None)
