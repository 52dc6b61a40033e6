"""The broker's side of consumers: what they are handed, what they report, and how they end."""

from __future__ import annotations

from dataclasses import dataclass

from persistq import failpoints
from persistq.blocks import Slice, count_of
from persistq.broker.lane import Lane, Window
from persistq.broker.link import Link
from persistq.broker.retries import RECALL_ITEMS
from persistq.broker.session import Session
from persistq.broker.transitions import Cause
from persistq.errors import JournalCorrupt
from persistq.items import DONE, FAILED, FailureKind
from persistq.journal.base import Ending
from persistq.wire import messages
from persistq.wire.messages import Role

REFILL_ITEMS = 10_000
REFILL_BYTES = 16 << 20
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
        self._overdue: dict[tuple[str, int], messages.Overdue] = {}
        self._endings: dict[tuple[str, int], Ending] = {}
        self._survived: list[Survived] = []

    # --- messages ---

    def on_take(self, link: Link, take: messages.Take) -> None:
        """Line up for work; a request that crossed with an answer is void."""
        if (refusal := self._session.orphaned(link)) is not None:
            link.refuse(refusal)
        elif take.seen == link.windows:
            self._scheduler.take(link.number, take.patience)

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
        self._transitions.spool(link.number, spool.item_id, spool.blocks)

    def on_stream(self, link: Link, stream: messages.Stream) -> None:
        """Put what is made of an item at work, as far as no earlier attempt at it has."""
        session, number = self._session, link.number
        if not self._transitions.is_held(number, stream.item_id):
            return
        failpoints.point("broker.before_stream")
        if stream.first:
            session.streams.begin(number, stream.item_id)
        for queue_id in sorted(session.feeds[self._scheduler.consumers[number].queue_id]):
            blocks = session.streams.admit(number, queue_id, stream)
            self._transitions.stream(stream.item_id, queue_id, blocks)

    def on_failed(self, link: Link, failed: messages.Failed) -> None:
        """An attempt has failed; its items are retried or parked."""
        kind, now = FailureKind.EXCEPTION, self._session.clock()
        cause = Cause(kind, failed.error_type, failed.message, failed.traceback, link.pid)
        self._transitions.fail(
            link.number,
            failed.ids,
            cause,
            now=now,
            retry_after=failed.retry_after,
            final=failed.final,
        )

    def on_dropped(self, link: Link, dropped: messages.Dropped) -> None:
        """Items need no work."""
        self._transitions.drop(link.number, dropped.ids, dropped.reason)

    def on_give_back(self, link: Link, given: messages.GiveBack) -> None:
        """Hand items to others that this consumer has not started."""
        self._transitions.give_back(link.number, given.ids)

    def on_rest(self, link: Link, rest: messages.Rest) -> None:
        """Hand out nothing of a stage for a while, and say why."""
        failpoints.point("broker.before_rest")
        seconds = self._scheduler.rest(link.number, self._session.clock())
        if seconds is not None:
            queue_id = self._scheduler.consumers[link.number].queue_id
            text = f"waits {seconds:g} s, then goes on: {rest.reason}"
            self._session.notice(self._session.row(queue_id).name, text)

    def on_overdue(self, link: Link, overdue: messages.Overdue) -> None:
        """Remember why a worker is about to be killed."""
        self._overdue[link.family, overdue.pid] = overdue

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
            self._transitions.note_ending(ending)

    # --- coming and going ---

    def join(self, link: Link, hello: messages.Hello) -> None:
        """A consumer connects."""
        self._scheduler.join(link.number, hello.queue_id, hello.together)
        link.slot = self._session.fence.grant()
        link.worker_id = self._transitions.begin_worker(hello.queue_id, hello.peer)

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
        if self._session.opening.kind == "pipeline":
            in_hand = self._session.fence.held_in(link.slot)
            unstarted = self._scheduler.unstarted(link.number, in_hand)
            self._transitions.give_back(link.number, unstarted)

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
        if self._scheduler.over or not session.fence.held_in(dead.link.slot):
            return False
        if session.roster.hidden(dead.link.family) and age < HIDDEN_S:
            return True
        return age < session.opening.fence_timeout and session.fence.kept(dead.link.slot)

    def _reclaim(self, link: Link) -> None:
        failpoints.point("broker.before_reclaim")
        fence = self._session.fence
        in_hand = fence.held_in(link.slot)
        fence.reclaim(link.slot)
        self._transitions.end_worker(link.worker_id, "left" if link.farewell else "died")
        if in_hand and not link.farewell and not self._dismissed(link):
            self._blame(in_hand, link)
        self._transitions.leave(link.number)
        self._session.streams.leave(link.number)
        self._overdue.pop(link.owner, None)
        if (ending := self._endings.pop(link.owner, None)) is not None:
            self._transitions.note_ending(ending)

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

    def _items(self, window: Window) -> messages.Items:
        failed = self._transitions.failures.of(window.ids)
        return messages.Items(window.slices, failed, list(window.sizes), window.first)

    def _dismissed(self, link: Link) -> bool:
        """Return whether a consumer was being ended anyway, so that its item is not to blame."""
        return self._scheduler.over or self._session.roster.dying(link.family)

    def _blame(self, attempt: int, link: Link) -> None:
        """Blame the attempt that a worker was at when it died."""
        failpoints.point("broker.before_blame")
        if (cause := self._cause(attempt, link)) is not None:
            self._transitions.blame(link.number, attempt, cause)

    def _cause(self, attempt: int, link: Link) -> Cause | None:
        """Return what a worker has died of, None if not of this attempt."""
        pid, overdue = link.pid, self._overdue.get(link.owner)
        if overdue is None:
            message = f"its worker, process {pid}, died before it had finished this item"
            return Cause(FailureKind.CRASH, "WorkerDied", message, pid=pid)
        if overdue.attempt != attempt:
            # It had just gone on to another item when it was killed for the one before.
            return None
        message = f"it ran for more than {overdue.limit:g} s, so process {pid} was killed"
        return Cause(FailureKind.TIMEOUT, "TimeoutError", message, pid=pid)
