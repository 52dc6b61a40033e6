"""The broker's side of consumers: what they are handed, what they report, and how they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from persistq import failpoints
from persistq.blocks import Slice, count_of
from persistq.broker.cause import Cause
from persistq.broker.lane import Lane
from persistq.broker.link import Link
from persistq.broker.parting import parted
from persistq.broker.ranking import AHEAD_ITEMS, Ranking
from persistq.broker.retries import RECALL_ITEMS
from persistq.broker.session import Session
from persistq.broker.span import Span
from persistq.broker.window import Window
from persistq.errors import JournalCorrupt
from persistq.items import DONE, FAILED, FailureKind, queue_of
from persistq.journal.run import Ending
from persistq.wire import messages
from persistq.wire.messages import Overdue, Role

REFILL_ITEMS = 10_000
REFILL_BYTES = 16 << 20
ALL_BYTES = 1 << 62
LOOK_S = 0.05

HIDDEN_S = 2.0
"""If a program cannot be seen, its end may be heard of so much later than its children's deaths."""


@dataclass(frozen=True, slots=True)
class Survived:
    """A dead consumer whose items may be worked on by what it has forked.

    Attributes:
        link: Its connection, which is closed.
        since: When that was noticed.
    """

    link: Link
    since: float


class Consuming:
    """Tells the transitions what consumers say, and consumers what comes of it.

    Args:
        session: The load being served.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._transitions = session.transitions
        self._scheduler = session.scheduler
        self._overdue: dict[int, Overdue] = {}
        self._endings: dict[tuple[str, int], Ending] = {}
        self._survived: list[Survived] = []

    # --- messages ---

    def on_take(self, link: Link, take: messages.Take) -> None:
        """Line up for work; a request that crossed with an answer is void."""
        if (refusal := self._session.orphaned(link)) is not None:
            link.refuse(refusal)
        elif take.seen == link.windows:
            self._scheduler.take(link.number, take.patience, take.room)

    def on_cancel(self, link: Link, _: messages.Cancel) -> None:
        """Stop waiting for work; if it is on its way already there is nothing to say."""
        if self._scheduler.cancel(link.number):
            link.send(messages.Empty())

    def on_done(self, link: Link, done: messages.Done) -> None:
        """Items are finished; their outputs are recorded in the same transaction."""
        self._transitions.finish(link.number, done.ids, done.busy, done.outputs)

    def on_spool(self, link: Link, spool: messages.Spool) -> None:
        """Record what is made of an item at work; what comes too late is made again by others."""
        failpoints.point("broker.before_spool")
        self._transitions.interim.spool(link.number, spool.item_id, spool.blocks, spool.queue_id)

    def on_stream(self, link: Link, stream: messages.Stream) -> None:
        """Put what is made of an item at work, as far as no earlier attempt at it has."""
        session, number = self._session, link.number
        if not self._scheduler.is_held(number, stream.item_id):
            return
        failpoints.point("broker.before_stream")
        if stream.first:
            session.streams.begin(number, stream.item_id)
            self._expect_again(stream.item_id)
        made_in = self._scheduler.consumers[number].queue_id
        for queue_id in [stream.queue_id] if stream.queue_id else sorted(session.feeds[made_in]):
            blocks = session.streams.admit(number, queue_id, stream)
            self._transitions.interim.stream(stream.item_id, queue_id, blocks)

    def on_checkpoint(self, link: Link, told: messages.Checkpoint) -> None:
        """Record how far an attempt has come, and answer when that is on disk."""
        failpoints.point("broker.before_checkpoint")
        held = self._transitions.interim.checkpoint(link.number, told.item_id, told.value)
        self._session.after_commit(lambda: link.send(messages.Answer(told.seq, held)))

    def on_last_checkpoint(self, link: Link, asked: messages.LastCheckpoint) -> None:
        """Answer with how far attempts at an item have come, this turn's records included."""
        session = self._session
        session.after_commit(
            lambda: link.send(messages.Answer(asked.seq, session.journal.checkpoint(asked.item_id)))
        )

    def _expect_again(self, item_id: int) -> None:
        """What was streamed of an item into queues with natural keys may come again."""
        for first, last in self._session.journal.streamed(item_id):
            if (unique := self._transitions.intake.unique.get(queue_of(first))) is not None:
                unique.expect_more(last - first + 1)

    def on_failed(self, link: Link, failed: messages.Failed) -> None:
        """An attempt has failed; its items are retried or parked."""
        kind, now = FailureKind.EXCEPTION, self._session.clock()
        cause = Cause(kind, failed.error_type, failed.message, failed.traceback, link.pid)
        self._transitions.attempts.fail(
            link.number,
            failed.ids,
            cause,
            now=now,
            retry_after=failed.retry_after,
            final=failed.final,
        )

    def on_deferred(self, link: Link, deferred: messages.Deferred) -> None:
        """Items are put off: they are handed out again later, as if they had not been."""
        failpoints.point("broker.before_defer")
        kind, now = FailureKind.DEFERRED, self._session.clock()
        cause = Cause(kind, deferred.error_type, deferred.message, pid=link.pid)
        self._transitions.attempts.defer(
            link.number, deferred.ids, cause, now=now, seconds=deferred.seconds
        )

    def on_apart(self, link: Link, apart: messages.Apart) -> None:
        """Items are worked on again, each by itself."""
        failpoints.point("broker.before_apart")
        # Whatever its worker dies of later, it is not what this tells of.
        cause = Cause(FailureKind.SUSPECT, apart.error_type, apart.message, pid=0)
        self._transitions.attempts.take_apart(link.number, apart.ids, cause)

    def on_dropped(self, link: Link, dropped: messages.Dropped) -> None:
        """Items need no work."""
        self._transitions.drop(link.number, dropped.ids, dropped.reason)

    def on_give_back(self, link: Link, given: messages.GiveBack) -> None:
        """Hand items to others that this consumer has not started."""
        self._transitions.give_back(link.number, given.ids)

    def on_rest(self, link: Link, rest: messages.Rest) -> None:
        """Hand out nothing of a stage for a while, and say why."""
        failpoints.point("broker.before_rest")
        now = self._session.clock()
        seconds = self._scheduler.rest(link.number, now, rest.reason, rest.seconds)
        if seconds is not None:
            queue_id = self._scheduler.consumers[link.number].queue_id
            text = f"waits {seconds:g} s, then goes on: {rest.reason}"
            self._session.notice(self._session.row(queue_id).name, text)

    def on_timed(self, link: Link, timed: messages.Timed) -> None:
        """Record how long a consumer has taken."""
        queue_id = self._scheduler.consumers[link.number].queue_id
        self._transitions.timing.note(queue_id, timed)
        link.rss = timed.rss

    def on_overdue(self, link: Link, overdue: Overdue) -> None:
        """Remember why a worker is about to be killed."""
        owner = link.family, overdue.pid
        links = [other for other in self._session.of_role(Role.CONSUMER) if other.owner == owner]
        self.note_overdue(links, overdue)

    def note_overdue(self, links: Sequence[Link], overdue: Overdue) -> None:
        """Remember why a process is killed that gets items over these connections."""
        self._overdue |= {link.number: overdue for link in links}

    def on_worker_ended(self, link: Link, ended: messages.WorkerEnded) -> None:
        """Record how a worker ended, with the failure that its end caused or after it."""
        owner = link.family, ended.pid
        ending = Ending(
            ended.pid,
            ended.exit_code,
            ended.signal or None,
            ended.peak_rss or None,
            ended.out_of_memory,
        )
        links = [other for other in self._session.of_role(Role.CONSUMER) if other.owner == owner]
        if links or any(dead.link.owner == owner for dead in self._survived):
            # What it said last, and the end of its stream, are still to be read.
            self._endings[owner] = ending
        else:
            self._transitions.processes.note_ending(ending)

    # --- coming and going ---

    def join(self, link: Link, hello: messages.Hello) -> None:
        """A consumer connects."""
        self._scheduler.join(link.number, hello.queue_id, hello.together, hello.at_once)
        link.slots = [self._session.fence.grant() for _ in range(hello.at_once)]
        link.worker_id = self._transitions.processes.begin(hello.queue_id, hello.peer)

    def lose(self, link: Link) -> None:
        """A consumer is gone: its items go to others, and the one it was running is blamed.

        Not at once if what it has forked may be at work still.
        """
        if link.number not in self._scheduler.consumers:
            return
        dead = Survived(link, self._session.clock())
        if not link.farewell and self._stays(dead):
            self._scheduler.cancel(link.number)
            self._survived.append(dead)
            self._hand_on_unstarted(link)
        else:
            self._reclaim(link)

    def _hand_on_unstarted(self, link: Link) -> None:
        """Give others what a dead worker of a pipeline, which goes in order, had not come to."""
        if self._session.opening.kind != "pipeline":
            return
        begun = self._begun(link)
        unstarted = (
            self._scheduler.beside(link.number, begun)
            if len(link.slots) > 1
            else self._scheduler.unstarted(link.number, begun[0])
        )
        self._transitions.give_back(link.number, unstarted)

    def _begun(self, link: Link) -> list[int]:
        """Return the attempts that a consumer has noted in its slots."""
        noted = map(self._session.fence.held_in, link.slots)
        return [attempt for attempt in noted if attempt]

    @property
    def look_at(self) -> float | None:
        """When to look again whether what the dead have forked has ended."""
        return self._session.clock() + LOOK_S if self._survived else None

    def reclaim(self) -> None:
        """Hand on what the dead held, where nobody is at work on it any more."""
        if self._survived:
            looked_at = [(dead, self._stays(dead)) for dead in self._survived]
            self._survived = [dead for dead, stays in looked_at if stays]
            for dead in [dead for dead, stays in looked_at if not stays]:
                self._reclaim(dead.link)

    def reclaim_all(self) -> None:
        """Blame what the dead held: nobody is left to hand it on to."""
        survived, self._survived = self._survived, []
        for dead in survived:
            self._reclaim(dead.link)

    def _stays(self, dead: Survived) -> bool:
        """Return whether what a dead consumer held stays with it for now."""
        session, age = self._session, self._session.clock() - dead.since
        if self._scheduler.over or not self._begun(dead.link):
            return False
        if session.roster.hidden(dead.link.family) and age < HIDDEN_S:
            return True
        return age < session.opening.fence_timeout and session.fence.kept(dead.link.slot)

    def _reclaim(self, link: Link) -> None:
        failpoints.point("broker.before_reclaim")
        begun = self._begun(link)
        for slot in link.slots:
            self._session.fence.reclaim(slot)
        self._transitions.processes.end(link.worker_id, "left" if link.farewell else "died")
        overdue = link.number in self._overdue
        if (overdue or (begun and not link.farewell)) and not self._dismissed(link):
            self._blame(begun, link)
        self._transitions.leave(link.number)
        self._session.streams.leave(link.number)
        self._overdue.pop(link.number, None)
        if (ending := self._endings.pop(link.owner, None)) is not None:
            self._transitions.processes.note_ending(ending)

    # --- the turn ---

    def hand_out(self) -> None:
        """Send work to everybody who waits and can be served."""
        for number, window in self._transitions.hand_out(self._session.clock()):
            link = self._session.links[number]
            link.windows += 1
            failpoints.point("broker.before_hand_out")
            link.send(self._items(window))
            failpoints.point("broker.after_hand_out")

    def refill(self) -> None:
        """Read from the journal what memory has room for again."""
        journal = self._session.journal
        for lane in self._scheduler.lanes.values():
            if lane.retries.recalled:
                lane.recall(self._recalled(lane))
            while (span := lane.page_wanted()) is not None:
                failpoints.point("broker.before_refill")
                read = journal.put_page if span.untouched else journal.outstanding_page
                lane.refill(read(span.after, span.last, REFILL_ITEMS, REFILL_BYTES))
                if lane.keeps_ids:
                    # There may be much, and others wait as well.
                    break
            while lane.gathering is not None and lane.gathering.unread:
                failpoints.point("broker.before_group")
                lane.gathering.have_read(self._read_group(*lane.gathering.wanted()))
            if lane.ranking is not None and lane.ranked_wanted:
                self._read_ranked(lane, lane.ranking)

    def answer(self) -> None:
        """Tell those for whom it is over, and those who would not wait."""
        ended = self.ended()
        for number in self._scheduler.answers():
            failpoints.point("broker.before_ended")
            self._session.links[number].send(ended)
        for number in self._scheduler.impatient():
            self._session.links[number].send(messages.Empty())

    def ended(self) -> messages.Ended:
        """Return how it ends, or has ended."""
        failed = self._scheduler.failed
        outcome = DONE if failed is None else FAILED
        return messages.Ended(outcome.value, failed or "", self._scheduler.at_once)

    # --- inside ---

    def _recalled(self, lane: Lane) -> list[Slice]:
        """Read retries that are due, in their order, as many as fit in a part of the memory."""
        journal, page, room = self._session.journal, list[Slice](), lane.ready_bytes_max // 4 + 1
        for span in lane.retries.wanted():
            failpoints.point("broker.before_recall")
            read = journal.outstanding_page(span.after, span.last, RECALL_ITEMS, room)
            page += read
            room -= sum(part.size for part in read)
            if room <= 0:
                break
            if count_of(read) < span.last - span.after:
                raise JournalCorrupt(self._session.opening.path, "an item was taken out of it")
        return page

    def _read_ranked(self, lane: Lane, ranking: Ranking) -> None:
        """Read the first ones by their ranks, few enough for others to come before the rest."""
        room = lane.ready_bytes_max // 4 + 1
        while ranking and lane.ready.count < AHEAD_ITEMS and lane.ready.bytes < room:
            failpoints.point("broker.before_ranked")
            first, last = ranking.pop()
            lane.ready.append(self._read_group(last - first + 1, [Span(first - 1, last)]))

    def _read_group(self, count: int, spans: list[Span]) -> list[Slice]:
        """Read items that belong together; there are so many."""
        journal, slices = self._session.journal, list[Slice]()
        for span in spans:
            slices += journal.outstanding_page(span.after, span.last, count, ALL_BYTES)
        if count_of(slices) < count:
            raise JournalCorrupt(self._session.opening.path, "an item was taken out of it")
        return parted(slices)

    def _items(self, window: Window) -> messages.Items:
        failed = self._transitions.failures.of(window.ids)
        return messages.Items(window.slices, failed, list(window.sizes), window.first)

    def _dismissed(self, link: Link) -> bool:
        """Return whether a consumer was being ended anyway, so that its item is not to blame."""
        return self._scheduler.over or self._session.roster.dying(link.family)

    def _blame(self, begun: Sequence[int], link: Link) -> None:
        """Blame the attempt that a worker was at when it died, or suspect all of several."""
        failpoints.point("broker.before_blame")
        pid, overdue = link.pid, self._overdue.get(link.number)
        if overdue is not None:
            self._blame_overdue(begun, overdue, link)
            return
        message = f"its worker, process {pid}, died before it had finished this item"
        cause = Cause(FailureKind.CRASH, "WorkerDied", message, pid=pid)
        if len(begun) > 1:
            self._transitions.deaths.suspect(link.number, begun, cause)
        else:
            self._transitions.deaths.blame(link.number, begun[0], cause)

    def _blame_overdue(self, begun: Sequence[int], overdue: Overdue, link: Link) -> None:
        """Blame the attempt that took too long; what else was at work there has done nothing.

        Also if its process has taken leave: what handles SIGTERM may end in good order, and not
        have finished the item. Nor has who was torn out of a wait, and notes nothing any more.
        """
        if begun and overdue.attempt not in begun:
            # It had just gone on to another item when it was killed for the one before.
            return
        message = f"it ran for more than {overdue.limit:g} s, so process {link.pid} was killed"
        cause = Cause(FailureKind.TIMEOUT, "TimeoutError", message, pid=link.pid)
        self._transitions.deaths.blame(link.number, overdue.attempt, cause)
