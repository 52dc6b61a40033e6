"""A run of a pipeline: open its load, give out the work, watch over it, conclude."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from persistq import failpoints
from persistq.client.leaving import say_farewell, see_off
from persistq.client.openings import named_by_resume, opening
from persistq.client.presence import sizes_of_run
from persistq.client.starting import OpenedRun, open_run
from persistq.errors import BrokerLost, JournalError, LoadUnfinished, UsageError
from persistq.outcome import Outcome
from persistq.pipeline.definition import Definition
from persistq.pipeline.inline import InlineRun
from persistq.pipeline.parameters import Parameters, parameters_of, wants_settings
from persistq.pipeline.source import SourceTask, run_source
from persistq.pipeline.stage import Stage
from persistq.pipeline.summary import Summary, beginning, summary_of, tell
from persistq.pipeline.task import StageTask
from persistq.pool.conclusion import Conclusion
from persistq.pool.crew import Crew, Place
from persistq.pool.deadlines import Deadlines
from persistq.pool.progress import Console, console_for
from persistq.pool.supervisor import Supervisor
from persistq.pool.worker import run_worker
from persistq.settings import Settings, available_cpus
from persistq.site.naming import fields_of, filled


def run(definition: Definition, settings: Settings, *, check: bool) -> Summary:
    """Start a load, or carry on the one that is unfinished, and work until it is settled.

    Crash: see `persistq.pipeline.pipeline.Pipeline.run`.

    Args:
        definition: The pipeline.
        settings: The settings of this start.
        check: Whether to raise unless everything is done.

    Raises:
        UsageError: The unfinished load has other stages or other parameters.
        JournalError: The journal cannot be used, or this pipeline is running already.
        LoadUnfinished: It failed or was interrupted, and ``check`` is set.
        ItemsFailed: It is settled with failed items, and ``check`` is set.
    """
    current = opened(definition, settings)
    console = console_for(current.name, settings.progress, settings.progress_plain_interval)
    with contextlib.closing(console):
        conclusion = current.work(console)
        current.settle(conclusion, console)
    summary = summary_of(current.opened, conclusion)
    current.take_leave(conclusion)
    error = tell(summary, current.opened)
    if error is not None and check:
        raise error
    return summary


def opened(definition: Definition, settings: Settings) -> Run:
    """Open the load of a pipeline.

    Raises:
        UsageError: The unfinished load has other stages or other parameters.
        JournalError: The journal cannot be used, or this pipeline is running already.
        LoadUnfinished: The broker has died.
    """
    source = definition.source
    parameters = parameters_of(
        source.name, source.function, settings.params, definition.parameter_codec
    )
    load = _open(definition, settings, parameters)
    try:
        arguments = parameters.of_load(load.welcome.params)
    except UsageError:
        load.anchor.close()
        raise
    settings = _with_parameters(settings, load, arguments)
    if wants_settings(source.function):
        arguments["settings"] = settings
    return Run(definition, settings, load, arguments)


def _open(definition: Definition, settings: Settings, parameters: Parameters) -> OpenedRun:
    wanted = opening(
        named_by_resume(definition.name, settings) or filled(definition.name, parameters.values),
        "pipeline",
        [stage.spec(settings) for stage in definition.stages],
        settings,
        template=definition.name if fields_of(definition.name) else "",
        source=parameters.source,
        parameters=parameters.encoded(),
        takes_any=parameters.takes_any,
    )
    try:
        return open_run(wanted, ack_interval=settings.ack_interval, timeout=settings.broker_timeout)
    except BrokerLost as lost:
        # To the program it makes no difference when its broker died.
        raise LoadUnfinished(wanted.name, str(lost)) from lost


def _with_parameters(settings: Settings, load: OpenedRun, values: Mapping[str, Any]) -> Settings:
    """Return the settings with those parameters that the load was given."""
    given = {param.name for param in load.welcome.params if param.given}
    params = settings.params | {name: values[name] for name in given}
    return settings.model_copy(update={"params": params})


class Run:
    """One process lifetime that works on a load.

    Args:
        definition: The pipeline.
        settings: The settings of this start, with the load's parameters.
        opened: The open load.
        arguments: What the source is called with.
    """

    def __init__(
        self,
        definition: Definition,
        settings: Settings,
        opened: OpenedRun,
        arguments: dict[str, Any],
    ) -> None:
        self.opened = opened
        self._definition = definition
        self._settings = settings
        self._arguments = arguments
        self._queues = {queue.name: queue for queue in opened.welcome.queues}

    @property
    def name(self) -> str:
        """The name of the load."""
        return self.opened.handle.name

    def work(self, console: Console) -> Conclusion:
        """Work until it is over.

        Crash: children die with this process; the journal holds what is outstanding.

        Args:
            console: Where to show progress.

        Raises:
            UsageError: A worker cannot be started as the script is written.
        """
        for line in beginning(self.opened):
            console.say(line)
        if self._settings.workers == 0:
            return self._work_inline()
        crew = Crew(self._settings.start_method, list(self._places()))
        with contextlib.closing(Deadlines(self.opened.handle.site, crew)) as deadlines:
            supervisor = Supervisor(
                self.opened,
                crew,
                console,
                deadlines,
                progress_interval=self._settings.progress_interval,
                shutdown_grace=self._settings.shutdown_grace,
            )
            return supervisor.supervise()

    def settle(self, conclusion: Conclusion, console: Console) -> None:
        """Delete the receipts of a load that is settled, whose end is on disk.

        Crash: see `persistq.pipeline.settling.purge_receipts`.
        """
        sinks = {stage.name: stage.sink for stage in self._definition.stages if stage.sink}
        if sinks and conclusion.outcome is Outcome.DONE:
            from persistq.pipeline.settling import purge_receipts

            for line in purge_receipts(self.opened, sinks, conclusion.queues):
                console.say(line)

    def take_leave(self, conclusion: Conclusion) -> None:
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

    # --- inside ---

    def _work_inline(self) -> Conclusion:
        tasks = [self._task(stage) for stage in self._definition.stages]
        handle, welcome = self.opened.handle, self.opened.welcome
        try:
            ended = InlineRun(self._source(), tasks).run()
        except KeyboardInterrupt:
            number = signal.SIGINT
            reason, queues = f"interrupted by {number.name}", tuple(sizes_of_run(handle))
            return Conclusion(Outcome.INTERRUPTED, reason, queues, signal=number)
        except (BrokerLost, JournalError) as error:
            queues = tuple(welcome.queues)
            return Conclusion(Outcome.LOST, str(error), queues, lost_code=error.exit_code)
        return Conclusion(ended.outcome, ended.reason, tuple(sizes_of_run(handle)))

    def _places(self) -> Iterator[Place]:
        if (source := self._source()) is not None:
            name = f"source {source.source.name}"
            yield Place(name, run_source, (source,), source=True)
        for stage in self._definition.stages:
            task, limit = self._task(stage), stage.spec(self._settings).timeout
            for number in range(1, self._workers_of(stage) + 1):
                name = f"worker {stage.name}-{number}"
                queue_id = self._queues[stage.name].queue_id
                yield Place(name, run_worker, (task,), limit=limit, queue_id=queue_id)

    def _workers_of(self, stage: Stage) -> int:
        wanted = self._settings.workers if stage.workers is None else stage.workers
        return available_cpus() if wanted is None else wanted

    def _source(self) -> SourceTask | None:
        """Return what the source's process is told; None if it has come to its end before."""
        definition = self._definition
        (entry,) = definition.graph.entries
        queue = self._queues[entry]
        if queue.sealed:
            return None
        handle = self.opened.handle.on(queue.queue_id)
        return SourceTask(handle, definition.source, self._arguments, definition.codec)

    def _task(self, stage: Stage) -> StageTask:
        targets = self._definition.graph.feeds[stage.name]
        return StageTask(
            name=stage.name,
            handle=self.opened.handle.on(self._queues[stage.name].queue_id),
            handler=stage.handler,
            extras=stage.extras,
            context=self._context(),
            settings=self._settings if "settings" in stage.extras else None,
            targets=tuple(self._queues[target].queue_id for target in targets),
            codec=self._definition.codec,
            stream=stage.stream,
            batch=None if stage.batching is None else stage.batching.batch,
            sink=stage.sink,
        )

    def _context(self) -> Callable[[], Any] | None:
        context = self._definition.context
        return None if context is None else context.maker(self._settings)
