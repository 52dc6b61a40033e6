"""The broker's side of producers: puts, bounded queues, absorption and the seal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from persistq import failpoints
from persistq.blocks import Block
from persistq.broker.absorb import Absorber
from persistq.broker.crediting import Crediting
from persistq.broker.link import Link
from persistq.broker.opening import absorber_of_source
from persistq.broker.session import Session
from persistq.errors import PersistqError, QueueClosed, UpstreamFailed
from persistq.journal.sourcerow import SourceRow
from persistq.wire import messages
from persistq.wire.messages import Patience, Role


@dataclass(slots=True)
class _PendingOffer:
    """One item that waits for room in a bounded queue."""

    link: Link
    offer: messages.Offer


class Producing:
    """Takes in items.

    Args:
        session: The load being served.

    Attributes:
        closed: Queues that were sealed in this run, or whose load was purged.
        sealing: Whether a seal waits for `seal`.
        crediting: Knows how many more items producers may put.
    """

    def __init__(self, session: Session) -> None:
        self.crediting = Crediting(session)
        self._session = session
        self._offers: list[_PendingOffer] = []
        self._seals: list[tuple[Link, messages.Seal]] = []
        self._credited: dict[int, Link] = {}
        # Of a purged load nobody can tell what was put before: a repetition would be new items.
        purged = session.opened.load.purged_at is not None
        self.closed = set(session.entries) if purged else set()

    @property
    def sealing(self) -> bool:
        """Whether somebody has asked for a seal in this turn."""
        return bool(self._seals)

    @property
    def admissible(self) -> bool:
        """Whether an offer has room by now, or never will, since offers were looked at."""
        lanes = self._session.scheduler.lanes
        if self._offers and self._session.scheduler.over:
            return True
        full: set[int] = set()
        for pending in self._offers:
            queue_id = pending.offer.queue_id
            if queue_id not in full and lanes[queue_id].queued < pending.offer.maxsize:
                return True
            full.add(queue_id)
        return False

    # --- messages ---

    def on_put(self, link: Link, put: messages.Put) -> None:
        """Journal items; a refusal counts them as dealt with, so that nobody waits for them."""
        if (refusal := self._take_in(link, put)) is not None:
            link.refuse(refusal)
        link.put_bytes += sum(len(block.data) for block in put.blocks)
        self._credit(link, sum(block.count for block in put.blocks))

    def on_offer(self, link: Link, offer: messages.Offer) -> None:
        """Line up for room in a bounded queue."""
        self._offers.append(_PendingOffer(link, offer))

    def on_cancel(self, link: Link, _: messages.Cancel) -> None:
        """Stop waiting for room; if the offer was answered already there is nothing to say."""
        remaining = [pending for pending in self._offers if pending.link is not link]
        if len(remaining) < len(self._offers):
            self._offers = remaining
            link.send(messages.Accepted(ok=False))

    def on_seal(self, link: Link, seal: messages.Seal) -> None:
        """Seal at the end of this turn's reading."""
        self._seals.append((link, seal))

    # --- the turn ---

    def admit_offers(self) -> None:
        """Take in the items that bounded queues have room for, first come first served."""
        waiting, self._offers = self._offers, []
        full: set[int] = set()
        for pending in waiting:
            link, offer = pending.link, pending.offer
            lane = self._session.scheduler.lanes[offer.queue_id]
            lane.bounded = True
            if offer.queue_id in self.closed:
                link.refuse(QueueClosed(self._session.opening.name))
            elif offer.queue_id not in full and lane.queued < offer.maxsize:
                self._accept(link, offer)
            elif offer.patience is not Patience.NEVER and self._session.scheduler.over:
                link.refuse(self._never_room())
            elif offer.patience is Patience.NEVER:
                link.send(messages.Accepted(ok=False))
            else:
                full.add(offer.queue_id)
                self._offers.append(pending)

    def seal(self) -> None:
        """Record the seals of this turn. Whatever had arrived before them must have been read.

        Crash: a seal is answered after it is committed and synced.
        """
        seals, self._seals = self._seals, []
        for link, seal in seals:
            row = self._session.row(seal.queue_id)
            failpoints.point("broker.before_seal")
            if seal.source_id:
                self._end_source(seal.source_id)
            elif row.queue_id not in self.closed:
                self.closed.add(row.queue_id)
                self._session.transitions.seals.seal(row.queue_id)
            self._session.after_commit(partial(self._tell_sealed, link, seal))

    def end_sources(self, source_ids: Iterable[int]) -> None:
        """Record that sources have come to their end, which need not say so themselves."""
        for source_id in source_ids:
            self._end_source(source_id)

    def lose(self, link: Link) -> None:
        """A connection is gone; the source of a pipeline that died will repeat what it has put.

        All of it, or what it has put behind its cursor.
        """
        self._offers = [pending for pending in self._offers if pending.link is not link]
        self.crediting.lose(link)
        died = link.role is Role.PRODUCER and not link.farewell
        source = self._session.transitions.sources.rows.get(link.source_id)
        if died and source is not None and not source.ended:
            self._expect_again(source)
            self._session.roster.repeats(link.family)

    # --- inside ---

    def _end_source(self, source_id: int) -> None:
        """A source has come to its end; its queue is closed with the last of them."""
        transitions = self._session.transitions
        if not transitions.sources.rows[source_id].ended:
            failpoints.point("broker.before_source_end")
            transitions.sourcing.end(source_id)
        queue_id = transitions.sources.rows[source_id].queue_id
        if not transitions.sources.is_awaited(queue_id):
            self.closed.add(queue_id)

    def _expect_again(self, source: SourceRow) -> None:
        session, key = self._session, (source.queue_id, source.source_id)
        row = session.row(source.queue_id)
        if session.polls(source.source_id):
            return
        if row.keyed:
            session.transitions.sourcing.expect_again(row.queue_id)
            return
        # What it has put last is still to be recorded, and who has put it.
        session.transitions.commit()
        session.opened.absorbers[key].close()
        session.opened.absorbers[key] = absorber_of_source(
            session.journal, row, session.transitions.sources, source
        )

    def _never_room(self) -> UpstreamFailed:
        """Return what is told to those who wait for room when nothing is handed out any more."""
        return UpstreamFailed(self._session.opening.name, self._session.scheduler.ending)

    def _accept(self, link: Link, offer: messages.Offer) -> None:
        put = messages.Put(offer.queue_id, [offer.block])
        if (refusal := self._take_in(link, put)) is not None:
            link.refuse(refusal)
            return
        link.send(messages.Accepted(ok=True))
        self._credit(link, 1)

    def _take_in(self, link: Link, put: messages.Put) -> PersistqError | None:
        """Journal what is new of these items, or return why not."""
        session = self._session
        if (refusal := session.orphaned(link)) is not None:
            return refusal
        if put.queue_id in self.closed:
            return QueueClosed(session.opening.name)
        blocks = self._unabsorbed(link, put)
        if blocks and session.transitions.seals.settled:
            return QueueClosed(session.opening.name)
        source = link.source_id or None
        count = session.transitions.intake.put(put.queue_id, blocks, synced=True, source=source)
        if count:
            self._count(link, put.queue_id, count)
        if put.cursor is not None and not self._repeats(link, put.queue_id):
            failpoints.point("broker.before_cursor")
            session.transitions.sourcing.move_cursor(link.source_id, put.cursor)
        return None

    def _count(self, link: Link, queue_id: int, count: int) -> None:
        """Count new items."""
        session = self._session
        if link.source_id:
            session.transitions.sources.put[link.source_id] += count
        else:
            session.roster.wrote(link.family, session.row(queue_id), count)

    def _absorber(self, link: Link, queue_id: int) -> Absorber | None:
        return self._session.opened.absorbers.get((queue_id, link.source_id))

    def _repeats(self, link: Link, queue_id: int) -> bool:
        """Return whether something that was put behind the cursor may come again.

        The cursor stays before that: another run expects it there.
        """
        return link.absorbs and bool(self._absorber(link, queue_id))

    def _unabsorbed(self, link: Link, put: messages.Put) -> list[Block]:
        """Return what no earlier put absorbs."""
        if (requeuing := self._session.opened.requeuing.get(link.source_id)) is not None:
            return requeuing.admit(put.blocks)
        absorber = self._absorber(link, put.queue_id)
        if absorber and link.absorbs:
            failpoints.point("broker.before_absorb")
            return absorber.admit(put.blocks)
        return put.blocks

    def _credit(self, link: Link, count: int) -> None:
        """Have the producer told after the commit, once a turn."""
        link.puts += count
        if not self._credited:
            self._session.after_commit(self._tell_journaled)
        self._credited[link.number] = link

    def _tell_journaled(self) -> None:
        failpoints.point("broker.before_journaled")
        credited, self._credited = self._credited, {}
        for link in credited.values():
            link.send(self.crediting.journaled(link))

    def _tell_sealed(self, link: Link, seal: messages.Seal) -> None:
        failpoints.point("broker.after_seal")
        # Producers hear of the seal before the one who asked for it does.
        for producer in (
            self._session.of_role(Role.PRODUCER) if seal.queue_id in self.closed else ()
        ):
            producer.send(messages.Closed(seal.queue_id))
        link.send(messages.Answer(seal.seq, None))
