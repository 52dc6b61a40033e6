"""Who comes and who goes: introductions and welcomes, farewells, and the ends of programs."""

from __future__ import annotations

import os
from typing import Any

from persistq import failpoints
from persistq.blocks import Block
from persistq.broker.arrivals import Arrivals
from persistq.broker.consuming import Consuming
from persistq.broker.deadlines import Deadlines
from persistq.broker.link import Link
from persistq.broker.producing import Producing
from persistq.broker.session import Session
from persistq.errors import JournalBusy, PersistqError, RunEnded, UsageError
from persistq.journal.load import LoadState
from persistq.journal.run import RunResult
from persistq.policy import OPTIONS, Policy
from persistq.site.credentials import peer_of
from persistq.site.fence import SLOTS
from persistq.wire import messages
from persistq.wire.messages import Role


class Membership:
    """Makes connections clients, and knows how the program that opened the load says it ended.

    Args:
        session: The load being served.
        arrivals: The connections that are no clients yet.
        producing: Knows which queues are closed.
        consuming: Is told of new consumers.
        deadlines: Knows which ones it could not watch.

    Attributes:
        result: How the run ended, in the words of who opened the load; None if it said nothing.
    """

    def __init__(
        self,
        session: Session,
        arrivals: Arrivals,
        producing: Producing,
        consuming: Consuming,
        deadlines: Deadlines,
    ) -> None:
        self.result: tuple[RunResult, str] | None = None
        self._session = session
        self._arrivals = arrivals
        self._producing = producing
        self._consuming = consuming
        self._deadlines = deadlines

    def on_hello(self, link: Link, hello: messages.Hello) -> None:
        """A connection introduces itself: it is welcome, or hears why not."""
        if (refusal := self._refusal(link, hello)) is not None:
            link.refuse(refusal)
            return
        session = self._session
        link.accept(hello)
        session.links[link.number] = link
        self._arrivals.leave(link)
        if hello.role is Role.ANCHOR:
            something = any(session.opened.absorbers.values())
            seen = peer_of(link.sock)
            session.roster.add(hello.family, hello.peer, absorbs=something, seen=seen)
        if hello.role is Role.CONSUMER:
            self._consuming.join(link, hello)
        link.absorbs = session.roster.absorbs(hello.family)
        failpoints.point("broker.before_welcome")
        link.send(self._welcome(link, hello))

    def on_farewell(self, link: Link, farewell: messages.Farewell) -> None:
        """A client leaves on purpose; one that opened the load learns how many others stay."""
        link.farewell = True
        if farewell.result:
            self.result = RunResult(farewell.result), farewell.reason
        if link.role is Role.ANCHOR:
            others = [other for other in self._session.links.values() if other.owner != link.owner]
            link.send(messages.Answer(0, len(others)))

    def lose(self, link: Link) -> None:
        """A program that opened the load is gone; its children go on only if it took leave."""
        session = self._session
        if link.role is not Role.ANCHOR:
            return
        if link.farewell:
            session.roster.take_leave(link.family)
            return
        for queue_id, span in session.roster.lose(link.family):
            absorber = session.opened.absorbers.get((queue_id, 0))
            if absorber is not None and not session.row(queue_id).keyed:
                absorber.expect(span.after, span.last)
        for other in session.links.values():
            if other.family == link.family:
                other.refuse(RunEnded(session.opening.name, link.pid))

    # --- inside ---

    def _refusal(self, link: Link, hello: messages.Hello) -> PersistqError | None:
        opening, roster = self._session.opening, self._session.roster
        if (pid := roster.dead(hello.family)) is not None:
            return RunEnded(opening.name, pid)
        if hello.role is Role.CONSUMER and self._session.fence.room < hello.at_once:
            return UsageError(
                f"queue {opening.name!r} has {SLOTS:,} consumers, the most there can be; each of "
                "concurrency= and threads= counts as one"
            )
        if hello.role is Role.CONSUMER:
            return self._deadlines.refusal(link.sock, hello.peer)
        first = roster.first()
        if hello.role is not Role.ANCHOR or opening.kind != "pipeline" or first is None:
            return None
        peer, gone = first
        if gone:
            return RunEnded(opening.name, peer.pid)
        return JournalBusy(opening.path, peer.pid, peer.node)

    def _welcome(self, link: Link, hello: messages.Hello) -> messages.Welcome:
        opened = self._session.opened
        credited = self._producing.crediting.journaled(link)
        return messages.Welcome(
            load_id=opened.load.load_id,
            run_id=opened.run_id,
            carried_on=opened.carried_on,
            queues=self._session.sizes(),
            feeds=self._session.behind,
            slot=link.slot,
            more_slots=link.slots[1:],
            fence=self._session.fence.identity,
            slow_after=self._session.opening.slow_after,
            limits=(credited.items_limit, credited.bytes_limit),
            broker_pid=os.getpid(),
            closed=sorted(self._producing.closed),
            sources=self._sources(),
            cursor=self._cursor(hello) if link.role is Role.PRODUCER else None,
            put_spans=opened.put_spans.get(hello.queue_id, []) if link.slot >= 0 else [],
            **(self._told_to_openers() if link.role is Role.ANCHOR else {}),
        )

    def _cursor(self, hello: messages.Hello) -> Block | None:
        cursor = self._session.transitions.sources.cursors.get(hello.source_id)
        return None if cursor is None else cursor.value

    def _sources(self) -> list[messages.SourceState]:
        return [
            messages.SourceState(row.source_id, row.queue_id, row.name, row.ended)
            for row in self._session.transitions.sources.rows.values()
        ]

    def _told_to_openers(self) -> dict[str, Any]:
        opened = self._session.opened
        return {
            "params": [
                messages.Parameter(p.name, p.codec, p.payload, p.shown, p.given)
                for p in opened.params
            ],
            "left": [
                messages.LeftOver(left.load_id, left.parked, left.outstanding)
                for left in opened.left
            ],
            "reopened": opened.load.state is LoadState.REOPENED,
            "policy": self._policy(),
        }

    def _policy(self) -> Policy | None:
        """Return what the first opener of a plain queue has said of it."""
        if self._session.opening.kind != "queue":
            return None
        (stage,) = self._session.opening.stages
        return Policy(**{option: getattr(stage, option) for option in OPTIONS})
