"""``workers=0``: source and stages run in the calling process, for a debugger."""

from __future__ import annotations

import contextlib
import signal
import traceback
from collections.abc import Sequence
from typing import Any

from persistq.client.presence import sizes_of_run
from persistq.client.starting import OpenedRun
from persistq.errors import BrokerLost, JournalError
from persistq.outcome import Outcome
from persistq.pipeline.draining import drain_source
from persistq.pipeline.sourcetask import SourceTask
from persistq.pool.conclusion import Conclusion
from persistq.pool.stops import Stop, Stopped, Stops
from persistq.pool.task import Task
from persistq.pool.worker import Worker
from persistq.text.streams import say
from persistq.text.terminal import text_of
from persistq.wire.messages import Ended

DELAYED_POLL_S = 0.2
"""How long to wait at one stage for an item whose retry is due later."""


def work_inline(
    opened: OpenedRun, sources: Sequence[SourceTask], stages: Sequence[Task], stops: Stops
) -> Conclusion:
    """Run a pipeline in this process, and return how it ended.

    Crash: as `InlineRun.run`.

    Args:
        opened: The open load.
        sources: The sources that have not come to their end in an earlier run.
        stages: The stages in order.
        stops: Orders to stop, heeded between two items.
    """
    try:
        inline = InlineRun(sources, stages, stops)
        ended = inline.run()
    except KeyboardInterrupt as error:
        stop = error.stop if isinstance(error, Stopped) else Stop("SIGINT", signal.SIGINT)
        sizes = tuple(sizes_of_run(opened.handle))
        return Conclusion(Outcome.INTERRUPTED, stop.reason, sizes, signal=stop.signal)
    except (BrokerLost, JournalError) as error:
        queues = tuple(opened.welcome.queues)
        return Conclusion(Outcome.LOST, str(error), queues, lost_code=error.exit_code)
    sizes = tuple(sizes_of_run(opened.handle))
    return Conclusion(ended.outcome, ended.reason, sizes, exception=inline.raised)


class InlineRun:
    """Runs a pipeline without child processes.

    Each item that the source yields is carried through all stages before the next one is asked for.

    Args:
        sources: The sources that have not come to their end in an earlier run.
        stages: The stages in order.
        stops: Orders to stop, heeded between two items.

    Attributes:
        raised: What a source has raised, if one has.
    """

    def __init__(self, sources: Sequence[SourceTask], stages: Sequence[Task], stops: Stops) -> None:
        self._sources = sources
        self._stages = stages
        self._stops = stops
        self.raised: BaseException | None = None
        self._channels = [stage.connect() for stage in stages]
        try:
            self._workers: list[Worker[Any]] = [
                stage.prepare(channel)
                for stage, channel in zip(stages, self._channels, strict=True)
            ]
        except BaseException:
            self._clean_up()
            raise

    def run(self) -> Ended:
        """Run to the end, and return how it ended.

        Crash: the item in hand is outstanding; everything reported is kept.

        Raises:
            Stopped: It was told to stop.
        """
        try:
            for source in self._sources:
                if not drain_source(source, self._note, self._carry):
                    break
            while (ended := self._carry()) is None:
                self._await_delayed()
            return ended
        finally:
            for worker in self._workers:
                # What interrupted the run comes first; it may have interrupted a channel as well.
                with contextlib.suppress(BrokerLost):
                    worker.leave()
            self._clean_up()

    def _note(self, error: BaseException) -> None:
        self.raised = error

    def _clean_up(self) -> None:
        """Clean up the context; that this fails changes nothing of what was done."""
        for stage in self._stages:
            try:
                stage.clean_up()
            except Exception as error:  # noqa: BLE001 - as in a worker
                say(traceback.format_exc().rstrip())
                why = f"{type(error).__qualname__}: {text_of(error)}"
                say(f"{stage.name} has done its work, but not cleaned up: {why}")

    def _carry(self) -> Ended | None:
        """Work until nothing is ready; return the end if it has come to every stage."""
        progress = True
        while progress:
            progress, ends = False, list[Ended]()
            for worker, channel in zip(self._workers, self._channels, strict=True):
                while (got := self._next(worker)) is not None:
                    if isinstance(got, Ended):
                        ends.append(got)
                        break
                    worker.attempt(got)
                    channel.report()
                    progress = True
                if ends and ends[-1].outcome is not Outcome.DONE:
                    return ends[-1]
        return ends[-1] if len(ends) == len(self._workers) else None

    def _next(self, worker: Worker[Any]) -> Any:
        if self._stops:
            raise Stopped(self._stops.take()[0])
        return worker.get(timeout=0)

    def _await_delayed(self) -> None:
        for worker, channel in zip(self._workers, self._channels, strict=True):
            got = worker.get(timeout=DELAYED_POLL_S)
            if got is not None and not isinstance(got, Ended):
                worker.attempt(got)
                channel.report()
                return
