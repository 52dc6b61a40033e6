"""``workers=0``: source and stages run in the calling process, for a debugger."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from persistq.errors import BrokerLost
from persistq.outcome import Outcome
from persistq.pipeline.source import SourceTask, drain_source
from persistq.pool.task import Task
from persistq.pool.worker import Worker
from persistq.wire.messages import Ended

DELAYED_POLL_S = 0.2
"""How long to wait at one stage for an item whose retry is due later."""


class InlineRun:
    """Runs a pipeline without child processes.

    Each item that the source yields is carried through all stages before the next one is asked for.

    Args:
        source: The source, or None if it has come to its end in an earlier run.
        stages: The stages in order.
    """

    def __init__(self, source: SourceTask | None, stages: Sequence[Task]) -> None:
        self._source = source
        self._channels = [stage.connect() for stage in stages]
        self._workers: list[Worker[Any]] = [
            stage.prepare(channel) for stage, channel in zip(stages, self._channels, strict=True)
        ]

    def run(self) -> Ended:
        """Run to the end, and return how it ended.

        Crash: the item in hand is outstanding; everything reported is kept.
        """
        try:
            if self._source is not None:
                drain_source(self._source, on_item=self._carry)
            while (ended := self._carry()) is None:
                self._await_delayed()
            return ended
        finally:
            for worker in self._workers:
                # What interrupted the run comes first; it may have interrupted a channel as well.
                with contextlib.suppress(BrokerLost):
                    worker.leave()

    def _carry(self) -> Ended | None:
        """Work until nothing is ready; return the end of the last stage if it has come."""
        last: Ended | None = None
        progress = True
        while progress:
            progress = False
            for worker, channel in zip(self._workers, self._channels, strict=True):
                while (got := worker.get(timeout=0)) is not None:
                    if isinstance(got, Ended):
                        last = got if channel is self._channels[-1] else last
                        break
                    worker.attempt(got)
                    channel.report()
                    progress = True
                if last is not None and last.outcome is not Outcome.DONE:
                    return last
        return last

    def _await_delayed(self) -> None:
        for worker, channel in zip(self._workers, self._channels, strict=True):
            got = worker.get(timeout=DELAYED_POLL_S)
            if got is not None and not isinstance(got, Ended):
                worker.attempt(got)
                channel.report()
                return
