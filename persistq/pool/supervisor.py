"""The supervisor: fills the places of a run, replaces who has died, and knows when it is over.

It waits at one place, for whatever comes first: a message of the broker, the end of a child, a
signal.
"""

from __future__ import annotations

import signal
import time
from multiprocessing import connection
from typing import Protocol

from persistq import failpoints
from persistq.client.connection import Connection
from persistq.client.presence import sizes_of_run
from persistq.client.starting import OpenedRun
from persistq.errors import BrokerLost, JournalError, LoadUnfinished, RunEnded, UsageError
from persistq.outcome import Outcome
from persistq.pool.child import UNGUARDED, UNGUARDED_WHY
from persistq.pool.conclusion import Conclusion
from persistq.pool.crew import Crew, Place
from persistq.pool.deadlines import Deadlines, Overrun
from persistq.pool.endings import Ending
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
"""Children at one place that may end before they are ready; then the run has failed, unless others
are at work at the same task."""

SOURCE_DEATHS_MAX = 5
"""Deaths of a source between which it has put nothing new: it begins anew each time, so more of
them would lead nowhere."""

FUTILE_DEATHS_PER_PLACE = 20
"""Deaths for each place while no item was settled, and none was blamed; then it is not the items'
fault. A blamed item is parked some deaths later, so that is progress too."""

KILL_PATIENCE_S = 2.0


class Display(Protocol):
    """What a supervisor tells the user while it runs."""

    def show(self, progress: Progress) -> None:
        """Show where the load stands."""

    def say(self, text: str) -> None:
        """Say one line."""


class Supervisor:
    """Runs one crew on one open run until it is over.

    Args:
        run: The open run.
        crew: The places to fill.
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
        self._to_kill: dict[int, float] = {}
        self._interval = progress_interval
        self._grace = shutdown_grace
        self._queues: tuple[QueueSizes, ...] = tuple(run.welcome.queues)
        self._over: tuple[Outcome, str] | None = None
        self._deadline: float | None = None
        self._signal = 0
        self._lost_code = LoadUnfinished.exit_code
        self._futile_deaths = 0
        self._put_before = self._queues[0].put

    def supervise(self) -> Conclusion:
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
                self._over = Outcome.LOST, str(error)
                self._lost_code = error.exit_code
            except OSError as error:
                self._fail(f"the supervisor cannot go on: {error}")
        outcome, reason = self._over or (Outcome.LOST, "the supervisor failed")
        return Conclusion(outcome, reason, self._queues, self._signal, self._lost_code)

    def _loop(self, inbox: SignalInbox) -> None:
        while not self._finished():
            now = time.monotonic()
            if self._over is None:
                for place in self._crew.fill(now):
                    self._note_empty(place)
            connection.wait(
                [self._run.anchor.fileno(), inbox.fileno(), *self._crew.sentinels()],
                self._patience(now),
            )
            for message in self._run.anchor.poll():
                self._heed(message)
            for number in inbox.take():
                self._interrupt(number)
            for place, ending in self._crew.reap(time.monotonic()):
                self._note_ending(place, ending)
            self._enforce_deadlines(time.monotonic())

    def _catch_up(self) -> None:
        """Take in what the last children did: the broker answers after it has told the rest."""
        queues = sizes_of_run(self._run.handle)
        for message in self._run.anchor.poll():
            self._heed(message)
        self._queues = tuple(queues)

    def _finished(self) -> bool:
        if self._over is None:
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
        times += self._to_kill.values()
        return max(0.0, min(t for t in times if t is not None) - now)

    def _heed(self, message: BrokerMessage) -> None:
        if isinstance(message, Progress):
            self._note_progress(tuple(message.queues))
            if self._over is None:
                # What was parked may be retried by hand when its stage has been over for long.
                self._crew.reopen({queue.queue_id for queue in message.queues if queue.waiting})
            self._display.show(message)
        elif isinstance(message, Ended) and message.outcome is Outcome.DONE:
            # Even after an interruption: the items in flight may have been the last ones.
            self._end(Outcome.DONE, "")
        elif isinstance(message, Ended) and self._over is None:
            self._end(Outcome.FAILED, message.reason)
            if message.at_once:
                self._deadline = time.monotonic()

    def _note_progress(self, queues: tuple[QueueSizes, ...]) -> None:
        if _progress(queues) > _progress(self._queues):
            self._futile_deaths = 0
        self._queues = queues

    def _fail(self, reason: str) -> None:
        """It cannot go on; a load that is done stays done."""
        if self._over is None or self._over[0] is not Outcome.DONE:
            self._over = Outcome.FAILED, reason

    def _end(self, outcome: Outcome, reason: str) -> None:
        """It is over: let the children come to their ends, within the grace period."""
        self._over = outcome, reason
        self._deadline = time.monotonic() + self._grace
        self._crew.stop_filling()

    def _interrupt(self, number: int) -> None:
        name = signal.Signals(number).name
        if self._over is not None:
            self._display.say(f"{name} again: ending at once")
            self._deadline = time.monotonic()
            return
        self._signal = number
        self._end(Outcome.INTERRUPTED, f"interrupted by {name}")
        self._halt()
        self._display.say(
            f"{name}: finishing the items in flight (up to {self._grace:g} s); again to end at once"
        )

    def _halt(self) -> None:
        failpoints.point("supervisor.before_halt")
        control, _ = Connection.dial(self._run.handle, Role.CONTROL)
        control.ask(Halt)
        control.close()
        for place in self._crew.places:
            # A source has no item to finish; what it had put is journaled.
            if place.source and place.process is not None:
                place.process.terminate()

    def _enforce_deadlines(self, now: float) -> None:
        """Kill workers whose item takes too long, from outside: SIGTERM, a little later SIGKILL."""
        if self._look_at is None or now >= self._look_at:
            overruns, self._look_at = self._deadlines.check(now)
            for overrun in overruns:
                self._end_overrun(overrun, now)
        for pid in [pid for pid, at in self._to_kill.items() if now >= at]:
            del self._to_kill[pid]
            self._crew.signal_one(pid, signal.SIGKILL)

    def _end_overrun(self, overrun: Overrun, now: float) -> None:
        if overrun.pid in self._to_kill or not self._crew.has_child(overrun.pid):
            return
        # The broker has to know why before it sees the worker's stream end.
        self._run.anchor.send(Overdue(overrun.pid, overrun.attempt, overrun.limit))
        if self._crew.signal_one(overrun.pid, signal.SIGTERM):
            self._to_kill[overrun.pid] = now + KILL_PATIENCE_S

    def _note_ending(self, place: Place, ending: Ending) -> None:
        self._to_kill.pop(ending.pid, None)
        if ending.code is not None and (ending.code or not place.left):
            failpoints.point("supervisor.before_worker_ended")
            self._run.anchor.send(
                WorkerEnded(
                    ending.pid, ending.code, ending.signal, ending.peak_rss, ending.out_of_memory
                )
            )
        if self._over is not None:
            return
        self._futile_deaths += not place.over
        if ending.code == UNGUARDED and place.failed_starts:
            raise UsageError(f"{place.name} cannot be started: {UNGUARDED_WHY}")
        if place.source:
            self._forgive_if_it_progresses(place)
        if self._stays_empty(place):
            self._give_up(f"{place.name} cannot be started: {_why(place, ending)}")
        elif place.source and place.deaths >= SOURCE_DEATHS_MAX:
            self._give_up(f"{place.name} keeps dying (the last one {ending})")
        elif self._is_futile():
            self._give_up(f"workers keep dying and nothing gets done ({ending})")
        elif not place.over:
            self._display.say(f"{place.name} {ending}; starting another one")

    def _note_empty(self, place: Place) -> None:
        """The system has no process to give: it may have one soon, but not for ever."""
        if self._stays_empty(place):
            self._give_up(f"{place.name} cannot be started: {place.complaint}")
        else:
            self._display.say(f"{place.name} cannot be started now: {place.complaint}")

    def _stays_empty(self, place: Place) -> bool:
        """Return whether a place stays empty, with nobody else at its task."""
        return place.failed_starts >= FAILED_STARTS_MAX and not self._crew.has_another(place)

    def _is_futile(self) -> bool:
        """Return whether workers die and nothing comes of it, by counters that are not old."""
        limit = FUTILE_DEATHS_PER_PLACE * len(self._crew.places)
        if self._futile_deaths >= limit:
            self._note_progress(tuple(sizes_of_run(self._run.handle)))
        return self._futile_deaths >= limit

    def _forgive_if_it_progresses(self, source: Place) -> None:
        """Count a source's deaths anew when it has put more than before the last one."""
        if source.deaths:
            self._note_progress(tuple(sizes_of_run(self._run.handle)))
        if self._queues[0].put > self._put_before:
            self._put_before = self._queues[0].put
            source.deaths = min(source.deaths, 1)

    def _give_up(self, reason: str) -> None:
        self._end(Outcome.FAILED, reason)
        self._halt()


def _why(place: Place, ending: Ending) -> str:
    # A module that cannot be imported is told by Python itself, before any code of ours runs.
    return place.complaint or f"the last one {ending}, and what it said is above"


def _progress(queues: tuple[QueueSizes, ...]) -> int:
    return sum(queue.done + queue.dropped + queue.parked + queue.blamed for queue in queues)
