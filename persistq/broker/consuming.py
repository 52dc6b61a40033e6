"""The broker's side of consumers: handing out items, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from persistq import failpoints
from persistq.broker.lane import RECALL_ITEMS, Lane
from persistq.broker.link import Link
from persistq.broker.session import Session
from persistq.errors import JournalCorrupt
from persistq.items import DONE, FAILED, Failure, FailureKind, Item, bytes_of, queue_of
from persistq.wire import messages
from persistq.wire.messages import Role

REFILL_ITEMS = 10_000
REFILL_BYTES = 16 << 20
LOOK_S = 0.05

HIDDEN_S = 2.0
"""If a program cannot be seen, its end may be heard of so much later than its children's deaths."""


@dataclass(frozen=True, slots=True)
class Unburied:
    """A dead consumer whose items may be worked on by what it has forked.

    Attributes:
        link: Its connection, which is closed.
        since: When that was noticed.
    """

    link: Link
    since: float


class Consuming:
    """Gives out items and records outcomes.

    Args:
        session: The load being served.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._scheduler = session.scheduler
        self._overdue: dict[tuple[str, int], messages.Overdue] = {}
        self._obituaries: dict[tuple[str, int], messages.WorkerEnded] = {}
        self._unburied: list[Unburied] = []

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
        """Record finished items and their outputs, in one transaction."""
        finished = self._scheduler.finish(link.number, done.item_ids, done.busy)
        if not finished:
            return
        self._session.ledger.done(self._session.row(queue_of(finished[0])), finished)
        if len(finished) < len(done.item_ids):
            return
        for outputs in done.outputs:
            row = self._session.row(outputs.queue_id)
            self._session.ledger.put(row, outputs.codecs, outputs.payloads, synced=False)

    def on_failed(self, link: Link, failed: messages.Failed) -> None:
        """Record a failed attempt; the item is retried or parked."""
        now = self._session.clock()
        verdict = self._scheduler.fail(link.number, failed.item_id, now, failed.retry_after)
        if verdict is None:
            return
        failure = Failure(
            item_id=failed.item_id,
            kind=FailureKind.EXCEPTION,
            type=failed.error_type,
            message=failed.message,
            traceback=failed.traceback,
            pid=link.pid,
        )
        self._session.record_failure(failure, verdict)

    def on_dropped(self, link: Link, dropped: messages.Dropped) -> None:
        """Record an item that needs no work."""
        if self._scheduler.drop(link.number, dropped.item_id):
            row = self._session.row(queue_of(dropped.item_id))
            self._session.ledger.dropped(row, dropped.item_id)

    def on_give_back(self, link: Link, given: messages.GiveBack) -> None:
        """Hand items to others that this consumer has not started."""
        self._scheduler.give_back(link.number, given.item_ids)

    def on_overdue(self, link: Link, overdue: messages.Overdue) -> None:
        """Remember why a worker is about to be killed."""
        self._overdue[link.family, overdue.pid] = overdue

    def on_obituary(self, link: Link, obituary: messages.WorkerEnded) -> None:
        """Record how a worker ended, with the failure that its death caused."""
        owner = link.family, obituary.pid
        links = [other for other in self._session.of_role(Role.CONSUMER) if other.owner == owner]
        if links or any(dead.link.owner == owner for dead in self._unburied):
            # What it said last, and the end of its stream, are still to be read.
            self._obituaries[owner] = obituary
        else:
            self._note_death(obituary)

    # --- coming and going ---

    def join(self, link: Link, hello: messages.Hello) -> None:
        """A consumer connects."""
        self._scheduler.join(link.number, hello.queue_id)
        link.slot = self._session.fence.grant()
        link.worker_id = self._session.journal.add_worker(hello.queue_id, hello.pid)

    def lose(self, link: Link) -> None:
        """A consumer is gone: its items go to others, and the one it was running is blamed.

        Not at once if what it has forked may be at work still.
        """
        if link.number not in self._scheduler.consumers:
            return
        dead = Unburied(link, self._session.clock())
        if not link.farewell and self._stays(dead):
            self._scheduler.cancel(link.number)
            self._unburied.append(dead)
            self._hand_on_unstarted(link)
        else:
            self._reclaim(link)

    def _hand_on_unstarted(self, link: Link) -> None:
        """Give others what a dead worker of a pipeline, which goes in order, had not come to."""
        held = [*self._scheduler.consumers[link.number].held]
        in_hand = self._session.fence.held_in(link.slot)
        if self._session.opening.kind == "pipeline" and in_hand in held:
            self._scheduler.give_back(link.number, held[held.index(in_hand) + 1 :])

    @property
    def look_at(self) -> float | None:
        """When to look again whether somebody can be buried."""
        return self._session.clock() + LOOK_S if self._unburied else None

    def bury(self) -> None:
        """Hand on what the dead held, where nobody is at work on it any more."""
        if self._unburied:
            unburied = [(dead, self._stays(dead)) for dead in self._unburied]
            self._unburied = [dead for dead, stays in unburied if stays]
            for dead in [dead for dead, stays in unburied if not stays]:
                self._reclaim(dead.link)

    def bury_all(self) -> None:
        """Blame what the dead held: nobody is left to hand it on to."""
        unburied, self._unburied = self._unburied, []
        for dead in unburied:
            self._reclaim(dead.link)

    def _stays(self, dead: Unburied) -> bool:
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
        self._session.journal.end_worker(link.worker_id, "left" if link.farewell else "died")
        held = [item.item_id for item in self._scheduler.leave(link.number)]
        if in_hand in held and not link.farewell and not self._dismissed(link):
            self._convict(in_hand, link)
        self._overdue.pop(link.owner, None)
        if (obituary := self._obituaries.pop(link.owner, None)) is not None:
            self._note_death(obituary)

    # --- the turn ---

    def hand_out(self) -> None:
        """Send work to everybody who waits and can be served."""
        for number, items in self._scheduler.assign(self._session.clock()):
            link = self._session.links[number]
            link.windows += 1
            failpoints.point("broker.before_hand_out")
            link.send(self._window(items))
            failpoints.point("broker.after_hand_out")

    def refill(self) -> None:
        """Read from the journal what memory has room for again."""
        journal = self._session.journal
        for lane in self._scheduler.lanes.values():
            if lane.recalled:
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

    def _recalled(self, lane: Lane) -> list[Item]:
        """Read retries that are due, in their order, as many as fit in a part of the memory."""
        journal, page, room = self._session.journal, list[Item](), lane.ready_bytes_max // 4 + 1
        for span in lane.recall_wanted():
            failpoints.point("broker.before_recall")
            read = journal.outstanding_page(span.after, span.last, RECALL_ITEMS, room)
            page += read
            room -= bytes_of(read)
            if room <= 0:
                break
            if len(read) < span.last - span.after:
                raise JournalCorrupt(self._session.opening.path, "an item was taken out of it")
        return page

    def _window(self, items: list[Item]) -> messages.Items:
        item_ids, codecs, payloads = zip(*items, strict=True)
        attempts = self._scheduler.attempts(item_ids)
        return messages.Items(list(item_ids), bytes(codecs), list(payloads), attempts)

    def _dismissed(self, link: Link) -> bool:
        """Return whether a consumer was being ended anyway, so that its item is not to blame."""
        return self._scheduler.over or self._session.roster.dying(link.family)

    def _note_death(self, obituary: messages.WorkerEnded) -> None:
        """Add how a worker ended to its failure, once that is committed."""
        note = partial(
            self._session.journal.note_death,
            obituary.pid,
            signal=obituary.signal or None,
            exit_code=obituary.exit_code,
            peak_rss=obituary.peak_rss or None,
            out_of_memory=obituary.out_of_memory,
        )
        self._session.after_commit(note)

    def _convict(self, item_id: int, link: Link) -> None:
        """Blame the item that a worker was running when it died."""
        failpoints.point("broker.before_blame")
        pid, overdue = link.pid, self._overdue.get(link.owner)
        if overdue is None:
            kind, name = FailureKind.CRASH, "WorkerDied"
            message = f"its worker, process {pid}, died before it had finished this item"
        elif overdue.item_id == item_id:
            kind, name = FailureKind.TIMEOUT, "TimeoutError"
            message = f"it ran for more than {overdue.limit:g} s, so process {pid} was killed"
        else:
            # It had just gone on to another item when it was killed for the one before.
            return
        failure = Failure(item_id, kind, name, message, pid=pid)
        self._session.record_failure(failure, self._scheduler.blame(item_id, kind))
