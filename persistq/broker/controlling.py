"""The broker's side of everything but items: questions, waiting, watching and ending a run."""

from __future__ import annotations

import os
from collections.abc import Callable

from persistq import failpoints
from persistq.broker.amending import Amending
from persistq.broker.consuming import REFILL_BYTES
from persistq.broker.failing import Failing
from persistq.broker.link import Link
from persistq.broker.parting import parted
from persistq.broker.session import Session
from persistq.broker.watching import Watcher
from persistq.errors import JournalBusy, UpstreamFailed
from persistq.items import item_id_of
from persistq.site.processes import this_node
from persistq.wire import messages


class Controlling:
    """Answers questions and carries out orders.

    Args:
        session: The load being served.

    Attributes:
        failing: A failure that is put off.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.failing = Failing(session.scheduler)
        self._amending = Amending(session.transitions.parked)
        self._joins: list[tuple[Link, messages.Join]] = []

    def on_fail(self, link: Link, fail: messages.Fail) -> None:
        """The load has failed, or will when what is outstanding is worked off."""
        self.failing.begin(fail, self._session.clock())
        link.send(messages.Answer(fail.seq, None))

    def on_printed(self, _: Link, printed: messages.Printed) -> None:
        """Record what handlers have printed."""
        self._session.transitions.processes.note_printed(printed.lines)

    def on_halt(self, link: Link, halt: messages.Halt) -> None:
        """Hand out nothing more."""
        self._session.scheduler.halted = True
        link.send(messages.Answer(halt.seq, None))

    def on_flush(self, link: Link, flush: messages.Flush) -> None:
        """Answer when all that came before is on disk."""
        self._session.transitions.sync()
        self._session.after_commit(lambda: link.send(messages.Answer(flush.seq, None)))

    def on_join(self, link: Link, join: messages.Join) -> None:
        """Answer when nothing is outstanding."""
        self._joins.append((link, join))

    def on_sizes(self, link: Link, sizes: messages.Sizes) -> None:
        """Answer with the counters, this turn's records included."""
        session = self._session
        session.after_commit(lambda: link.send(messages.Answer(sizes.seq, session.sizes())))

    def on_source_puts(self, link: Link, asked: messages.SourcePuts) -> None:
        """Answer how much each source has put in this run."""
        link.send(messages.Answer(asked.seq, self._session.transitions.sources.put))

    def on_page(self, link: Link, page: messages.Page) -> None:
        """Answer with outstanding items."""
        last = item_id_of(page.queue_id, self._session.row(page.queue_id).put)
        slices = self._session.journal.outstanding_page(
            page.after_id, last, page.limit, REFILL_BYTES
        )
        link.send(messages.Answer(page.seq, parted(slices)))

    def on_requeue(self, link: Link, requeue: messages.Requeue) -> None:
        """Let held-back items go."""
        count = self._session.scheduler.lanes[requeue.queue_id].requeue()
        link.send(messages.Answer(requeue.seq, count))

    def on_retry(self, link: Link, retry: messages.Retry) -> None:
        """Put parked items back to work; the answer comes when that is recorded."""
        self._carry_out(link, retry.seq, lambda: self._amending.retry(retry.ids))

    def on_discard(self, link: Link, discard: messages.Discard) -> None:
        """Drop parked items; the answer comes when that is recorded."""
        self._carry_out(
            link, discard.seq, lambda: self._amending.discard(discard.ids, discard.reason)
        )

    def on_replace(self, link: Link, replace: messages.Replace) -> None:
        """Put an item for a parked one; the answer comes when that is recorded."""
        self._carry_out(
            link,
            replace.seq,
            lambda: self._amending.replace(replace.item_id, replace.block, replace.reason),
        )

    def _carry_out(self, link: Link, seq: int, order: Callable[[], int]) -> None:
        """Carry an order out, unless the run is coming to its end and would not take the items."""
        session = self._session
        if session.transitions.seals.settled or session.scheduler.over:
            link.refuse(JournalBusy(session.opening.path, os.getpid(), this_node()), seq)
            return
        value = order()

        def answer() -> None:
            failpoints.point("amending.before_answer")
            link.send(messages.Answer(seq, value))

        session.after_commit(answer)

    def on_watch(self, link: Link, watch: messages.Watch) -> None:
        """Show progress from now on."""
        watcher = Watcher(link, watch.interval, self._session.clock())
        self._session.watchers.append(watcher)

    def answer(self, ended: messages.Ended) -> None:
        """Answer those that wait for something to be over, and show progress."""
        session = self._session
        for link, join in [j for j in self._joins if self._joined(j[1])]:
            self._joins.remove((link, join))
            if session.row(join.queue_id).outstanding:
                link.refuse(
                    UpstreamFailed(session.opening.name, session.scheduler.ending), join.seq
                )
            else:
                link.send(messages.Answer(join.seq, None))
        over = session.transitions.seals.settled or session.scheduler.failed is not None
        for watcher in session.watchers:
            watcher.report(session.sizes, ended if over else None, session.clock())

    def _joined(self, join: messages.Join) -> bool:
        """Return whether nothing is outstanding, or what is will stay so in this run."""
        lane = self._session.scheduler.lanes[join.queue_id]
        stays = self._session.scheduler.over and not lane.in_flight
        return stays or not lane.row.outstanding

    def lose(self, link: Link) -> None:
        """A connection is gone: it waits for nothing any more."""
        self._joins = [join for join in self._joins if join[0] is not link]
        self._session.watchers = [w for w in self._session.watchers if w.link is not link]
