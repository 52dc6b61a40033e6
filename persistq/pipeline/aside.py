"""A run beside the thread that wants its results: the one place that knows how it is carried out.

The run is on a thread of its own, its items come from another one, and the caller keeps the load
open until it has all results.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from persistq import failpoints
from persistq.client.connection import Connection
from persistq.client.leaving import see_off
from persistq.errors import PersistqError
from persistq.outcome import Outcome
from persistq.pipeline.feeding import Feeder, give_up
from persistq.pipeline.keeping import RESULTS
from persistq.pipeline.opening import OpenLoad, open_load
from persistq.pipeline.run import Run
from persistq.wire.messages import Role, Seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from persistq.display.console import Console
    from persistq.pipeline.definition import Definition
    from persistq.pipeline.sourcetask import SourceTask
    from persistq.pool.conclusion import Conclusion
    from persistq.pool.stops import Stops
    from persistq.settings import Settings

LEFT: Final = "its caller has left before it had all results"


class Aside:
    """A run on a thread of its own; its load is settled when the caller has taken all results.

    Args:
        definition: The pipeline, whose sources are `here`.
        settings: The settings of this start.
        feeder: Puts the items.

    Attributes:
        over: Set when the run has ended, with whatever outcome.

    Raises:
        UsageError: The unfinished load has other stages.
        JournalError: The journal cannot be used, or a run of this name is at work.
    """

    def __init__(self, definition: Definition, settings: Settings, feeder: Feeder) -> None:
        self.over = threading.Event()
        self._feeder = feeder
        self._error: BaseException | None = None
        self._parted = threading.Event()
        self._reason = ""
        self.run = FedRun(feeder, self._await_parting, open_load(definition, settings))
        self._thread = threading.Thread(target=self._work, name="persistq-run", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Let the load be settled: its caller has all results.

        Crash: before, the next run gives all results again; after, the load is over.

        Raises:
            PersistqError: Items are parked, or the run has failed.
            BaseException: Whatever else has ended it.
        """
        failpoints.point("map.before_finish")
        reason = ""
        if not self.over.is_set():
            try:
                self.run.let_settle()
            except PersistqError as error:
                reason = str(error)
        self._part(reason)
        if self._error is not None:
            raise self._error from self._feeder.error

    def stop(self, reason: str = LEFT) -> None:
        """End the run: items in hand are finished, the load is carried on by the next one.

        Crash: the same, but for the items in hand.
        """
        if not self.over.is_set():
            failpoints.point("map.before_stop")
            self._feeder.cut()
            give_up(self.run.opened.handle, reason)
        self._part(reason)

    # --- inside ---

    def _part(self, reason: str) -> None:
        self._reason = reason
        self._parted.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            _, self._error = self.run.carry_out()
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
            self._error = error
            self.run.opened.anchor.close()
            see_off(self.run.opened.broker, serves_others=False)
        finally:
            self.over.set()

    def _await_parting(self) -> str:
        self._parted.wait()
        return self._reason


class FedRun(Run):
    """A run whose items come from this process, and whose results go there.

    Args:
        feeder: Puts the items.
        await_parting: Waits until the caller has left, and says why; empty if it has all results.
        load: The open load.
    """

    def __init__(self, feeder: Feeder, await_parting: Callable[[], str], load: OpenLoad) -> None:
        super().__init__(load)
        self._feeder = feeder
        self._await_parting = await_parting
        told = {told.source.to == RESULTS: told for told in self._briefing.sources()}
        self._input: SourceTask | None = told.get(False)
        self._taker: SourceTask | None = told.get(True)

    def work(self, console: Console, stops: Stops | None = None) -> Conclusion:
        """Work until the load is settled, which it is not before the caller says so.

        Crash: see `Run.work`.
        """
        inline = self._settings.workers == 0
        if self._input is not None and not inline:
            self._feeder.begin(self._input)
        try:
            conclusion = super().work(console, stops)
        finally:
            self._feeder.cut()
        if not inline or self._taker is None or conclusion.outcome is not Outcome.DONE:
            return conclusion
        # No supervisor has waited for the end of the load.
        reason = self._await_parting()
        return replace(conclusion, outcome=Outcome.FAILED, reason=reason) if reason else conclusion

    def let_settle(self) -> None:
        """Have the load settled when nothing is outstanding; its results were taken.

        Crash: it is recorded, or the next run gives all results again.

        Raises:
            BrokerLost: The broker is gone.
        """
        if (told := self._taker) is None:
            return
        control, _ = Connection.dial(told.handle, Role.CONTROL)
        try:
            control.ask(Seal, told.handle.queue_id, told.handle.source_id)
        finally:
            control.close()
