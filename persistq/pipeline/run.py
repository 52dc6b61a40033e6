"""A run of a pipeline: open its load, work on it, conclude."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from persistq import failpoints
from persistq.client.leaving import say_farewell, see_off
from persistq.display.choice import console_for
from persistq.display.console import Console
from persistq.display.logged import LoggedConsole
from persistq.errors import BrokerLost, PersistqError
from persistq.outcome import Outcome
from persistq.pipeline import waking
from persistq.pipeline.briefing import Briefing
from persistq.pipeline.definition import Definition
from persistq.pipeline.foresight import plan_of
from persistq.pipeline.inline import work_inline
from persistq.pipeline.opening import OpenLoad, open_load
from persistq.pipeline.staffing import places_of
from persistq.pipeline.summary import Summary, beginning, facts_of, summary_of, told
from persistq.pool.conclusion import Conclusion
from persistq.pool.crew import Crew
from persistq.pool.deadlines import Deadlines
from persistq.pool.raised import error_in
from persistq.pool.signals import Signals
from persistq.pool.stops import Stops
from persistq.pool.supervisor import Supervisor
from persistq.pool.workplace import Workplace
from persistq.settings import Settings
from persistq.wire.messages import Progress


def run(
    definition: Definition,
    settings: Settings,
    *,
    check: bool,
    stops: Stops | None = None,
    begun: Callable[[str], object] | None = None,
) -> Summary:
    """Start a load, or carry on the one that is unfinished, and work until it is settled.

    Crash: see `persistq.pipeline.pipeline.Pipeline.run`.

    Args:
        definition: The pipeline.
        settings: The settings of this start.
        check: Whether to raise unless everything is done.
        stops: Orders to stop; None has signals stop it, in a main thread.
        begun: Is told the name of the load when that is open.

    Raises:
        UsageError: The unfinished load has other stages or other parameters.
        JournalError: The journal cannot be used, or this pipeline is running already.
        LoadUnfinished: It failed or was interrupted, and ``check`` is set.
        ItemsFailed: It is settled with failed items, and ``check`` is set.
    """
    with _journal_of(settings) as there:
        current = Run(open_load(definition, there))
        if begun is not None:
            begun(current.name)
        summary, error = current.carry_out(stops)
    if error is not None and check:
        raise error
    return summary


def _journal_of(settings: Settings) -> contextlib.AbstractContextManager[Settings]:
    """Return the settings with the journal that is used: that of a sample is thrown away."""
    if settings.sample is None:
        return contextlib.nullcontext(settings)
    from persistq.pipeline.sample import throwaway

    return throwaway(settings)


class Run:
    """One process lifetime that works on a load.

    Args:
        load: The open load.

    Attributes:
        opened: This process's hold on it.
    """

    def __init__(self, load: OpenLoad) -> None:
        self.opened = load.opened
        self._definition = load.definition
        self._settings = load.settings
        self._briefing = Briefing(load)

    @property
    def name(self) -> str:
        """The name of the load."""
        return self.opened.handle.name

    def carry_out(self, stops: Stops | None = None) -> tuple[Summary, PersistqError | None]:
        """Carry it out from its first word to its last.

        Crash: see `persistq.pipeline.pipeline.Pipeline.run`.

        Args:
            stops: Orders to stop; None has signals stop it, in a main thread.

        Returns:
            What it leaves behind, and the error that says the same, if something is left.

        Raises:
            UsageError: A worker cannot be started as the script is written.
        """
        settings, pipeline = self._settings, self._definition.name
        console = LoggedConsole(
            console_for(self.name, settings), self.name, self.opened.welcome.load_id
        )
        with contextlib.closing(console):
            waking.join(pipeline, self.opened.handle)
            try:
                conclusion = self.work(console, stops)
            finally:
                waking.leave(pipeline)
            self._settle(conclusion, console)
        summary = summary_of(self.opened, conclusion)
        self._take_leave(conclusion)
        return summary, self._tell(summary, console)

    def work(self, console: Console, stops: Stops | None = None) -> Conclusion:
        """Work until it is over.

        Crash: children die with this process; the journal holds what is outstanding.

        Args:
            console: Where to show progress.
            stops: Orders to stop; None has signals stop it, in a main thread. Inline runs leave
                these alone: Ctrl-C belongs to the debugger.

        Raises:
            UsageError: A worker cannot be started as the script is written.
        """
        for line in self._beginning():
            console.inform(line)
        if self._settings.workers == 0:
            return self._work_inline(Stops() if stops is None else stops)
        if stops is not None:
            return self._supervise(console, stops)
        stops = Stops()
        with Signals(stops.order):
            return self._supervise(console, stops)

    # --- inside ---

    def _beginning(self) -> Iterable[str]:
        if self._settings.sample is None:
            return beginning(self.opened)
        from persistq.pipeline.sample import announcement

        return [announcement(self._settings.sample)]

    def _work_inline(self, stops: Stops) -> Conclusion:
        tasks = [task for _, task in self._briefing.stages()]
        # Who waits for results puts nothing.
        fed = {task.name for task in tasks}
        sources = [told for told in self._briefing.sources() if told.source.to in fed]
        return work_inline(self.opened, sources, tasks, stops)

    def _supervise(self, console: Console, stops: Stops) -> Conclusion:
        crew = Crew(self._settings.start_method, list(places_of(self._briefing, self._settings)))
        site = self.opened.handle.site
        with (
            contextlib.closing(Deadlines(site, crew)) as deadlines,
            contextlib.closing(Workplace(site, crew.places)) as workplace,
        ):
            console.begin(plan_of(self.opened, self._definition, self._settings), workplace)
            supervisor = Supervisor(
                self.opened,
                crew,
                console,
                deadlines,
                stops,
                progress_interval=self._settings.progress_interval,
                shutdown_grace=self._settings.shutdown_grace,
            )
            conclusion = supervisor.supervise()
            # Reports that came with the end are in no progress that was shown.
            console.show(Progress([*conclusion.queues], []))
        error = error_in(crew.raised(), self._definition.codec.own)
        return replace(conclusion, exception=error)

    def _settle(self, conclusion: Conclusion, console: Console) -> None:
        """Delete the receipts of a load that is settled, whose end is on disk.

        Of a sample there are none; what has failed of it is shown, while it is known.

        Crash: see `persistq.pipeline.settling.purge_receipts`.
        """
        if self._settings.sample is not None:
            from persistq.pipeline.sample import failures_of

            with console.aside():
                for text in failures_of(self.opened):
                    console.pass_on(2, text)
            return
        sinks = {stage.name: stage.sink for stage in self._definition.stages if stage.sink}
        if sinks and conclusion.outcome is Outcome.DONE:
            from persistq.pipeline.settling import purge_receipts

            for line in purge_receipts(self.opened, sinks, conclusion.queues):
                console.inform(line)

    def _take_leave(self, conclusion: Conclusion) -> None:
        """Tell the broker how it ended, and wait until it has folded the journal.

        Crash: the end of this run is missing in the journal, and nothing else.
        """
        anchor, result = self.opened.anchor, conclusion.outcome.result
        if result is not None:
            with contextlib.suppress(BrokerLost, OSError):
                failpoints.point("supervisor.before_farewell")
                say_farewell(anchor, result, conclusion.reason)
                failpoints.point("supervisor.after_farewell")
        anchor.close()
        see_off(self.opened.broker, serves_others=False)

    def _tell(self, summary: Summary, console: Console) -> PersistqError | None:
        """Say how it ended, and how to carry on.

        Returns:
            The error that says the same, if something is left.
        """
        text, error = self._told(summary)
        console.conclude(text, facts_of(summary), good=error is None)
        if error is not None:
            error.told = True
        return error

    def _told(self, summary: Summary) -> tuple[str, PersistqError | None]:
        if self._settings.sample is None:
            return told(summary, self.opened)
        from persistq.pipeline.sample import told_of_sample

        return told_of_sample(summary)
