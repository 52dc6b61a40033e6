"""The supervisor: fills the places of a run, replaces who has died, and knows when it is over.

It waits at one place, for whatever comes first: a message of the broker, the end of a child, an
order to stop.
"""

from __future__ import annotations

import signal
import time
from contextlib import AbstractContextManager
from multiprocessing import connection
from typing import Protocol

from persistq import failpoints
from persistq.client.connection import Connection
from persistq.client.presence import puts_of_sources, sizes_of_run
from persistq.client.starting import OpenedRun
from persistq.errors import BrokerLost, JournalError, LoadUnfinished, RunEnded, UsageError
from persistq.outcome import Outcome
from persistq.pool.child import UNGUARDED, UNGUARDED_WHY
from persistq.pool.conclusion import Conclusion
from persistq.pool.crew import Crew, Place
from persistq.pool.deadlines import Deadlines, Overrun
from persistq.pool.endings import Ending
from persistq.pool.hearing import Hearing
from persistq.pool.stops import Stop, Stops
from persistq.wire.messages import (
    BrokerMessage,
    Drain,
    Ended,
    Halt,
    Overdue,
    Printed,
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

    @property
    def due(self) -> float | None:
        """When to `refresh`, on the monotonic clock; None if nothing waits to be shown."""

    def refresh(self) -> None:
        """Show what waits to be shown, if it is time."""

    def show(self, progress: Progress) -> None:
        """Show where the load stands."""

    def say(self, text: str) -> None:
        """Say one line."""

    def aside(self) -> AbstractContextManager[None]:
        """Let others write to the terminal, above what is drawn there."""

    def pass_on(self, stream: int, text: str) -> None:
        """Write to standard output (1) or standard error (2) as it is."""


class Supervisor:
    """Runs one crew on one open run until it is over.

    Args:
        run: The open run.
        crew: The places to fill.
        display: Where progress is shown.
        deadlines: How long one item may take.
        stops: Orders to stop.
        progress_interval: Least time between two progress reports, in seconds.
        shutdown_grace: How long items in flight may take after a stop, in seconds.
    """

    def __init__(
        self,
        run: OpenedRun,
        crew: Crew,
        display: Display,
        deadlines: Deadlines,
        stops: Stops,
        *,
        progress_interval: float,
        shutdown_grace: float,
    ) -> None:
        self._run = run
        self._crew = crew
        self._display = display
        self._hearing = Hearing(display, run.handle.name, run.welcome.load_id)
        self._deadlines = deadlines
        self._stops = stops
        self._look_at: float | None = None
        self._to_kill: dict[int, float] = {}
        self._interval = progress_interval
        self._grace = shutdown_grace
        self._queues: tuple[QueueSizes, ...] = tuple(run.welcome.queues)
        self._over: tuple[Outcome, str] | None = None
        self._deadline: float | None = None
        self._stop: Stop | None = None
        self._lost_code = LoadUnfinished.exit_code
        self._futile_deaths = 0
        self._put_before: dict[int, int] = {}
        self._drains_until: float | None = None

    def supervise(self) -> Conclusion:
        """Run to the end: settled, failed, interrupted, or the broker lost.

        Crash: children die with this process; the journal holds what is outstanding.

        Raises:
            UsageError: A child cannot be started as the script is written.
        """
        try:
            self._run.anchor.send(Watch(self._interval))
            try:
                self._loop()
            finally:
                self._crew.stop(KILL_PATIENCE_S)
            self._catch_up()
        except (BrokerLost, RunEnded, JournalError) as error:
            self._over = Outcome.LOST, str(error)
            self._lost_code = error.exit_code
        except OSError as error:
            self._fail(f"the supervisor cannot go on: {error}")
        outcome, reason = self._over or (Outcome.LOST, "the supervisor failed")
        number = 0 if self._stop is None else self._stop.signal
        return Conclusion(outcome, reason, self._queues, number, self._lost_code)

    def _loop(self) -> None:
        while not self._finished():
            for stop in self._stops.take():
                self._interrupt(stop)
            now = time.monotonic()
            if self._over is None:
                for place in self._crew.fill(now):
                    self._note_empty(place)
            connection.wait(
                [
                    self._run.anchor.fileno(),
                    self._stops.fileno(),
                    *self._crew.sentinels(),
                    *self._crew.ears(),
                ],
                self._patience(now),
            )
            for message in self._run.anchor.poll():
                self._heed(message)
            self._display.refresh()
            self._crew.listen(time.monotonic())
            ended = [*self._crew.reap(time.monotonic())]
            self._pass_on()
            for place, ending in ended:
                self._hearing.finish(place.name)
                self._note_ending(place, ending)
            self._enforce_deadlines(time.monotonic())
            if self._drains_until is not None and time.monotonic() >= self._drains_until:
                self._stop_draining()

    def _catch_up(self) -> None:
        """Take in what the last children did: the broker answers after it has told the rest."""
        self._pass_on()
        queues = sizes_of_run(self._run.handle)
        for message in self._run.anchor.poll():
            self._heed(message)
        self._queues = tuple(queues)

    def _pass_on(self) -> None:
        """Show what workers have printed, and have it kept.

        Crash: what workers have told and this process has not passed on is lost.
        """
        self._hearing.pass_on(self._crew.told())
        for lines in self._hearing.take_kept():
            failpoints.point("supervisor.before_printed")
            self._run.anchor.send(Printed(lines))

    def _finished(self) -> bool:
        if self._over is None:
            return False
        overdue = self._deadline is not None and time.monotonic() >= self._deadline
        return overdue or not self._crew.alive()

    def _patience(self, now: float) -> float:
        times = [
            now + self._crew.next_look(),
            self._deadline,
            self._drains_until,
            self._crew.next_start(),
            self._look_at,
            self._display.due,
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
            self._end_sources()
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

    def _end(self, outcome: Outcome, reason: str, grace: float | None = None) -> None:
        """It is over: let the children come to their ends, within the grace period."""
        self._drains_until = None
        self._over = outcome, reason
        self._deadline = time.monotonic() + (self._grace if grace is None else grace)
        self._crew.stop_filling()

    def _interrupt(self, stop: Stop) -> None:
        if self._over is None and self._drains_until is None:
            self._begin_to_end(stop)
        elif stop.signal:
            self._display.say(f"{stop.by} again: ending at once")
            self._hurry(0.0)
        elif stop.grace is not None:
            self._hurry(stop.grace)

    def _begin_to_end(self, stop: Stop) -> None:
        self._stop = stop
        grace = self._grace if stop.grace is None else stop.grace
        if self._drain(stop, grace):
            return
        self._end(Outcome.INTERRUPTED, stop.reason, grace)
        self._halt()
        self._display.say(
            f"{stop.by}: finishing the items in flight (up to {grace:g} s){_again(stop)}"
        )

    def _hurry(self, seconds: float) -> None:
        """It is ending: have it end in so many seconds at most."""
        at = time.monotonic() + seconds
        if self._drains_until is not None:
            self._drains_until = min(self._drains_until, at)
        elif self._deadline is not None:
            self._deadline = min(self._deadline, at)

    def _drain(self, stop: Stop, grace: float) -> bool:
        """End the sources, and the run when what they have put is worked off.

        Returns:
            False if there are others that have not come to their end: then the load is not whole.
        """
        polled = {place.source_id for place in self._crew.places if place.polls}
        if not polled or not grace or self._crew.fails():
            return False
        failpoints.point("supervisor.before_drain")
        control, welcome = Connection.dial(self._run.handle, Role.CONTROL)
        try:
            left = {source.source_id for source in welcome.sources if not source.ended}
            if not left or left - polled:
                return False
            control.ask(Drain)
        finally:
            control.close()
        self._drains_until = time.monotonic() + grace
        self._display.say(
            f"{stop.by}: asking for no more, and working off what is there (up to {grace:g} s)"
            f"{_again(stop)}"
        )
        return True

    def _stop_draining(self) -> None:
        """Its time is over: what is left stays outstanding."""
        self._drains_until = None
        if self._over is None:
            assert self._stop is not None, "somebody has ordered it"
            self._end(Outcome.INTERRUPTED, self._stop.reason, 0.0)
            self._halt()

    def _halt(self) -> None:
        failpoints.point("supervisor.before_halt")
        control, _ = Connection.dial(self._run.handle, Role.CONTROL)
        control.ask(Halt)
        control.close()
        self._end_sources()

    def _end_sources(self) -> None:
        """End sources, also those that wait: they have no item to finish."""
        for place in self._crew.places:
            if place.source:
                place.over = True
                # What they had put is journaled.
                if place.process is not None:
                    place.process.terminate()

    def _enforce_deadlines(self, now: float) -> None:
        """Kill workers whose item takes too long, from outside: SIGTERM, a little later SIGKILL."""
        if self._look_at is None or now >= self._look_at:
            overruns, self._look_at = self._deadlines.check(now)
            for overrun in overruns:
                self._end_overrun(overrun, now)
        for pid in self._crew.lingering(now, self._grace):
            # Everything is reported: it hangs in its clean-up.
            self._to_kill.setdefault(pid, now)
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
        if place.left and ending.code:
            why = place.complaint or str(ending)
            self._display.say(f"{place.name} has done its work, but not cleaned up: {why}")
        if self._over is None:
            self._judge(place, ending)

    def _judge(self, place: Place, ending: Ending) -> None:
        """Find out whether it leads anywhere to fill a place again."""
        if place.raised and place.over:
            # The load is going to fail, as soon as what was put is worked off.
            self._end_sources()
            self._display.say(
                f"{place.name} has failed: working off what it has put (up to {self._grace:g} s)"
            )
        self._futile_deaths += not (place.over or place.left)
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
        elif not (place.over or place.left):
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
        if not source.deaths:
            return
        put = puts_of_sources(self._run.handle).get(source.source_id, 0)
        if put > self._put_before.get(source.source_id, 0):
            self._put_before[source.source_id] = put
            source.deaths = min(source.deaths, 1)

    def _give_up(self, reason: str) -> None:
        self._end(Outcome.FAILED, reason)
        self._halt()


def _again(stop: Stop) -> str:
    return "; again to end at once" if stop.signal else ""


def _why(place: Place, ending: Ending) -> str:
    # A module that cannot be imported is told by Python itself, before any code of ours runs.
    return place.complaint or f"the last one {ending}, and what it said is above"


def _progress(queues: tuple[QueueSizes, ...]) -> int:
    return sum(queue.done + queue.dropped + queue.parked + queue.blamed for queue in queues)
