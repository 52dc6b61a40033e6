"""The broker's event loop: reads what clients say, commits it, hands out work.

One turn of the loop::

    read all sockets ─► hand out what is ready ─► commit ─► hand out what is new ─► answer

Work that is already journaled goes out before the commit, so that workers are busy while the disk
is. Everything runs in one thread and waits only in ``select``; a peer that does not read is served
by whatever its socket takes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from persistq.broker import wire
from persistq.broker.ledger import Ledger
from persistq.broker.link import Link
from persistq.broker.opening import OpenLoad, absorber_of
from persistq.broker.roster import Roster
from persistq.broker.scheduler import Verdict
from persistq.broker.watching import Watcher, sizes_of
from persistq.broker.wire import Patience, Role
from persistq.errors import JournalBusy, JournalError, PersistqError, QueueClosed, RunEnded
from persistq.fence import Fence
from persistq.items import DONE, FAILED, Failure, FailureKind, Item, item_id_of, queue_of
from persistq.journal.base import Journal, QueueRow, RunResult

REFILL_ITEMS = 10_000
REFILL_BYTES = 16 << 20
IDLE_S = 60.0


@dataclass(slots=True)
class _PendingOffer:
    """One item that waits for room in a bounded queue."""

    link: Link
    offer: wire.Offer


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
        opening: wire.Opening,
        journal: Journal,
        opened: OpenLoad,
        listener: socket.socket,
        fence: Fence,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._opening = opening
        self._journal = journal
        self._opened = opened
        self._scheduler = opened.scheduler
        self._rows: list[QueueRow] = [lane.row for lane in opened.scheduler.lanes.values()]
        self._ledger = Ledger(journal)
        self._listener = listener
        self._fence = fence
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._links: dict[int, Link] = {}
        self._roster = Roster()
        self._watchers: list[Watcher] = []
        self._offers: list[_PendingOffer] = []
        self._joins: list[tuple[Link, wire.Join]] = []
        self._seals: list[tuple[Link, wire.Seal]] = []
        self._after_commit: list[Callable[[], None]] = []
        self._closed: set[int] = set()
        self._settled = False
        self._flushed_at = clock()
        self._result: tuple[RunResult, str] | None = None
        self._stopping = False
        self._handlers: dict[type, Callable[[Link, Any], None]] = {
            wire.Hello: self._on_hello,
            wire.Put: self._on_put,
            wire.Offer: self._on_offer,
            wire.Take: self._on_take,
            wire.Cancel: self._on_cancel,
            wire.Done: self._on_done,
            wire.Failed: self._on_failed,
            wire.Dropped: self._on_dropped,
            wire.GiveBack: self._on_give_back,
            wire.Seal: self._on_seal,
            wire.Fail: self._on_fail,
            wire.Flush: self._on_flush,
            wire.Join: self._on_join,
            wire.Sizes: self._on_sizes,
            wire.Page: self._on_page,
            wire.Release: self._on_release,
            wire.Watch: self._on_watch,
            wire.Halt: self._on_halt,
            wire.Farewell: self._on_farewell,
        }
        self._waker, self._woken = socket.socketpair()
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, lambda _: self._accept())
        # `stop` may come from a signal handler in the middle of select, which would sleep on.
        self._selector.register(self._woken, selectors.EVENT_READ, lambda _: None)

    # --- the loop ---

    def serve(self, first: socket.socket) -> None:
        """Serve until the last client is gone, or `stop` was called.

        Crash: what was committed stays; the kernel lock goes, so the next start carries on.

        Args:
            first: The connection of the process that started this broker.

        Raises:
            JournalError: The journal can no longer be written; clients were told.
        """
        self._adopt(first)
        try:
            while self._links and not self._stopping:
                self._turn(self._selector.select(self._patience()))
            self._commit()
            self._end_run()
        except JournalError as error:
            self._tell_all(error)
            raise
        finally:
            self._close()

    def stop(self) -> None:
        """End after the present turn; safe to call from a signal handler."""
        self._stopping = True
        self._waker.send(b"!")

    def _turn(self, events: list[tuple[selectors.SelectorKey, int]]) -> None:
        for key, mask in events:
            key.data(mask)
        self._sweep()
        if self._seals:
            self._drain()
            self._seal_all()
        self._admit_offers()
        self._hand_out()
        self._advance_stages()
        self._commit()
        self._refill()
        self._hand_out()
        self._answer()
        self._listen()

    def _attend(self, link: Link, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            link.push()
        if mask & selectors.EVENT_READ:
            self._read(link)

    def _patience(self) -> float:
        """Return how long the loop may sleep when nothing arrives."""
        now = self._clock()
        times = [now + IDLE_S]
        if (due := self._scheduler.due()) is not None:
            times.append(due)
        if self._ledger.unsynced:
            times.append(self._flushed_at + self._opening.flush_interval)
        times += [watcher.due for watcher in self._watchers if watcher.stale]
        return max(0.0, min(times) - now)

    # --- connections ---

    def _adopt(self, sock: socket.socket) -> None:
        link = Link(sock)
        self._links[link.number] = link
        self._selector.register(sock, selectors.EVENT_READ, partial(self._attend, link))

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = self._listener.accept()
                self._adopt(sock)

    def _read(self, link: Link) -> None:
        try:
            for message in link.receive():
                if link.hello is None and not isinstance(message, wire.Hello):
                    link.gone = True
                    return
                self._handlers[type(message)](link, message)
        except msgspec.MsgspecError:
            # Not one of ours: drop it, whoever it is.
            link.gone = True

    def _drain(self) -> None:
        """Read whatever has arrived, so that a put that returned before a seal counts."""
        self._accept()
        for link in list(self._links.values()):
            self._read(link)

    def _listen(self) -> None:
        """Wait for a peer to take more where it has not taken all."""
        for link in self._links.values():
            if link.behind is not link.wants_push:
                link.wants_push = link.behind
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.behind else 0)
                self._selector.modify(link.sock, events, partial(self._attend, link))

    def _sweep(self) -> None:
        for link in [link for link in self._links.values() if link.gone]:
            self._forget(link)

    def _forget(self, link: Link) -> None:
        del self._links[link.number]
        self._selector.unregister(link.sock)
        link.sock.close()
        self._offers = [pending for pending in self._offers if pending.link is not link]
        self._joins = [join for join in self._joins if join[0] is not link]
        self._watchers = [watcher for watcher in self._watchers if watcher.link is not link]
        if link.number in self._scheduler.consumers:
            self._lose_consumer(link)
        if link.hello is not None and link.hello.role is Role.ANCHOR:
            self._lose_anchor(link, link.hello)
        elif self._opening.kind == "pipeline" and not link.farewell:
            self._lose_source(link)

    def _lose_consumer(self, link: Link) -> None:
        in_hand = self._fence.held_in(link.slot) if link.slot >= 0 else 0
        held = [item.item_id for item in self._scheduler.leave(link.number)]
        if link.slot >= 0:
            self._fence.reclaim(link.slot)
        if in_hand in held and not link.farewell:
            self._convict(in_hand, link.hello.pid if link.hello else 0)

    def _convict(self, item_id: int, pid: int) -> None:
        verdict = self._scheduler.blame(item_id, FailureKind.CRASH)
        message = f"its worker, process {pid}, died while it ran this item"
        self._record_failure(
            Failure(item_id, FailureKind.CRASH, "WorkerDied", message, pid=pid), verdict
        )

    def _lose_source(self, link: Link) -> None:
        """A source's process died: it will be called again, and repeat all it ever put."""
        if link.hello is not None and link.hello.role is Role.PRODUCER:
            row = self._rows[0]
            self._opened.absorbers[row.queue_id] = absorber_of(self._journal, row)
            self._roster.repeats(link.hello.family)

    def _lose_anchor(self, link: Link, hello: wire.Hello) -> None:
        if link.farewell:
            self._roster.take_leave(hello.family)
            return
        for queue_id, span in self._roster.bury(hello.family):
            self._opened.absorbers[queue_id].expect(span.after, span.last)
        for other in self._links.values():
            if other.hello is not None and other.hello.family == hello.family:
                other.refuse(RunEnded(self._opening.name, hello.pid))

    # --- messages ---

    def _on_hello(self, link: Link, hello: wire.Hello) -> None:
        if not secrets.compare_digest(hello.token.encode(), self._opening.token.encode()):
            link.gone = True
            return
        if (refusal := self._refusal(hello)) is not None:
            link.refuse(refusal)
            return
        link.hello = hello
        if hello.role is Role.ANCHOR:
            something = any(self._opened.absorbers.values())
            self._roster.add(hello.family, hello.pid, absorbs=something)
        if hello.role is Role.CONSUMER:
            self._scheduler.join(link.number, hello.queue_id)
        if hello.slot_wanted:
            link.slot = self._fence.grant()
        link.absorbs = self._roster.absorbs(hello.family)
        link.send(self._welcome(link))

    def _refusal(self, hello: wire.Hello) -> PersistqError | None:
        if (pid := self._roster.dead(hello.family)) is not None:
            return RunEnded(self._opening.name, pid)
        first = self._roster.first()
        if hello.role is not Role.ANCHOR or self._opening.kind != "pipeline" or first is None:
            return None
        pid, gone = first
        if gone:
            return RunEnded(self._opening.name, pid)
        return JournalBusy(self._opening.path, pid, socket.gethostname())

    def _welcome(self, link: Link) -> wire.Welcome:
        return wire.Welcome(
            self._opened.load.load_id,
            self._opened.run_id,
            self._opened.carried_on,
            self._sizes(),
            link.slot,
            os.getpid(),
            sorted(self._closed),
        )

    def _on_put(self, link: Link, put: wire.Put) -> None:
        if (refusal := self._put(link, put)) is not None:
            link.refuse(refusal)

    def _put(self, link: Link, put: wire.Put) -> PersistqError | None:
        """Take in items, or return why not."""
        row = self._row(put.queue_id)
        if (pid := self._roster.dead(self._family(link))) is not None:
            return RunEnded(self._opening.name, pid)
        if row.queue_id in self._closed:
            return QueueClosed(self._opening.name)
        codecs, payloads = self._absorbed(link, put.queue_id, put.codecs, put.payloads)
        if payloads and self._settled:
            return QueueClosed(self._opening.name)
        if payloads:
            self._journal_puts(link, row, codecs, payloads)
        link.puts += len(put.payloads)
        self._after_commit.append(lambda: link.send(wire.Journaled(link.puts)))
        return None

    def _absorbed(
        self, link: Link, queue_id: int, codecs: bytes, payloads: list[bytes]
    ) -> tuple[bytes, list[bytes]]:
        absorber = self._opened.absorbers.get(queue_id)
        if absorber and link.absorbs:
            return absorber.admit(codecs, payloads)
        return codecs, payloads

    def _journal_puts(
        self, link: Link, row: QueueRow, codecs: bytes, payloads: list[bytes]
    ) -> None:
        if row.sealed_total is not None:
            self._ledger.unseal(row)
        self._ledger.put(row, codecs, payloads, synced=True)
        self._roster.wrote(self._family(link), row, len(payloads))

    def _on_offer(self, link: Link, offer: wire.Offer) -> None:
        self._offers.append(_PendingOffer(link, offer))

    def _admit_offers(self) -> None:
        """Take in the items that bounded queues have room for, first come first served."""
        waiting, self._offers = self._offers, []
        full: set[int] = set()
        for pending in waiting:
            link, offer = pending.link, pending.offer
            lane = self._scheduler.lanes[offer.queue_id]
            if offer.queue_id not in full and lane.queued < offer.maxsize:
                put = wire.Put(offer.queue_id, bytes([offer.codec]), [offer.payload])
                refusal = self._put(link, put)
                link.refuse(refusal) if refusal else link.send(wire.Accepted(ok=True))
            elif offer.patience is Patience.NEVER:
                link.send(wire.Accepted(ok=False))
            else:
                full.add(offer.queue_id)
                self._offers.append(pending)

    def _on_take(self, link: Link, take: wire.Take) -> None:
        if (pid := self._roster.dead(self._family(link))) is not None:
            link.refuse(RunEnded(self._opening.name, pid))
            return
        if take.seen == link.windows:
            self._scheduler.take(link.number, take.patience)

    def _on_cancel(self, link: Link, _: wire.Cancel) -> None:
        remaining = [pending for pending in self._offers if pending.link is not link]
        if len(remaining) < len(self._offers):
            self._offers = remaining
            link.send(wire.Accepted(ok=False))
        elif link.number in self._scheduler.consumers and self._scheduler.cancel(link.number):
            link.send(wire.Empty())

    def _on_done(self, link: Link, done: wire.Done) -> None:
        finished = self._scheduler.finish(link.number, done.item_ids, done.busy)
        if not finished:
            return
        self._ledger.done(self._row(queue_of(finished[0])), finished)
        if len(finished) < len(done.item_ids):
            return
        for outputs in done.outputs:
            row = self._row(outputs.queue_id)
            self._ledger.put(row, outputs.codecs, outputs.payloads, synced=False)

    def _on_failed(self, link: Link, failed: wire.Failed) -> None:
        verdict = self._scheduler.fail(
            link.number, failed.item_id, self._clock(), failed.retry_after
        )
        if verdict is not None:
            failure = Failure(
                failed.item_id,
                FailureKind.EXCEPTION,
                failed.error_type,
                failed.message,
                failed.traceback,
                link.hello.pid if link.hello else 0,
            )
            self._record_failure(failure, verdict)

    def _record_failure(self, failure: Failure, verdict: Verdict) -> None:
        row = self._row(queue_of(failure.item_id))
        self._ledger.failed(failure)
        if verdict is not Verdict.RETRY:
            self._ledger.parked(row, failure.item_id)
        for watcher in self._watchers:
            watcher.noted(row.name, failure, parked=verdict is not Verdict.RETRY)

    def _on_dropped(self, link: Link, dropped: wire.Dropped) -> None:
        if self._scheduler.drop(link.number, dropped.item_id):
            self._ledger.dropped(self._row(queue_of(dropped.item_id)), dropped.item_id)

    def _on_give_back(self, link: Link, given: wire.GiveBack) -> None:
        self._scheduler.give_back(link.number, given.item_ids)

    def _on_seal(self, link: Link, seal: wire.Seal) -> None:
        self._seals.append((link, seal))

    def _seal_all(self) -> None:
        seals, self._seals = self._seals, []
        for link, seal in seals:
            row = self._row(seal.queue_id)
            if row.queue_id not in self._closed:
                self._closed.add(row.queue_id)
                self._ledger.seal(row)
            self._after_commit.append(partial(self._sealed, link, seal))

    def _sealed(self, link: Link, seal: wire.Seal) -> None:
        # Producers hear of the seal before the one who asked for it does.
        for other in self._links.values():
            if other.hello is not None and other.hello.role is Role.PRODUCER:
                other.send(wire.Closed(seal.queue_id))
        link.send(wire.Answer(seal.seq, None))

    def _on_fail(self, link: Link, fail: wire.Fail) -> None:
        self._scheduler.give_up(fail.reason)
        link.send(wire.Answer(fail.seq, None))

    def _on_flush(self, link: Link, flush: wire.Flush) -> None:
        self._ledger.sync()
        self._after_commit.append(lambda: link.send(wire.Answer(flush.seq, None)))

    def _on_join(self, link: Link, join: wire.Join) -> None:
        self._joins.append((link, join))

    def _on_sizes(self, link: Link, sizes: wire.Sizes) -> None:
        self._after_commit.append(lambda: link.send(wire.Answer(sizes.seq, self._sizes())))

    def _on_page(self, link: Link, page: wire.Page) -> None:
        last = item_id_of(page.queue_id, self._row(page.queue_id).put)
        items = self._journal.outstanding_page(page.after_id, last, page.limit, REFILL_BYTES)
        link.send(wire.Answer(page.seq, items))

    def _on_release(self, link: Link, release: wire.Release) -> None:
        count = self._scheduler.lanes[release.queue_id].release()
        link.send(wire.Answer(release.seq, count))

    def _on_watch(self, link: Link, watch: wire.Watch) -> None:
        self._watchers.append(Watcher(link, watch.interval, self._clock()))

    def _on_halt(self, link: Link, halt: wire.Halt) -> None:
        self._scheduler.halted = True
        link.send(wire.Answer(halt.seq, None))

    def _on_farewell(self, link: Link, farewell: wire.Farewell) -> None:
        link.farewell = True
        if farewell.result:
            self._result = RunResult(farewell.result), farewell.reason

    # --- the rest of a turn ---

    def _hand_out(self) -> None:
        for number, items in self._scheduler.assign(self._clock()):
            link = self._links[number]
            link.windows += 1
            link.send(self._window(items))

    def _window(self, items: list[Item]) -> wire.Items:
        item_ids, codecs, payloads = zip(*items, strict=True)
        attempts = self._scheduler.attempts(item_ids)
        return wire.Items(list(item_ids), bytes(codecs), list(payloads), attempts)

    def _advance_stages(self) -> None:
        """Seal each stage whose upstream is settled, and settle the load after its last."""
        for upstream, row in zip(self._rows, self._rows[1:], strict=False):
            if upstream.settled and row.sealed_total is None:
                self._ledger.seal(row)
        if not self._settled and all(row.settled for row in self._rows):
            self._settled = True
            self._ledger.settle(self._opened.load.load_id)

    def _commit(self) -> None:
        for items in self._ledger.commit():
            self._scheduler.arrive(items)
        waiting, self._after_commit = self._after_commit, []
        for act in waiting:
            act()
        if not self._ledger.unsynced:
            self._flushed_at = self._clock()
        elif self._clock() - self._flushed_at >= self._opening.flush_interval:
            self._ledger.sync()
            self._ledger.commit()

    def _refill(self) -> None:
        for lane in self._scheduler.lanes.values():
            while (span := lane.page_wanted()) is not None:
                read = self._journal.put_page if span.untouched else self._journal.outstanding_page
                lane.refill(read(span.after, span.last, REFILL_ITEMS, REFILL_BYTES))

    def _answer(self) -> None:
        outcome = DONE if self._scheduler.failed is None else FAILED
        ended = wire.Ended(outcome.value, self._scheduler.failed or "")
        for number in self._scheduler.answers():
            self._links[number].send(ended)
        for number in self._scheduler.impatient():
            self._links[number].send(wire.Empty())
        for link, join in [j for j in self._joins if not self._row(j[1].queue_id).outstanding]:
            self._joins.remove((link, join))
            link.send(wire.Answer(join.seq, None))
        over = ended if self._settled or self._scheduler.failed is not None else None
        for watcher in self._watchers:
            watcher.report(self._sizes, over, self._clock())

    # --- inside ---

    @staticmethod
    def _family(link: Link) -> str:
        return link.hello.family if link.hello else ""

    def _row(self, queue_id: int) -> QueueRow:
        return self._scheduler.lanes[queue_id].row

    def _sizes(self) -> list[wire.QueueSizes]:
        return [sizes_of(lane) for lane in self._scheduler.lanes.values()]

    def _tell_all(self, error: JournalError) -> None:
        for link in self._links.values():
            link.refuse(error)

    def _end_run(self) -> None:
        if (ending := self._ending()) is not None:
            self._journal.end_run(self._opened.run_id, *ending)

    def _close(self) -> None:
        for link in self._links.values():
            link.sock.close()
        for sock in (self._listener, self._waker, self._woken):
            sock.close()

    def _ending(self) -> tuple[RunResult, str] | None:
        if self._settled:
            return RunResult.DONE, ""
        if self._scheduler.failed is not None:
            return RunResult.FAILED, self._scheduler.failed
        if self._stopping:
            return RunResult.STOPPED, "the broker was told to stop"
        return self._result
