"""The broker's event loop: reads what clients say, commits it, hands out work.

One turn of the loop::

    read all sockets ─► hand out what is ready ─► commit ─► hand out what is new ─► answer

Work that is already journaled goes out before the commit, so that workers are busy while the disk
is. Everything runs in one thread and waits only in ``select``; a peer that does not read is served
by whatever its socket takes.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from persistq import failpoints
from persistq.broker import conduct
from persistq.broker.arrivals import DEADLINE_S, Arrivals
from persistq.broker.consuming import Consuming
from persistq.broker.controlling import Controlling
from persistq.broker.deadlines import Deadlines
from persistq.broker.link import Link
from persistq.broker.membership import Membership
from persistq.broker.opening import OpenLoad
from persistq.broker.polling import Polling
from persistq.broker.producing import Producing
from persistq.broker.sampling import Sampling
from persistq.broker.session import Session
from persistq.broker.telling import Telling
from persistq.broker.tidying import Tidying
from persistq.errors import JournalError
from persistq.journal.base import Journal
from persistq.journal.faults import reported
from persistq.journal.keeping import Keep
from persistq.journal.run import RunResult
from persistq.journal.siblings import Siblings
from persistq.site.fence import Fence
from persistq.site.finding import catalogue_of
from persistq.wire import messages
from persistq.wire.framing import NotUnderstood
from persistq.wire.messages import Role

IDLE_S = 60.0
LINGER_S = 1.0
"""How long a broker whose last client has left waits for one that has just connected."""


class Broker:
    """Serves one load until the last client has left.

    Args:
        opening: What was asked for.
        journal: The open journal.
        opened: The load.
        listener: The listening socket.
        fence: The fence, clear and wiped.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        opening: messages.Opening,
        journal: Journal,
        opened: OpenLoad,
        listener: socket.socket,
        fence: Fence,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = Session(opening, journal, opened, fence, clock)
        self._producing = Producing(self._session)
        self._consuming = Consuming(self._session)
        self._controlling = Controlling(self._session)
        self._deadlines = Deadlines(self._session, self._consuming)
        self._polling = Polling(self._session)
        self._flushed_at = clock()
        keep = Keep(opening.keep_loads, opening.keep_bytes)
        self._sampling = Sampling(self._session)
        self._telling = Telling(self._session)
        self._tidying = Tidying(journal, keep, clock, _siblings(opening))
        self._selector = selectors.DefaultSelector()
        self._arrivals = Arrivals(listener, self._selector, opening.token, self._attend, clock)
        self._membership = Membership(
            self._session, self._arrivals, self._producing, self._consuming, self._deadlines
        )
        self._handlers = self._by_message()
        self._ends_at = clock() + DEADLINE_S

    def _by_message(self) -> dict[type, Callable[[Link, Any], None]]:
        producing, consuming, controlling = self._producing, self._consuming, self._controlling
        return {
            messages.Hello: self._on_hello,
            messages.Farewell: self._membership.on_farewell,
            messages.Cancel: self._on_cancel,
            messages.Put: producing.on_put,
            messages.Offer: producing.on_offer,
            messages.Seal: producing.on_seal,
            messages.Take: consuming.on_take,
            messages.Done: consuming.on_done,
            messages.Spool: consuming.on_spool,
            messages.Stream: consuming.on_stream,
            messages.Checkpoint: consuming.on_checkpoint,
            messages.LastCheckpoint: consuming.on_last_checkpoint,
            messages.Printed: controlling.on_printed,
            messages.Failed: consuming.on_failed,
            messages.Deferred: consuming.on_deferred,
            messages.Apart: consuming.on_apart,
            messages.Dropped: consuming.on_dropped,
            messages.GiveBack: consuming.on_give_back,
            messages.Rest: consuming.on_rest,
            messages.Timed: consuming.on_timed,
            messages.Fail: controlling.on_fail,
            messages.Halt: controlling.on_halt,
            messages.Flush: controlling.on_flush,
            messages.Join: controlling.on_join,
            messages.Sizes: controlling.on_sizes,
            messages.SourcePuts: controlling.on_source_puts,
            messages.Poll: self._polling.on_poll,
            messages.Wake: self._polling.on_wake,
            messages.Drain: self._polling.on_drain,
            messages.Page: controlling.on_page,
            messages.Requeue: controlling.on_requeue,
            messages.Retry: controlling.on_retry,
            messages.Discard: controlling.on_discard,
            messages.Replace: controlling.on_replace,
            messages.Watch: controlling.on_watch,
            messages.Overdue: consuming.on_overdue,
            messages.WorkerEnded: consuming.on_worker_ended,
        }

    # --- the loop ---

    def serve(self, first: socket.socket) -> int:
        """Serve until the last client is gone.

        Crash: what was committed stays; the kernel lock goes, so the next start carries on.

        Args:
            first: The connection of the process that started this broker, proven.

        Returns:
            0, or the exit code of an error of the journal that all clients were told.

        Raises:
            JournalError: The journal can no longer be written, and nobody is left to be told.
        """
        self._arrivals.admit_proven(first)
        try:
            # What files other than the journal complain about is the fence beside it.
            with reported(Path(self._session.opening.path)):
                while self._session.links or self._is_expecting():
                    events = self._selector.select(self._patience())
                    if not events:
                        self._tidying.step_if_due()
                    self._turn(events)
                self._consuming.reclaim_all()
                self._session.transitions.commit()
                self._session.tell()
                self._end_run()
                self._tidying.finish(self._is_wanted)
            return 0
        except JournalError as error:
            told = [*self._session.links.values(), *self._arrivals.proven()]
            if not told:
                raise
            for link in told:
                link.refuse(error)
            return error.exit_code
        finally:
            self._close()

    def _turn(self, events: list[tuple[selectors.SelectorKey, int]]) -> None:
        self._session.opened.space.look(self._session.clock())
        for key, mask in events:
            key.data(mask)
        self._sweep()
        self._consuming.reclaim()
        self._deadlines.enforce(self._session.clock())
        if self._producing.sealing:
            self._drain()
            self._producing.seal()
        self._producing.admit_offers()
        # Before anything more is handed out: what breaks a rule is the last thing to happen.
        self._session.transitions.verdicts.apply_rules()
        if (failing := self._controlling.failing).until is not None:
            failing.look(self._session.clock())
        self._consuming.hand_out()
        if failing.until is None:
            self._producing.end_sources(self._polling.drained())
        self._session.transitions.seals.advance()
        self._session.transitions.reserve_calls()
        self._session.note_held()
        self._sampling.sample_if_due()
        self._session.transitions.commit()
        self._telling.tell_if_due()
        self._flush_if_due()
        self._consuming.refill()
        self._consuming.hand_out()
        self._session.tell()
        self._producing.crediting.grant()
        self._polling.answer()
        self._consuming.answer()
        self._controlling.answer(self._consuming.ended())
        self._listen()

    def _patience(self) -> float:
        """Return how long the loop may sleep when nothing arrives."""
        if self._producing.admissible or self._session.scheduler.famished:
            return 0.0
        session, now = self._session, self._session.clock()
        times = [now + IDLE_S, *self._arrivals.due()]
        services = self._tidying, self._sampling, self._telling, self._deadlines
        times += [due for due in (service.due for service in services) if due is not None]
        if not session.links:
            times.append(self._ends_at)
        if (look := self._consuming.look_at) is not None:
            times.append(look)
        if (look := self._polling.look_at) is not None:
            times.append(look)
        if (fails_at := self._controlling.failing.until) is not None:
            times += [] if session.scheduler.over else [fails_at]
        if (due := session.scheduler.due()) is not None:
            times.append(due)
        if (due := session.opened.space.due) is not None:
            times.append(due)
        if session.transitions.unsynced:
            times.append(self._flushed_at + session.opening.flush_interval)
        times += [watcher.due for watcher in session.watchers if watcher.impatient]
        return max(0.0, min(times) - now)

    def _flush_if_due(self) -> None:
        """Bring done records to the disk that were committed without waiting for it."""
        transitions, now = self._session.transitions, self._session.clock()
        due = now - self._flushed_at >= self._session.opening.flush_interval
        if transitions.unsynced and due:
            transitions.sync()
            transitions.commit()
        if not transitions.unsynced:
            self._flushed_at = now

    # --- connections ---

    def _is_expecting(self) -> bool:
        """Return whether somebody is about to become a client: no reason to stay for long."""
        return bool(self._arrivals) and self._session.clock() < self._ends_at

    def _attend(self, link: Link, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            link.push()
        if mask & selectors.EVENT_READ:
            self._read(link)

    def _read(self, link: Link) -> None:
        self._heed(link, link.receive)

    def _heed(self, link: Link, receive: Callable[[], list[messages.ClientMessage]]) -> None:
        """Act on what a client says; the only place where what it does wrong is told from a bug.

        Whatever that is, this one connection ends. What else is raised ends the broker.
        """
        try:
            for message in receive():
                conduct.require(self._session, link, message)
                self._handlers[type(message)](link, message)
        except (NotUnderstood, conduct.Misbehaviour):
            link.gone = True

    def _drain(self) -> None:
        """Read whatever has arrived, so that a put that returned before a seal counts."""
        for link in list(self._session.links.values()):
            self._heed(link, link.receive_all)

    def _on_hello(self, link: Link, hello: messages.Hello) -> None:
        if hello.role is Role.PRODUCER and self._session.opening.kind == "pipeline":
            self._see_off_source(hello.source_id)
        self._membership.on_hello(link, hello)

    def _see_off_source(self, source_id: int) -> None:
        """A source is called again: read, and commit, what the one before it has sent, to its end.

        What it repeats begins behind that.
        """
        for link in self._session.of_role(Role.PRODUCER):
            if link.source_id == source_id:
                self._heed(link, link.receive_all)
                self._heed(link, link.receive)
        self._session.transitions.commit()

    def _listen(self) -> None:
        """Wait for a peer to take more where it has not taken all."""
        for link in self._session.links.values():
            if link.behind is not link.wants_push:
                link.wants_push = link.behind
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.behind else 0)
                self._selector.modify(link.sock, events, partial(self._attend, link))

    def _sweep(self) -> None:
        self._arrivals.sweep()
        # Programs first: what their children had in hand is not to blame for that.
        gone = [link for link in self._session.links.values() if link.gone]
        for link in sorted(gone, key=lambda link: link.role is not Role.ANCHOR):
            del self._session.links[link.number]
            self._selector.unregister(link.sock)
            link.sock.close()
            self._consuming.lose(link)
            self._deadlines.lose(link)
            self._producing.lose(link)
            self._controlling.lose(link)
            self._polling.lose(link)
            self._membership.lose(link)
            self._ends_at = self._session.clock() + LINGER_S

    def _on_cancel(self, link: Link, cancel: messages.Cancel) -> None:
        part = self._consuming if link.role is Role.CONSUMER else self._producing
        part.on_cancel(link, cancel)

    # --- the end ---

    def _is_wanted(self) -> bool:
        """Return whether somebody has come who needs the next broker."""
        return bool(self._selector.select(0))

    def _end_run(self) -> None:
        if (ending := self._ending()) is not None:
            failpoints.point("broker.before_end_run")
            self._session.journal.end_run(self._session.opened.run_id, *ending)

    def _ending(self) -> tuple[RunResult, str] | None:
        if self._session.transitions.seals.settled:
            return RunResult.DONE, ""
        if self._session.scheduler.failed is not None:
            return RunResult.FAILED, self._session.scheduler.failed
        return self._membership.result

    def _close(self) -> None:
        for link in self._session.links.values():
            link.sock.close()
        self._arrivals.close()


def _siblings(opening: messages.Opening) -> Siblings | None:
    if not opening.template:
        return None
    catalogue = catalogue_of(Path(opening.path).parent)
    return Siblings(catalogue, opening.template, opening.path)
