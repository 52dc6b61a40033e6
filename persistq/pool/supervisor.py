"""The supervisor: fills the posts of a run, replaces the dead, and knows when it is over.

It waits at one place, for whatever comes first: a message of the broker, the end of a child, a
signal.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from multiprocessing import connection
from typing import Protocol

from persistq import failpoints
from persistq.client.connection import Connection
from persistq.client.presence import sizes_of_run
from persistq.client.starting import OpenedRun
from persistq.errors import BrokerLost, JournalError, RunEnded, UsageError
from persistq.items import DONE
from persistq.pool.child import UNGUARDED, UNGUARDED_WHY
from persistq.pool.crew import Crew, Post
from persistq.pool.deadlines import Deadlines, Overrun
from persistq.pool.deaths import Death
from persistq.pool.signals import SignalInbox
from persistq.wire.messages import (
    BrokerMessage,
    Ended,
    Halt,
    Overdue,
    Progress,
    QueueSizes,
    Role,
    Watch,
    WorkerEnded,
)

FAILED_STARTS_MAX = 5
"""Children at one post that may end before they are ready; then the run has failed, unless others
are at work at the same task."""

SOURCE_DEATHS_MAX = 5
"""Deaths of a source between which it has put nothing new: it begins anew each time, so more of
them would lead nowhere."""

VAIN_DEATHS_PER_POST = 20
"""Deaths for each post while no item was settled, and none was blamed; then it is not the items'
fault. A blamed item is parked some deaths later, so that is progress too."""

KILL_PATIENCE_S = 2.0


class Display(Protocol):
    """What a supervisor tells the user while it runs."""

    def show(self, progress: Progress) -> None:
        """Show where the load stands."""

    def say(self, text: str) -> None:
        """Say one line."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        outcome: ``DONE``, ``FAILED``, ``INTERRUPTED`` or ``LOST`` (the broker died, or lost its
            journal).
        reason: Why, in words.
        signal: The signal that interrupted it, or 0.
        queues: The last counters.
        exit_code: What a program exits with whose run was ``LOST``.
    """

    outcome: str
    reason: str
    signal: int
    queues: tuple[QueueSizes, ...]
    exit_code: int = 3


class Supervisor:
    """Runs one crew on one open run until it is over.

    Args:
        run: The open run.
        crew: The posts to fill.
        display: Where progress is shown.
        progress_interval: Least time between two progress reports, in seconds.
        shutdown_grace: How long items in flight may take after a stop, in seconds.
        deadlines: How long one item may take.
    """

    def __init__(
        self,
        run: OpenedRun,
        crew: Crew,
        display: Display,
        deadlines: Deadlines,
        *,
        progress_interval: float,
        shutdown_grace: float,
    ) -> None:
        self._run = run
        self._crew = crew
        self._display = display
        self._deadlines = deadlines
        self._look_at: float | None = None
        self._condemned: dict[int, float] = {}
        self._interval = progress_interval
        self._grace = shutdown_grace
        self._queues: tuple[QueueSizes, ...] = tuple(run.welcome.queues)
        self._ending: tuple[str, str] | None = None
        self._deadline: float | None = None
        self._signal = 0
        self._exit_code = 3
        self._vain_deaths = 0
        self._put_before = self._queues[0].put

    def supervise(self) -> RunOutcome:
        """Run to the end: settled, failed, interrupted, or the broker lost.

        Crash: children die with this process; the journal holds what is outstanding.

        Raises:
            UsageError: A child cannot be started as the script is written.
        """
        with SignalInbox() as inbox:
            try:
                self._run.anchor.send(Watch(self._interval))
                try:
                    self._loop(inbox)
                finally:
                    self._crew.stop(KILL_PATIENCE_S)
                self._catch_up()
            except (BrokerLost, RunEnded, JournalError) as error:
                self._ending = "LOST", str(error)
                self._exit_code = error.exit_code
            except OSError as error:
                self._fail(f"the supervisor cannot go on: {error}")
        outcome, reason = self._ending or ("LOST", "the supervisor failed")
        return RunOutcome(outcome, reason, self._signal, self._queues, self._exit_code)

    def _loop(self, inbox: SignalInbox) -> None:
        while not self._finished():
            now = time.monotonic()
            if self._ending is None:
                for post in self._crew.fill(now):
                    self._miss(post)
            connection.wait(
                [self._run.anchor.fileno(), inbox.fileno(), *self._crew.sentinels()],
                self._patience(now),
            )
            for message in self._run.anchor.poll():
                self._heed(message)
            for number in inbox.take():
                self._interrupt(number)
            for post, death in self._crew.reap(time.monotonic()):
                self._mourn(post, death)
            self._enforce_deadlines(time.monotonic())

    def _catch_up(self) -> None:
        """Take in what the last children did: the broker answers after it has told the rest."""
        queues = sizes_of_run(self._run.handle)
        for message in self._run.anchor.poll():
            self._heed(message)
        self._queues = tuple(queues)

    def _finished(self) -> bool:
        if self._ending is None:
            return False
        overdue = self._deadline is not None and time.monotonic() >= self._deadline
        return overdue or not self._crew.alive()

    def _patience(self, now: float) -> float:
        times = [
            now + self._crew.next_look(),
            self._deadline,
            self._crew.next_start(),
            self._look_at,
        ]
        times += self._condemned.values()
        return max(0.0, min(t for t in times if t is not None) - now)

    def _heed(self, message: BrokerMessage) -> None:
        if isinstance(message, Progress):
            self._note_progress(tuple(message.queues))
            self._display.show(message)
        elif isinstance(message, Ended) and message.outcome == DONE.value:
            # Even after an interruption: the items in flight may have been the last ones.
            self._end("DONE", "")
        elif isinstance(message, Ended) and self._ending is None:
            self._end("FAILED", message.reason)
            if message.at_once:
                self._deadline = time.monotonic()

    def _note_progress(self, queues: tuple[QueueSizes, ...]) -> None:
        if _progress(queues) > _progress(self._queues):
            self._vain_deaths = 0
        self._queues = queues

    def _fail(self, reason: str) -> None:
        """It cannot go on; a load that is done stays done."""
        if self._ending is None or self._ending[0] != "DONE":
            self._ending = "FAILED", reason

    def _end(self, outcome: str, reason: str) -> None:
        """It is over: let the children come to their ends, within the grace period."""
        self._ending = outcome, reason
        self._deadline = time.monotonic() + self._grace
        self._crew.dismiss()

    def _interrupt(self, number: int) -> None:
        name = signal.Signals(number).name
        if self._ending is not None:
            self._display.say(f"{name} again: ending at once")
            self._deadline = time.monotonic()
            return
        self._signal = number
        self._end("INTERRUPTED", f"interrupted by {name}")
        self._halt()
        self._display.say(
            f"{name}: finishing the items in flight (up to {self._grace:g} s); again to end at once"
        )

    def _halt(self) -> None:
        failpoints.point("supervisor.before_halt")
        control, _ = Connection.dial(self._run.handle, Role.CONTROL)
        control.ask(Halt)
        control.close()
        for post in self._crew.posts:
            # A source has no item to finish; what it had put is journaled.
            if post.source and post.process is not None:
                post.process.terminate()

    def _enforce_deadlines(self, now: float) -> None:
        """Kill workers whose item takes too long, from outside: SIGTERM, a little later SIGKILL."""
        if self._look_at is None or now >= self._look_at:
            overruns, self._look_at = self._deadlines.check(now)
            for overrun in overruns:
                self._condemn(overrun, now)
        for pid in [pid for pid, at in self._condemned.items() if now >= at]:
            del self._condemned[pid]
            self._crew.signal_one(pid, signal.SIGKILL)

    def _condemn(self, overrun: Overrun, now: float) -> None:
        if overrun.pid in self._condemned or not self._crew.employs(overrun.pid):
            return
        # The broker has to know why before it sees the worker's stream end.
        self._run.anchor.send(Overdue(overrun.pid, overrun.item_id, overrun.limit))
        if self._crew.signal_one(overrun.pid, signal.SIGTERM):
            self._condemned[overrun.pid] = now + KILL_PATIENCE_S

    def _mourn(self, post: Post, death: Death) -> None:
        self._condemned.pop(death.pid, None)
        if death.code is not None and (death.code or not post.left):
            failpoints.point("supervisor.before_obituary")
            self._run.anchor.send(
                WorkerEnded(
                    death.pid, death.code, death.signal, death.peak_rss, death.out_of_memory
                )
            )
        if self._ending is not None:
            return
        self._vain_deaths += not post.over
        if death.code == UNGUARDED and post.failed_starts:
            raise UsageError(f"{post.name} cannot be started: {UNGUARDED_WHY}")
        if post.source:
            self._forgive_if_it_gets_on(post)
        if self._unmanned(post):
            self._give_up(f"{post.name} cannot be started: {_why(post, death)}")
        elif post.source and post.deaths >= SOURCE_DEATHS_MAX:
            self._give_up(f"{post.name} keeps dying (the last one {death})")
        elif self._in_vain():
            self._give_up(f"workers keep dying and nothing gets done ({death})")
        elif not post.over:
            self._display.say(f"{post.name} {death}; starting another one")

    def _miss(self, post: Post) -> None:
        """The system has no process to give: it may have one soon, but not for ever."""
        if self._unmanned(post):
            self._give_up(f"{post.name} cannot be started: {post.complaint}")
        else:
            self._display.say(f"{post.name} cannot be started now: {post.complaint}")

    def _unmanned(self, post: Post) -> bool:
        """Return whether a post stays empty, with nobody else at its task."""
        return post.failed_starts >= FAILED_STARTS_MAX and not self._crew.has_another(post)

    def _in_vain(self) -> bool:
        """Return whether workers die and nothing comes of it, by counters that are not old."""
        limit = VAIN_DEATHS_PER_POST * len(self._crew.posts)
        if self._vain_deaths >= limit:
            self._note_progress(tuple(sizes_of_run(self._run.handle)))
        return self._vain_deaths >= limit

    def _forgive_if_it_gets_on(self, source: Post) -> None:
        """Count a source's deaths anew when it has put more than before the last one."""
        if source.deaths:
            self._note_progress(tuple(sizes_of_run(self._run.handle)))
        if self._queues[0].put > self._put_before:
            self._put_before = self._queues[0].put
            source.deaths = min(source.deaths, 1)

    def _give_up(self, reason: str) -> None:
        self._end("FAILED", reason)
        self._halt()


def _why(post: Post, death: Death) -> str:
    # A module that cannot be imported is told by Python itself, before any code of ours runs.
    return post.complaint or f"the last one {death}, and what it said is above"


def _progress(queues: tuple[QueueSizes, ...]) -> int:
    return sum(queue.done + queue.dropped + queue.parked + queue.blamed for queue in queues)
